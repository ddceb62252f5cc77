/** `weir local`: Kafka and ClickHouse on this machine, which go on when the command has ended. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { LocalStack, PartStatus } from '#local/stack/local-stack.ts';
import { CliError } from '../cli-error.ts';
import { localDataDir } from '../connection-options.ts';
import { exitCodes } from '../exit-code.ts';
import { examples } from '../help.ts';
import type { CliIo } from '../io.ts';
import {
  addDataOption,
  addLocalOptions,
  type LocalCliOptions,
  type LocalStackConfig,
  localStackConfig,
} from '../local/stack-config.ts';
import { formatOption, writeResult, type ResultFormat } from '../present/result.ts';
import { styled } from '../present/style.ts';

/** Above what the supervisor takes to undo a start. */
const undoLimitMs = 15_000;

/** What runs and what was asked for, where they differ. */
function differences(stack: LocalStack, config: LocalStackConfig): string[] {
  const { kafka, clickhouse } = stack;
  const differs = (
    what: string,
    is: string | number | undefined,
    wanted: string | number | undefined,
  ): string[] =>
    wanted === undefined || wanted === 0 || is === undefined || wanted === is
      ? []
      : [`${what} ${is}, not ${wanted}`];
  const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));
  const firstPort = portOf(kafka.bootstrapServers.split(',')[0] ?? '');
  return [
    ...differs('brokers:', kafka.brokers, config.brokers),
    ...differs("Kafka's port:", firstPort, config.kafkaPort),
    ...differs("ClickHouse's port:", clickhouse && portOf(clickhouse.url), config.clickhousePort),
    ...differs('Kafka by', kafka.runtime, config.runtime === 'auto' ? undefined : config.runtime),
    ...(clickhouse === undefined && config.clickhouse ? ['without ClickHouse'] : []),
  ];
}

function writeStack(io: CliIo, stack: LocalStack, config: LocalStackConfig): void {
  const { kafka, clickhouse } = stack;
  const bold = (text: string): string => styled(io.colours, 'bold', text);
  const option = config.dataDir === resolve(localDataDir) ? '' : ` --data ${config.dataDir}`;
  const lines = [
    `Kafka       ${bold(kafka.bootstrapServers)}  (Apache Kafka ${kafka.version}, ${kafka.runtime})`,
    ...(clickhouse === undefined
      ? []
      : [`ClickHouse  ${bold(clickhouse.url)}  (${clickhouse.version}, user default, no password)`]),
    `data        ${config.dataDir}`,
    '',
    `They go on until weir local stop${option}. Next:`,
    `  weir up${option}              process events with them`,
    `  weir local status${option}    see how they are`,
  ];
  io.stdout.write(`${lines.join('\n')}\n`);
}

async function start(options: LocalCliOptions, io: CliIo): Promise<void> {
  const config = localStackConfig(options);
  const [{ localStack }, { startLocalStack }, { withProgress }, { withSignals }] = await Promise.all([
    import('#local/stack/local-stack.ts'),
    import('../local/start-stack.ts'),
    import('../present/progress.ts'),
    import('../signals.ts'),
  ]);
  const running = await localStack(config.dataDir);
  if (running !== undefined) {
    const differing = differences(running, config);
    if (differing.length > 0)
      throw new CliError(
        'environment',
        `Kafka runs on ${config.dataDir} already, otherwise: ${differing.join(', ')}`,
        {
          remedies: ['stop it first: weir local stop', 'or give another directory: --data <directory>'],
        },
      );
    io.stderr.write(`weir: runs already, as process ${running.supervisorPid}\n`);
    writeStack(io, running, config);
    return;
  }
  const work = (signal: AbortSignal): Promise<LocalStack> =>
    withProgress(io, 'starting Kafka and ClickHouse', (progress) =>
      startLocalStack(config, { signal, onStep: (step) => { progress.update(step); } }),
    ); // prettier-ignore
  writeStack(io, await withSignals(io, work, undoLimitMs), config);
}

