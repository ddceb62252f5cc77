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

async function rowCounts(
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

/** Commands of the simulation's run: issued by the processors, delivered, and how actuators answered. */
export interface CommandCounts {
  readonly issued: number;
  readonly applied: number;
  readonly rejectedStale: number;
  readonly failed: number;
}

export function commandCounts(counts: CommandCounts): Result {
  const { issued, applied, rejectedStale, failed } = counts;
  return {
    columns: [
      number('issued'),
      number('acknowledged'),
      number('applied'),
      number('rejected as stale'),
      number('failed'),
    ],
    rows: [[issued, applied + rejectedStale + failed, applied, rejectedStale, failed]],
  };
}
