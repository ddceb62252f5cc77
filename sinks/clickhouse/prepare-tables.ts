/**
 * Tables made ready at the start: created, given the columns that their schema has gained and the time to live that their
 * stream has now, and checked.
 *
 * I1  A table that would lose rows, take wrong types or keep both copies of a retried insert is refused before anything is
 *     inserted. So is a target of a materialized view that forgets tokens: it would double.
 * I2  Columns are only added. Nothing is dropped or retyped here: rows of the past are not ours to change.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { refuseForgetfulTables } from './deduplication-check.ts';
import { SinkError } from './error.ts';
import { classify, describeFailure } from './insert-error.ts';
import { applyMigrations } from './apply-migrations.ts';
import { DDL, localName, onCluster, type Cluster } from './cluster.ts';
import {
  noKeeper,
  refuseOtherKind,
  refuseTornTables,
  requireCluster,
  tablesEverywhere,
} from './cluster-check.ts';
import type { Migration } from './migration.ts';
import { addColumnStatements, createStatements, qualified, qualifiedLocal, type Table } from './tables.ts';
import { ttlChanges } from './time-to-live.ts';
import { quoteName, typeName } from './value-type.ts';

interface ExistingColumn {
  readonly database: string;
  readonly table: string;
  readonly name: string;
  readonly type: string;
}

/** Kinds of columns that an insert does not fill: whoever added them may keep them. */
const COMPUTED = ['MATERIALIZED', 'ALIAS', 'EPHEMERAL'];

/**
 * Creates database and tables, adds columns, changes times to live, applies migrations, checks. All tables are of one database
 * where there are migrations. Rejects with `table-mismatch` naming table and column, as applyMigrations does, or `clickhouse-transient` / `clickhouse-permanent` as ClickHouse answers.
 */
export async function prepareTables(
  client: ClickHouseClient,
  tables: readonly Table[],
  migrations: readonly Migration[] = [],
): Promise<void> {
  refuseSharedTables(tables);
  for (const target of databasesOf(tables)) {
    if (target.cluster !== undefined) await requireCluster(client, target.cluster);
    await createMissing(
      client,
      target,
      tables.filter(({ database }) => database === target.database),
    );
  }
  await refuseOtherKind(client, tables);
  const existing = await columnsOfAll(client, tables);
  for (const table of tables) {
    const own = existing.filter(
      (column) => column.database === table.database && column.table === table.name,
    );
    for (const column of missingColumns(table, own)) {
      for (const sql of addColumnStatements(table, column))
        await run(client, sql, `table ${nameOf(table)}, column ${column.name}`);
    }
  }
  for (const { table, sql } of await ttlChanges(client, tables)) {
    await run(client, sql, `table ${nameOf(table)}, time to live`);
  }
  if (migrations.length > 0) {
    for (const { database, cluster } of databasesOf(tables))
      await applyMigrations(client, { database, cluster }, migrations);
  }
  // Last, for what migrations have made counts, too.
  await refuseForgetfulTables(client, tables);
  for (const target of databasesOf(tables)) await refuseTornTables(client, target);
}

/** On a cluster, nothing is made again that is everywhere: ON CLUSTER waits for servers that are down. */
async function createMissing(
  client: ClickHouseClient,
  { database, cluster }: Pick<Table, 'database' | 'cluster'>,
  tables: readonly Table[],
): Promise<void> {
  const present = await tablesEverywhere(client, { database, cluster });
  const missing = tables.filter(({ name }) => !present.has(name) || !present.has(localName(name, cluster)));
  if (missing.length === 0) return;
  const sql = `CREATE DATABASE IF NOT EXISTS ${quoteName(database)}${onCluster(cluster)}`;
  await run(client, sql, `database ${database}`, cluster);
  for (const table of missing) {
    for (const sql of createStatements(table)) await run(client, sql, `table ${nameOf(table)}`, cluster);
  }
}

function databasesOf(tables: readonly Table[]): readonly Pick<Table, 'database' | 'cluster'>[] {
  return [...new Map(tables.map((table) => [table.database, table])).values()];
}

/** The columns that the schema has and the table has not. Throws `table-mismatch` on any other difference. */
function missingColumns(
  table: Table,
  existing: readonly ExistingColumn[],
): (Table['columns']['fields'][number] | Table['columns']['audit'][number])[] {
  const asked = [...table.columns.fields, ...table.columns.audit];
  const types = new Map(existing.map((column) => [column.name, column.type]));
  for (const { name } of existing) {
    if (!asked.some((column) => column.name === name)) {
      throw mismatch(
        table,
        name,
        'is in the table, but not in the schema. Fields are never removed: restore it in the .avsc (with its default), or, ' +
          `if its data may go, ALTER TABLE ${qualifiedLocal(table)}${onCluster(table.cluster)} DROP COLUMN ${quoteName(name)}`,
      );
    }
  }
  return asked.filter((column) => {
    const type = types.get(column.name);
    if (type === undefined) return true;
    if (unquoted(type) === unquoted(typeName(column.type))) return false;
    throw mismatch(
      table,
      column.name,
      `is ${type} in the table, but ${typeName(column.type)} by the schema. Types are never changed in place: give the field a ` +
        'new name, or give the stream a new table and copy the rows over',
    );
  });
}

function mismatch(table: Table, column: string, what: string): SinkError {
  return new SinkError('table-mismatch', `table ${nameOf(table)}, column ${column}: ${what}`);
}

/** The engine quotes names of tuple elements only where it must. */
function unquoted(type: string): string {
  return type.replaceAll('`', '');
}

async function columnsOfAll(
  client: ClickHouseClient,
  tables: readonly Table[],
): Promise<readonly ExistingColumn[]> {
  const result = await client.query({
    query: `SELECT database, table, name, type FROM system.columns
WHERE database IN {databases:Array(String)} AND table IN {tables:Array(String)} AND default_kind NOT IN {computed:Array(String)}
ORDER BY database, table, position`,
    query_params: {
      databases: [...new Set(tables.map((table) => table.database))],
      tables: tables.map((table) => table.name),
      computed: COMPUTED,
    },
    format: 'JSONEachRow',
  });
  return result.json<ExistingColumn>();
}

function refuseSharedTables(tables: readonly Table[]): void {
  const topics = new Map<string, string>();
  for (const table of tables) {
    const other = topics.get(qualified(table));
    if (other !== undefined) {
      throw new SinkError(
        'table-mismatch',
        `topics ${other} and ${table.stream.topic} both name table ${nameOf(table)}; give each its own`,
      );
    }
    topics.set(qualified(table), table.stream.topic);
  }
}

function nameOf(table: Table): string {
  return `${table.database}.${table.name}`;
}

async function run(client: ClickHouseClient, query: string, place: string, cluster?: Cluster): Promise<void> {
  try {
    await client.command({ query, clickhouse_settings: DDL });
  } catch (error) {
    throw (cluster && noKeeper(cluster, error)) ?? describeFailure(error, classify(error), place);
  }
}
