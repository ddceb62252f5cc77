/**
 * Tables made ready at the start: created, given the columns that their schema has gained and the time to live that their
 * stream has now, and checked.
 *
 * I1  A table that would lose rows, take wrong types or keep both copies of a retried insert is refused before anything is
 *     inserted. So is a target of a materialized view that forgets tokens: it would double.
 * I2  Columns are only added (column-changes.ts). Nothing is dropped or retyped here: rows of the past are not ours to change.
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
import { columnChanges, type ExistingColumn } from './column-changes.ts';
import type { Migration } from './migration.ts';
import { preparedBefore, rememberPrepared } from './prepared-columns.ts';
import { addColumnStatements, createStatements, qualified, type Table } from './tables.ts';
import { ttlChanges } from './time-to-live.ts';
import { quoteName } from './value-type.ts';

/** Kinds of columns that an insert does not fill: whoever added them may keep them. */
const COMPUTED = ['MATERIALIZED', 'ALIAS', 'EPHEMERAL'];

/**
 * Creates database and tables, adds columns, changes times to live, applies migrations, checks. All tables are of one database
 * where there are migrations. Resolves to what to tell: columns that are kept though these schemas lack them.
 * Rejects with `table-mismatch` naming table and column, as applyMigrations does, or `clickhouse-transient` / `clickhouse-permanent` as ClickHouse answers.
 */
export async function prepareTables(
  client: ClickHouseClient,
  tables: readonly Table[],
  migrations: readonly Migration[] = [],
): Promise<readonly string[]> {
  refuseSharedTables(tables);
  for (const target of databasesOf(tables)) {
    if (target.cluster !== undefined) await requireCluster(client, target.cluster);
    await createMissing(client, target, ofDatabase(tables, target));
  }
  await refuseOtherKind(client, tables);
  const notes: string[] = [];
  for (const target of databasesOf(tables))
    notes.push(...(await addColumns(client, target, ofDatabase(tables, target))));
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
  return notes;
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

const ofDatabase = (tables: readonly Table[], target: Pick<Table, 'database'>): readonly Table[] =>
  tables.filter(({ database }) => database === target.database);

/** Looks at all tables before it changes one. Resolves to what to tell. */
async function addColumns(
  client: ClickHouseClient,
  target: Pick<Table, 'database' | 'cluster'>,
  tables: readonly Table[],
): Promise<readonly string[]> {
  const existing = await columnsOfAll(client, target, tables);
  // After the columns (prepared-columns.ts, I1).
  const before = await preparedBefore(client, target);
  const changes = tables.map((table) =>
    columnChanges(
      table,
      existing.filter((column) => column.table === table.name),
      before,
    ),
  );
  await rememberPrepared(
    client,
    target,
    changes.flatMap(({ prepared }) => prepared),
  );
  for (const { table, missing } of changes) {
    for (const column of missing) {
      for (const sql of addColumnStatements(table, column))
        await run(client, sql, `table ${nameOf(table)}, column ${column.name}`);
    }
  }
  return changes.flatMap(({ notes }) => notes);
}

async function columnsOfAll(
  client: ClickHouseClient,
  { database }: Pick<Table, 'database'>,
  tables: readonly Table[],
): Promise<readonly (ExistingColumn & { readonly table: string })[]> {
  const result = await client.query({
    query: `SELECT table, name, type FROM system.columns
WHERE database = {database:String} AND table IN {tables:Array(String)} AND default_kind NOT IN {computed:Array(String)}
ORDER BY table, position`,
    query_params: { database, tables: tables.map(({ name }) => name), computed: COMPUTED },
    format: 'JSONEachRow',
  });
  return result.json<ExistingColumn & { table: string }>();
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
