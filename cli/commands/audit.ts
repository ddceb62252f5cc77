/** `weir audit`: whether every record on Kafka is one row in ClickHouse, or one dead letter. */
import type { Command } from 'commander';
import type { TopicAudit } from '#sinks/clickhouse/kafka/audit-topic.ts';
import { CliError } from '../cli-error.ts';
import { addConnectionOptions, localDataDir } from '../connection-options.ts';
import { examples } from '../help.ts';
import type { CliIo } from '../io.ts';
import type { TargetOptions } from '../kafka/targets.ts';
import { formatOption, writeResult, type ResultFormat } from '../present/result.ts';
import type { Cell, Result } from '../present/value.ts';

interface AuditOptions extends TargetOptions {
  readonly format: ResultFormat;
}

const columns: readonly (readonly [name: string, of: (audit: TopicAudit) => Cell])[] = [
  ['topic', ({ topic }) => topic],
  ['partition', ({ partition }) => partition],
  ['table', ({ table }) => table],
  ['from', ({ start }) => start],
  ['to', ({ position }) => position],
  ['expected', ({ expected }) => expected],
  ['rows', ({ present }) => present],
  ['dead_letters', ({ deadLetters }) => deadLetters],
  ['missing', ({ missing }) => missing],
  ['first_missing', ({ firstMissing }) => firstMissing],
  ['duplicates', ({ duplicates }) => duplicates],
  ['first_duplicate', ({ firstDuplicate }) => firstDuplicate],
  ['unexpected', ({ unexpected }) => unexpected],
  ['first_unexpected', ({ firstUnexpected }) => firstUnexpected],
  ['in_doubt_to', ({ inDoubtTo }) => inDoubtTo],
];

/** The audits as a result: a row for each partition. */
export function auditResult(audits: readonly TopicAudit[]): Result {
  return {
    columns: columns.map(([name]) => ({
      name,
      kind: name === 'topic' || name === 'table' ? 'text' : 'number',
    })),
    rows: audits.map((audit) => columns.map(([, of]) => of(audit))),
  };
}

async function audit(options: AuditOptions, io: CliIo): Promise<void> {
  const [{ weirApp }, { findTargets }, { withSignals }, { withProgress }] = await Promise.all([
    import('../app.ts'),
    import('../kafka/targets.ts'),
    import('../signals.ts'),
    import('../present/progress.ts'),
  ]);
  const [{ auditTopics }, { isClean }, { openClient }, { tableOf }] = await Promise.all([
    import('#sinks/clickhouse/kafka/audit-topics.ts'),
    import('#sinks/clickhouse/kafka/audit-topic.ts'),
    import('#sinks/clickhouse/client.ts'),
    import('#sinks/clickhouse/tables.ts'),
  ]);
  const audits = await withSignals(io, (signal) =>
    withProgress(io, 'finding Kafka and ClickHouse', async (progress) => {
      const targets = await findTargets(options, {
        onStep: (step) => {
          progress.update(step);
        },
        onNote: (note) => {
          io.stderr.write(`weir: ${note}\n`);
        },
        signal,
        existingOnly: true,
      });
      const client = openClient(targets.server);
      try {
        return await auditTopics({
          connection: targets.connection,
          client,
          app: weirApp.name,
          tables: weirApp.streams.map((stream) => tableOf(stream, targets.database)),
          onPartition: (topic, partition) => {
            progress.update(`reading ${topic}/${partition}`);
          },
          signal,
        });
      } catch (error) {
        if (signal.aborted) throw new CliError('interrupted', 'audit: interrupted; nothing is proved');
        throw error;
      } finally {
        await client.close();
      }
    }),
  );
  writeResult(io, options.format, auditResult(audits));
  const off = audits.filter((one) => !isClean(one));
  if (off.length > 0) throw found(off);
}

function found(off: readonly TopicAudit[]): CliError {
  const places = off.map(({ topic, partition }) => `${topic}/${partition}`).join(', ');
  const sum = (of: (audit: TopicAudit) => number): number => off.reduce((all, one) => all + of(one), 0);
  const missing = sum((one) => one.missing);
  const doubled = sum((one) => one.duplicates);
  const unexpected = sum((one) => one.unexpected);
  return new CliError(
    'failure',
    `${missing} records without a row or dead letter, ${doubled} rows too many, ${unexpected} rows of no record: ${places}`,
    {
      remedies: [
        'rows that a time to live has removed from a table while Kafka still has the records count as missing: compare the retention of both',
      ],
    },
  );
}

export function registerAudit(program: Command, io: CliIo): void {
  addConnectionOptions(
    program
      .command('audit')
      .description(
        'Read every topic again, up to where the sink has come, and compare it with its table, record by record. Exit code 1 when ' +
          'a record is missing or doubled, or a row is of no record. What is promised and may be on its way is shown as in_doubt_to.',
      )
      .option(
        '--brokers <host:port,...>',
        "Kafka's brokers; other settings come from the environment or the file",
      )
      .option('--config <file>', 'settings (default: weir.config.json where it exists)')
      .addOption(formatOption()),
    { data: localDataDir, dataMeans: 'data directory of the local stack' },
  )
    .addHelpText(
      'after',
      examples([
        ['weir audit', 'every partition of the local stack, or of what the environment names'],
        ['weir audit --format json', 'the same for a program'],
      ]),
    )
    .action((options: AuditOptions) => audit(options, io));
}
