/**
 * The check that tables remember deduplication tokens, and so do the targets of the materialized views behind them.
 * Measured (docs/exactly-once.md): a target with a window of 0 doubles when an insert is repeated.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { localName } from './cluster.ts';
import { SinkError } from './error.ts';
import type { Table } from './tables.ts';

interface Row {
  readonly database: string;
  readonly name: string;
  readonly uuid: string;
  readonly engine: string;
  readonly engine_full: string;
  readonly create_table_query: string;
  readonly views: readonly (readonly [database: string, name: string])[];
}

/** Engines that keep no rows of their own. */
const PASSING = new Set(['Null', 'MaterializedView', 'View', 'Distributed']);

/** Rejects with `table-mismatch`, naming the table and the statement that mends it, where a token would be forgotten. */
export async function refuseForgetfulTables(
  client: ClickHouseClient,
  tables: readonly Table[],
): Promise<void> {
  const known = new Map((await readTables(client)).map((row) => [keyOf(row.database, row.name), row]));
  const defaults = await readDefaults(client);
  for (const table of tables) {
    const start = keyOf(table.database, localName(table.name, table.cluster));
    for (const row of withTargets(start, known)) refuseForgetful(row, table, defaults);
  }
}

function refuseForgetful(row: Row, table: Table, defaults: ReadonlyMap<string, number>): void {
  if (PASSING.has(row.engine)) return;
  const place =
    row.name === localName(table.name, table.cluster)
      ? `table ${row.database}.${row.name}`
      : `table ${row.database}.${row.name}, filled by a materialized view from ${table.database}.${table.name},`;
  if (!row.engine.endsWith('MergeTree')) {
    throw new SinkError(
      'table-mismatch',
      `${place} has engine ${row.engine}, which knows no deduplication tokens; use one of the MergeTree family`,
    );
  }
  const setting = row.engine.startsWith('Replicated')
    ? 'replicated_deduplication_window'
    : 'non_replicated_deduplication_window';
  const written = new RegExp(`\\b${setting}\\s*=\\s*(\\d+)`).exec(row.engine_full)?.[1];
  const window = written === undefined ? (defaults.get(setting) ?? 0) : Number(written);
  if (window > 0) return;
  throw new SinkError(
    'table-mismatch',
    `${place} remembers no deduplication tokens (${setting} = 0): a repeated insert would double its rows. ` +
      `ALTER TABLE \`${row.database}\`.\`${row.name}\` MODIFY SETTING ${setting} = 10000`,
  );
}

/** A table and every table that materialized views fill from it, directly or in turn. */
function withTargets(start: string, known: ReadonlyMap<string, Row>): readonly Row[] {
  const found = new Map<string, Row>();
  const visit = (key: string): void => {
    const row = known.get(key);
    if (row === undefined || found.has(key)) return;
    found.set(key, row);
    for (const [database, name] of row.views) {
      const view = known.get(keyOf(database, name));
      if (view?.engine === 'MaterializedView') visit(targetOf(view, known));
    }
  };
  visit(start);
  return [...found.values()];
}

/** Where a view's rows go: the table after TO, or its own inner one. */
function targetOf(view: Row, known: ReadonlyMap<string, Row>): string {
  const to = /^CREATE MATERIALIZED VIEW \S+ (?:REFRESH .*? )?TO (?:(`[^`]+`|\w+)\.)?(`[^`]+`|\w+)/s.exec(
    view.create_table_query,
  );
  const name = to?.[2];
  if (name !== undefined) return keyOf(unquote(to?.[1] ?? view.database), unquote(name));
  const byUuid = keyOf(view.database, `.inner_id.${view.uuid}`);
  return known.has(byUuid) ? byUuid : keyOf(view.database, `.inner.${view.name}`);
}

async function readTables(client: ClickHouseClient): Promise<readonly Row[]> {
  const result = await client.query({
    query: `SELECT database, name, toString(uuid) AS uuid, engine, engine_full, create_table_query,
       arrayZip(dependencies_database, dependencies_table) AS views
FROM system.tables WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema')`,
    format: 'JSONEachRow',
  });
  return result.json<Row>();
}

/** The server's defaults, for tables that say nothing themselves. */
async function readDefaults(client: ClickHouseClient): Promise<ReadonlyMap<string, number>> {
  const result = await client.query({
    query: `SELECT name, value FROM system.merge_tree_settings WHERE name LIKE '%replicated_deduplication_window'`,
    format: 'JSONEachRow',
  });
  const rows = await result.json<{ name: string; value: string }>();
  return new Map(rows.map(({ name, value }) => [name, Number(value)]));
}

function keyOf(database: string, name: string): string {
  return `${database}\n${name}`;
}

function unquote(name: string): string {
  return name.replaceAll('`', '');
}
