/**
 * `weir record`: a window of what runs on Kafka; where none is named and no local stack runs, a run as `weir demo` makes it.
 *
 * I1  The first line says which of them it is: a recording of the one must not be taken for the other.
 */
import type { Command } from 'commander';
import type { KafkaConnection } from '#engine/kafka/connection.ts';
import type { RecordingManifest } from '#engine/replay/recording.ts';
import { CliError } from '../cli-error.ts';
import { localDataDir } from '../connection-options.ts';
import { examples } from '../help.ts';
import type { CliIo } from '../io.ts';
import type { KafkaNames } from '../kafka/targets.ts';
import { addRunOptions, type DemoOptions, runDemo } from './demo.ts';

interface RecordOptions extends DemoOptions, KafkaNames {}

/** An end by Ctrl-C includes reading what belongs to the window. */
const finishMs = 30_000;

async function record(directory: string, options: RecordOptions, command: Command, io: CliIo): Promise<void> {
  const { findKafka } = await import('../kafka/targets.ts');
  const data = command.getOptionValueSource('data') === 'cli' ? options.data : localDataDir;
  const kafka = await findKafka(options, data, io.env);
  if (kafka === undefined) {
    io.stderr.write(
      `recording a run of this machine with a simulated estate: no Kafka is named, and no local stack runs on ${data}\n`,
    );
    await runDemo({ ...options, record: directory }, io);
    return;
  }
  const { connection, isLocal } = kafka;
  refuseDemoOptions(command, isLocal ? ['data'] : []);
  const whose = isLocal ? `, the local stack on ${data}` : '';
  io.stderr.write(`recording what runs on Kafka at ${connection.brokers.join(',')}${whose}\n`);
  await recordFromKafka(directory, options.for, connection, io);
}

/** What is neither about Kafka nor in `taken` is about the run that `demo` would make. */
function refuseDemoOptions(command: Command, taken: readonly string[]): void {
  const known = ['for', 'brokers', 'config', ...taken];
  const given = command.options.filter((option) => {
    const name = option.attributeName();
    return !known.includes(name) && command.getOptionValueSource(name) === 'cli';
  });
  if (given.length === 0) return;
  throw new CliError(
    'usage',
    `${given.map(({ long }) => long ?? '').join(', ')}: what runs on Kafka is recorded as it runs`,
    {
      remedies: ['leave the option out', 'or record a run of this machine: weir demo --record <directory>'],
    },
  );
}

async function recordFromKafka(
  directory: string,
  lasting: string | undefined,
  connection: KafkaConnection,
  io: CliIo,
): Promise<void> {
  const { weirApp } = await import('../app.ts');
  const { durationMs } = await import('../duration.ts');
  const { withSignals } = await import('../signals.ts');
  const { withProgress } = await import('../present/progress.ts');
  const { recordWindow } = await import('#engine/kafka/recorder/record-window.ts');
  const { WriterSchemas } = await import('#engine/codec/writer-schemas.ts');
  const windowMs = lasting === undefined ? Infinity : durationMs(lasting, '--for');
  const manifest = await withSignals(
    io,
    (interrupted) =>
      withProgress(io, `connecting to ${connection.brokers.join(', ')}`, async (progress) => {
        const over = new AbortController();
        let timer: NodeJS.Timeout | undefined;
        try {
          return await recordWindow({
            app: weirApp,
            connection,
            directory,
            writers: new WriterSchemas(),
            from: 'now',
            until: AbortSignal.any([interrupted, over.signal]),
            onProgress: ({ phase, chunks, records }) => {
              if (phase === 'recording' && windowMs !== Infinity)
                timer ??= setTimeout(() => {
                  over.abort();
                }, windowMs);
              progress.update(
                phase === 'starting'
                  ? 'reading the states of the tasks'
                  : `${phase}: ${chunks} commits, ${records} records`,
              );
            },
            onTrouble: ({ message }) => {
              progress.note(`weir: ${message}`);
            },
            finishTimeoutMs: finishMs,
          });
        } finally {
          clearTimeout(timer);
        }
      }),
    finishMs + 5_000,
  );
  io.stderr.write(`recorded ${described(manifest)} into ${directory}; replay it: weir replay ${directory}\n`);
}

function described({ tasks, topics }: RecordingManifest): string {
  const commits = tasks.reduce((sum, { journal }) => sum + journal.records, 0);
  const records = topics.reduce((sum, topic) => sum + topic.records, 0);
  return `${commits} commits of ${tasks.length} tasks and ${records} records`;
}

export function registerRecord(program: Command, io: CliIo): void {
  const command = addRunOptions(
    program
      .command('record')
      .argument('<directory>', 'new directory for the recording')
      .description(
        'Record what the processors do, for weir replay: inputs, outputs, the order of processing and the states at the start. ' +
          'Of whatever runs on the Kafka that options, environment (WEIR_KAFKA_BROKERS and others) or weir.config.json name, else ' +
          'on that of the local stack, in which processes it may be, without their noticing; of the other options only --for ' +
          'applies then. Where none is named and no local stack runs, runs as weir demo does and records that.',
      )
      .option('--for <duration>', 'stop after this time: 30s, 5m; without it, at Ctrl-C')
      .option(
        '--brokers <host:port,...>',
        "Kafka's brokers; other settings come from the environment or the file",
      )
      .option('--config <file>', 'settings (default: weir.config.json where it exists)'),
  )
    .addHelpText(
      'after',
      examples([
        [
          'weir record incident --for 30s',
          'of the Kafka that is set up, the local stack, or a run as of weir demo',
        ],
        ['weir record incident --for 5m --brokers kafka-1:9092', 'of what runs on that Kafka'],
      ]),
    )
    .action((directory: string, options: RecordOptions) => record(directory, options, command, io));
}
