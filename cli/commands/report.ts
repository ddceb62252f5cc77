/** `weir report`: lists the reports, or answers one from the tables in ClickHouse. */
import type { Command } from 'commander';
import { addConnectionOptions, type ConnectionCliOptions } from '../connection-options.ts';
import { examples } from '../help.ts';
import type { CliIo } from '../io.ts';
import { formatOption, writeResult, type ResultFormat } from '../present/result.ts';
import type { Report } from '../reports/report-file.ts';

interface ReportOptions extends ConnectionCliOptions {
  readonly param?: readonly string[];
  readonly format: ResultFormat;
  readonly explain?: true;
}

function asParameter({ name, defaultText }: { readonly name: string; readonly defaultText: string }): string {
  return `${name}=${/^\S+$/.test(defaultText) ? defaultText : `'${defaultText}'`}`;
}

async function listReports(io: CliIo, format: ResultFormat): Promise<void> {
  const { allReports } = await import('../reports/report-list.ts');
  const columns = ['name', 'question', 'parameters'].map((name) => ({ name, kind: 'text' }) as const);
  const rows = allReports().map(({ name, question, parameters }: Report) => [
    name,
    question,
    parameters.map(asParameter).join(' '),
  ]);
  writeResult(io, format, { columns, rows });
}

async function answer(name: string, options: ReportOptions, io: CliIo): Promise<void> {
  const { reportNamed } = await import('../reports/report-list.ts');
  const { parameterValues } = await import('../reports/parameter-values.ts');
  const report = reportNamed(name);
  const values = parameterValues(report, options.param ?? []);
  const [{ openClickHouse }, { runReport }, { withProgress }, { withSignals }, { explanation }] =
    await Promise.all([
      import('../open-clickhouse.ts'),
      import('../reports/run-report.ts'),
      import('../present/progress.ts'),
      import('../signals.ts'),
      import('../reports/explanation.ts'),
    ]);
  const result = await withSignals(io, (signal) =>
    withProgress(io, 'opening ClickHouse', async (progress) => {
      const clickHouse = await openClickHouse(options);
      try {
        progress.update(`running report ${name}`);
        return await runReport(clickHouse.client, report, values, signal);
      } finally {
        await clickHouse.close();
      }
    }),
  );
  // Programs read stdout: there, only the table has room for words.
  const words = options.format === 'table' ? io.stdout : io.stderr;
  if (options.explain) words.write(explanation(report, values));
  writeResult(io, options.format, result);
  if (result.rows.length === 0) io.stderr.write('weir: no rows\n');
}

export function registerReport(program: Command, io: CliIo): void {
  const command = program
    .command('report')
    .argument('[name]', 'the report; without it, all are listed with their questions')
    .description('Answer a question from the tables in ClickHouse, or list the questions there are.')
    .option(
      '--param <name=value>',
      'value of a parameter; may be repeated',
      (setting: string, before?: readonly string[]) => [...(before ?? []), setting],
    )
    .addOption(formatOption())
    .option('--explain', 'say what question, parameters and columns mean');
  addConnectionOptions(command)
    .addHelpText(
      'after',
      examples([
        ['weir report', 'the questions there are'],
        [
          'weir report predicted-against-actual',
          'an answer, from the data in .weir/data or a weir that runs there',
        ],
        [
          'weir report seconds-on-standby --param since=2026-03-01T12:00:00Z --explain',
          'with a parameter, and what the columns mean',
        ],
        [
          'weir report bandwidth-for-rpo --format csv --url http://clickhouse:8123 --user readonly',
          'as CSV, from a ClickHouse server',
        ],
      ]),
    )
    .action((name: string | undefined, options: ReportOptions) =>
      name === undefined ? listReports(io, options.format) : answer(name, options, io),
    );
}
