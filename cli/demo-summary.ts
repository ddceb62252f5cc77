/** What an embedded run did, as tables: events per topic, commands and their answers, rows per table. */
import type { ClickHouseClient } from '@clickhouse/client';
import { qualified, type Table } from '#sinks/clickhouse/tables.ts';
import type { Result } from './present/value.ts';
import type { Stack } from './stack.ts';

const text = (name: string): { readonly name: string; readonly kind: 'text' } => ({ name, kind: 'text' });
const number = (name: string): { readonly name: string; readonly kind: 'number' } => ({
  name,
  kind: 'number',
});

/** Events of this run by topic, and the rows that its table holds: of this run, and of all runs on this data directory. */
export async function topicsAndTables(stack: Stack): Promise<Result> {
  const written = stack.written();
  const stats = new Map((await stack.sink.stats()).map((table) => [table.topic, table]));
  const totals = await rowCounts(stack.client, stack.tables);
  return {
    columns: [
      text('topic'),
      number('events'),
      text('table'),
      number('rows of this run'),
      number('rows in all'),
    ],
    rows: stack.tables.map(({ stream, name }) => [
      stream.topic,
      written.get(stream.topic) ?? 0,
      name,
      stats.get(stream.topic)?.rows ?? 0,
      totals.get(name) ?? 0,
    ]),
  };
}

/** Rows of each table, by name. */
export async function rowCounts(
  client: ClickHouseClient,
  tables: readonly Table[],
): Promise<ReadonlyMap<string, number>> {
  const each = tables.map(
    (table) => `SELECT '${table.name}' AS name, count() AS rows FROM ${qualified(table)}`,
  );
  const result = await client.query({
    query: each.join(' UNION ALL '),
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  const rows = await result.json<{ name: string; rows: number }>();
  return new Map(rows.map((row) => [row.name, row.rows]));
}

/** Commands first issued from a time on, by their last answer. A command that is issued or answered again counts once. */
export async function commandAnswers(client: ClickHouseClient, sinceMs: number): Promise<Result> {
  const answer = await client.query({
    query: `
SELECT count() AS issued, countIf(answer != '') AS acknowledged, countIf(answer = 'applied') AS applied,
       countIf(answer = 'rejected_stale') AS stale, countIf(answer = 'failed') AS failed, issued - acknowledged AS unanswered
FROM (SELECT command_id FROM migration_commands GROUP BY command_id HAVING min(issued_at) >= fromUnixTimestamp64Milli({since:Int64})) AS issues
LEFT JOIN (SELECT command_id, toString(argMax(outcome, at)) AS answer FROM migration_acknowledgements GROUP BY command_id) AS answers
    ON answers.command_id = issues.command_id`,
    query_params: { since: sinceMs },
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  const [counts] = await answer.json<Readonly<Record<string, number>>>();
  return {
    columns: ['issued', 'acknowledged', 'applied', 'rejected as stale', 'failed', 'unanswered'].map(number),
    rows: [
      ['issued', 'acknowledged', 'applied', 'stale', 'failed', 'unanswered'].map(
        (name) => counts?.[name] ?? 0,
      ),
    ],
  };
}
