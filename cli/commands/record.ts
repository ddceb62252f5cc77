/** `weir record`: a window of what runs on Kafka; where no Kafka is configured, a run as `weir demo` makes it. */
import type { Command } from 'commander';
import type { KafkaConnection } from '#engine/kafka/connection.ts';
import type { RecordingManifest } from '#engine/replay/recording.ts';
import { CliError } from '../cli-error.ts';
import { examples } from '../help.ts';
import type { CliIo } from '../io.ts';
import { addRunOptions, type DemoOptions, runDemo } from './demo.ts';

/** An end by Ctrl-C includes reading what belongs to the window. */
const finishMs = 30_000;

async function record(directory: string, options: DemoOptions, command: Command, io: CliIo): Promise<void> {
  const { connectionFromSettings } = await import('#engine/kafka/connection-settings.ts');
  const connection = await connectionFromSettings(undefined, io.env);
  if (connection === undefined) {
    await runDemo({ ...options, record: directory }, io);
    return;
  }
  refuseDemoOptions(command);
  await recordFromKafka(directory, options.for, connection, io);
}

/** Everything but `--for` is about the run that `demo` would make. */
function refuseDemoOptions(command: Command): void {
  const given = command.options.filter(
    (option) =>
      option.attributeName() !== 'for' && command.getOptionValueSource(option.attributeName()) === 'cli',
  );
  if (given.length === 0) return;
  throw new CliError(
    'usage',
    `${given.map(({ long }) => long ?? '').join(', ')}: what runs on Kafka is recorded as it runs`,
    { remedies: ['leave the option out', 'or unset WEIR_KAFKA_BROKERS to record a run on this machine'] },
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
          'With WEIR_KAFKA_BROKERS set, whatever runs on that Kafka, in which processes it may be, without their noticing; only ' +
          '--for applies then. Otherwise runs as weir demo does and records that.',
      )
      .option('--for <duration>', 'stop after this time: 30s, 5m; without it, at Ctrl-C'),
  )
    .addHelpText(
      'after',
      examples([
        ['weir record incident --for 30s', 'record half a minute'],
        ['WEIR_KAFKA_BROKERS=kafka-1:9092 weir record incident --for 5m', 'of what runs on Kafka'],
      ]),
    )
    .action((directory: string, options: DemoOptions) => record(directory, options, command, io));
}