async function stop({ data }: { readonly data: string }, io: CliIo): Promise<void> {
  const { stopStack } = await import('#local/stack/local-stack.ts');
  const { withProgress } = await import('../present/progress.ts');
  const directory = resolve(data);
  const outcome = await withProgress(io, 'stopping Kafka and ClickHouse', () => stopStack(directory));
  switch (outcome) {
    case 'nothing-runs':
      io.stderr.write(`weir: nothing runs on ${directory}\n`);
      break;
    case 'stopped':
      io.stdout.write(`stopped; the data stays in ${directory}\n`);
      break;
    case 'killed':
      io.stdout.write(`stopped, not all of it in order; the data stays in ${directory}\n`);
      break;
  }
}

function writeStatus(io: CliIo, format: ResultFormat, parts: readonly PartStatus[]): void {
  const text = (name: string): { name: string; kind: 'text' } => ({ name, kind: 'text' });
  const columns = [...['part', 'state', 'address'].map(text), text('process'), text('detail')];
  const rows = parts.map(({ part, state, address, pid, detail }) => [
    part,
    state,
    address ?? null,
    String(pid),
    detail,
  ]);
  if (format === 'table') {
    writeResult(io, format, { columns, rows });
    return;
  }
  writeResult(io, format, {
    columns: [...columns, text('log')],
    rows: rows.map((row, i) => [...row.slice(0, 3), parts[i]!.pid, row[4]!, parts[i]!.logPath]),
  });
}

async function status(
  options: { readonly data: string; readonly format: ResultFormat },
  io: CliIo,
): Promise<void> {
  const { stackStatus } = await import('#local/stack/local-stack.ts');
  const { withProgress } = await import('../present/progress.ts');
  const directory = resolve(options.data);
  const parts = await withProgress(io, 'asking Kafka and ClickHouse', () => stackStatus(directory));
  if (parts.length === 0) io.stderr.write(`weir: nothing runs on ${directory}\n`);
  if (parts.length > 0 || options.format !== 'table') writeStatus(io, options.format, parts);
  const isWhole = parts.length > 0 && parts.every((part) => part.state === 'running');
  if (!isWhole) io.setExitCode(exitCodes.failure);
}

export function registerLocal(program: Command, io: CliIo): void {
  const local = program
    .command('local')
    .description(
      'Run Apache Kafka and ClickHouse on this machine, for development and tests: started once, they go on until they are ' +
        'stopped, and their data is kept.',
    )
    .addHelpText(
      'after',
      examples([
        ['weir local start', 'start them, and leave them running'],
        ['weir local status', 'ask how they are'],
        ['weir local stop', 'end them; their data is kept'],
      ]),
    );
  addLocalOptions(local.command('start'))
    .description(
      'Start Kafka (in Docker where an engine can run it, else by Java) and ClickHouse, and leave them running. Fetches Kafka ' +
        'at the first time.',
    )
    .addHelpText(
      'after',
      examples([
        ['weir local start', 'one broker and ClickHouse'],
        ['weir local start --brokers 3 --kafka-port 0', 'three brokers, on free ports'],
      ]),
    )
    .action((options: LocalCliOptions) => start(options, io));
  addDataOption(local.command('stop'))
    .description('End Kafka and ClickHouse in order, within 20 s. Their data is kept.')
    .action((options: { readonly data: string }) => stop(options, io));
  addDataOption(local.command('status'))
    .description('Ask Kafka and ClickHouse how they are. Exit code 1 where not all of it runs and answers.')
    .addOption(formatOption())
    .action((options: { readonly data: string; readonly format: ResultFormat }) => status(options, io));
  addLocalOptions(local.command('supervise', { hidden: true })).action(async (options: LocalCliOptions) => {
    const { supervise } = await import('../local/supervise.ts');
    await supervise(localStackConfig(options));
  });
}
