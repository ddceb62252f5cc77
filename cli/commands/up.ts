/** `weir up`: pipelines, sink and agents on real Kafka and ClickHouse. */
import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { addConnectionOptions, localDataDir } from '../connection-options.ts';
import type { App } from '#engine/topology/app.ts';
import { unknownName } from '../unknown-name.ts';
import { examples } from '../help.ts';
import type { CliIo } from '../io.ts';
import type { TargetOptions } from '../kafka/targets.ts';
import {
  addOperationsOptions,
  hostOf,
  operationsSettings,
  type OperationsCliOptions,
} from '../operations/operations-options.ts';

interface UpOptions extends TargetOptions, OperationsCliOptions {
  readonly for?: string;
  readonly workers?: string;
  readonly only?: string;
  readonly state?: string;
  readonly set: readonly string[];
  readonly simulate?: boolean;
  readonly hostIo: boolean;
  readonly ioLoad: boolean;
  readonly sampleInterval: string;
  readonly seed: string;
  readonly vms: string;
  readonly skipTruncated: boolean;
  readonly acceptEmptyTables?: string;
  readonly ingestPort?: string;
  readonly ingestHost: string;
}

async function run(options: UpOptions, io: CliIo): Promise<void> {
  const [
    { weirApp },
    { durationMs },
    { parameterOverrides },
    { up },
    { selectProcessors },
    { wholeNumber },
    { readConfigFile },
  ] = await Promise.all([
    import('../app.ts'),
    import('../duration.ts'),
    import('../parameter-option.ts'),
    import('../kafka/up.ts'),
    import('../kafka/select-processors.ts'),
    import('../whole-number.ts'),
    import('../kafka/config-file.ts'),
  ]);
  const file = await readConfigFile(options.config);
  const only = options.only?.split(',').map((name) => name.trim());
  await up(io, {
    file,
    targets: options,
    processors: selectProcessors(weirApp, only ?? file.only),
    workers:
      options.workers === undefined ? (file.workers ?? 1) : wholeNumber(options.workers, '--workers', 1, 64),
    stateDir: options.state ?? join(options.data, 'state'),
    parameters: parameterOverrides(weirApp, [...file.settings, ...options.set]),
    truncatedInputs: options.skipTruncated ? 'skip' : 'stop',
    acceptedEmptyTables: acceptedTables(options.acceptEmptyTables, weirApp),
    simulates: options.simulate,
    sources: {
      sampleIntervalMs: durationMs(options.sampleInterval, '--sample-interval', 1),
      seed: wholeNumber(options.seed, '--seed', 0),
      vms: wholeNumber(options.vms, '--vms', 1, 10_000),
      samplesHost: options.hostIo,
      ...(options.ioLoad ? { loadIn: options.data } : {}),
    },
    ingest:
      options.ingestPort === undefined
        ? undefined
        : {
            host: hostOf('--ingest-host', options.ingestHost),
            port: wholeNumber(options.ingestPort, '--ingest-port', 0, 65_535),
          },
    operations: operationsSettings(options),
    durationMs: options.for === undefined ? Infinity : durationMs(options.for, '--for'),
  });
}

/** @throws CliError usage, for a table that no topic has */
function acceptedTables(names: string | undefined, { streams }: App): readonly string[] {
  const accepted = names?.split(',').map((name) => name.trim()) ?? [];
  const known = streams.map(({ clickhouse }) => clickhouse.table);
  for (const name of accepted)
    if (name !== 'all' && !known.includes(name)) throw unknownName('table', name, known);
  return accepted;
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

export function registerUp(program: Command, io: CliIo): void {
  addOperationsOptions(
    addConnectionOptions(
      program
        .command('up')
        .description(
          'Run pipelines, sink and agents on Kafka and ClickHouse: those that options, environment (WEIR_KAFKA_BROKERS and others: ' +
            'docs/operating.md) or weir.config.json name, else the local ones (weir local start). Runs until Ctrl-C. What is not ' +
            'done by then is done by the next run, once.',
        )
        .option(
          '--for <duration>',
          'stop after this time, with everything processed, and print the reports: 30s, 5m',
        )
        .option('--workers <number>', 'processes that share the tasks (default: 1)')
        .option('--only <names>', 'only these subsystems or processors, separated by commas')
        .option(
          '--brokers <host:port,...>',
          "Kafka's brokers; other settings come from the environment or the file",
        )
        .option('--config <file>', 'settings (default: weir.config.json where it exists)')
        .option('--state <directory>', "checkpoints of the tasks' states (default: <data>/state)")
        .option(
          '--set <processor.parameter=value>',
          'another value for a parameter of a processor; may be repeated',
          collect,
          [],
        )
        .addOption(new Option('--simulate', 'simulate an estate (default: on local Kafka only)'))
        .addOption(new Option('--no-simulate', 'do not'))
        .option('--no-host-io', "do not sample this host's I/O")
        .option(
          '--io-load',
          'write small bursts to a file in the data directory, so that a quiet host has I/O to predict',
          false,
        )
        .option('--sample-interval <duration>', "how often this host's I/O is sampled", '500ms')
        .option('--seed <number>', 'seed of the simulation', '1')
        .option('--vms <number>', 'VMs in the simulation', '12')
        .option(
          '--skip-truncated',
          'go on where retention removed events that were not read, instead of stopping',
          false,
        )
        .option(
          '--accept-empty-tables <names>',
          'make these tables anew though records of their topics were taken before, without their rows; all: every table',
        )
        .option(
          '--ingest-port <number>',
          'take events over HTTP on this port, 0 for a free one (docs/producing-events.md)',
        )
        .option(
          '--ingest-host <address>',
          'address to take them on; others than this machine need tokens: WEIR_INGEST_TOKENS_FILE',
          '127.0.0.1',
        ),
      { data: localDataDir, dataMeans: 'data directory of the local stack' },
    ),
  )
    .addHelpText(
      'after',
      examples([
        [
          'weir local start && weir up --for 30s',
          'half a minute on local Kafka and ClickHouse, then the reports',
        ],
        ['weir up --workers 3', 'three processes share the tasks, until Ctrl-C'],
        ['WEIR_KAFKA_BROKERS=kafka-1:9092 weir up --url http://clickhouse:8123', 'servers elsewhere'],
      ]),
    )
    .action((options: UpOptions) => run(options, io));
}
