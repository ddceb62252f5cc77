/** `weir audit`: whether every record on Kafka is one row in ClickHouse, or one dead letter. */
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { addConnectionOptions, localDataDir } from '../connection-options.ts';
import { examples } from '../help.ts';
import type { CliIo } from '../io.ts';
import type { TargetOptions } from '../kafka/targets.ts';
import { formatOption, writeResult, type ResultFormat } from '../present/result.ts';

interface AuditOptions extends TargetOptions {
  readonly format: ResultFormat;
}

async function audit(options: AuditOptions, io: CliIo): Promise<void> {
  const [{ weirApp }, { findTargets }, { withSignals }, { withProgress }] = await Promise.all([
    import('../app.ts'),
    import('../kafka/targets.ts'),
    import('../signals.ts'),
    import('../present/progress.ts'),
  ]);
  const [{ auditTopics }, { auditResult, verdictOf }, { reachClickHouse }, { openClient }, { tableOf }] =
    await Promise.all([
      import('#sinks/clickhouse/kafka/audit-topics.ts'),
      import('../audit-report.ts'),
      import('../reach-clickhouse.ts'),
      import('#sinks/clickhouse/client.ts'),
      import('#sinks/clickhouse/tables.ts'),
    ]);
  const report = await withSignals(io, (signal) =>
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
        await reachClickHouse(client, targets.server.url);
        return await auditTopics({
          connection: targets.connection,
          client,
          app: weirApp.name,
          tables: weirApp.streams.map((stream) => tableOf(stream, targets.database, targets.cluster)),
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
  writeResult(io, options.format, auditResult(report));
  const { isClean, lines } = verdictOf(report);
  if (!isClean)
    throw new CliError('failure', lines.join('\n'), {
      remedies: [
        'rows that a time to live has removed from a table while Kafka still has the records count as missing: compare the retention of both',
      ],
    });
  io.stderr.write(`weir: ${lines.join('\n  ')}\n`);
}

export function registerAudit(program: Command, io: CliIo): void {
  addConnectionOptions(
    program
      .command('audit')
      .description(
        'Read every topic again, up to where the sink has come, and compare it with its table, record by record. Exit code 1 when ' +
          'a record is missing or doubled, a row is of no record, or a table cannot be compared. What is promised and may be on its ' +
          'way is shown as in_doubt_to. Ends with a verdict on stderr, and with what could not be looked at.',
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
