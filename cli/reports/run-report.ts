/** Runs a report on a ClickHouse server. */
import { ClickHouseError, type ClickHouseClient } from '@clickhouse/client';
import { CliError } from '../cli-error.ts';
import type { Result } from '../present/value.ts';
import type { ParameterValue } from './parameter-values.ts';
import type { Report } from './report-file.ts';
import { readTabSeparated } from './tab-separated.ts';

/** Exception codes of ClickHouse (src/Common/ErrorCodes.cpp) that say something to a user of reports. */
const unknownTable = '60';
const unknownDatabase = '81';
const authenticationFailed = '516';
const accessDenied = '497';

function explained(report: Report, error: unknown): unknown {
  if (!(error instanceof ClickHouseError)) return error;
  const { message } = error;
  switch (error.code) {
    case unknownTable:
    case unknownDatabase:
      return new CliError(
        'environment',
        `report ${report.name}: the tables it reads are not there: ${message}`,
        {
          cause: error,
          remedies: ['fill them first, with weir demo', 'another database: --database <name>'],
        },
      );
    case authenticationFailed:
      return new CliError('usage', message, {
        cause: error,
        remedies: ['--user <name> --password-file <path>'],
      });
    case accessDenied:
      return new CliError('usage', `report ${report.name}: this user may not read the tables: ${message}`, {
        cause: error,
        remedies: ['grant SELECT to that user, or use another: --user <name>'],
      });
    default:
      return new CliError(
        'failure',
        `report ${report.name}: ClickHouse refused it (code ${error.code}): ${message}`,
        {
          cause: error,
        },
      );
  }
}

/** The rows of a report. Throws a CliError that says what to do where ClickHouse refuses. */
export async function runReport(
  client: ClickHouseClient,
  report: Report,
  values: readonly ParameterValue[],
  signal?: AbortSignal,
): Promise<Result> {
  try {
    const answer = await client.query({
      query: report.sql,
      format: 'TabSeparatedWithNamesAndTypes',
      query_params: Object.fromEntries(values.map(({ name, encoded }) => [name, encoded])),
      ...(signal === undefined ? {} : { abort_signal: signal }),
    });
    return readTabSeparated(await answer.text());
  } catch (error) {
    if (signal?.aborted === true) throw new CliError('interrupted', `report ${report.name}: interrupted`);
    throw explained(report, error);
  }
}
