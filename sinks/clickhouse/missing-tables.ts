/** Whether tables are there. */
import type { ClickHouseClient } from '@clickhouse/client';
import { localName, onAll } from './cluster.ts';
import { SinkError } from './error.ts';
import type { Table } from './tables.ts';

export interface MissingTables {
  readonly missing: readonly Table[];
  /** Whether the databases of the tables have no table at all. */
  readonly isEmpty: boolean;
}

/**
 * Which of the tables are not there: those that have the rows, on a cluster those that no server has that answers. A server that
 * joins a cluster has none, and is given them.
 */
export async function findMissingTables(
  client: ClickHouseClient,
  tables: readonly Table[],
): Promise<MissingTables> {
  const cluster = tables.find((table) => table.cluster !== undefined)?.cluster;
  const all = cluster === undefined ? 'system.tables' : onAll(cluster, 'tables');
  const found = await client.query({
    query: `SELECT DISTINCT database, name FROM ${all} WHERE database IN {databases:Array(String)}`,
    query_params: { databases: [...new Set(tables.map(({ database }) => database))] },
    format: 'JSONEachRow',
    ...(cluster === undefined ? {} : { clickhouse_settings: { skip_unavailable_shards: 1 } }),
  });
  const rows = await found.json<{ database: string; name: string }>();
  const present = new Set(rows.map(({ database, name }) => JSON.stringify([database, name])));
  const missing = tables.filter(
    ({ database, name, cluster }) => !present.has(JSON.stringify([database, localName(name, cluster)])),
  );
  return { missing, isEmpty: rows.length === 0 };
}

/** What is to be said of tables that are missing for who only reads them. */
export function describeMissing({ missing, isEmpty }: MissingTables): string {
  const names = missing.map(({ database, name }) => `${database}.${name}`).join(', ');
  return isEmpty
    ? `not in ClickHouse: ${names}, and nothing else in that database: it is another database or server, or weir up has ` +
        'not run there yet'
    : `not in ClickHouse: ${names}. weir up makes what is new, and refuses where rows are lost with it`;
}

/**
 * Resolves when every table is there.
 *
 * @throws SinkError `table-mismatch` that names those that are not
 */
export async function requireTables(client: ClickHouseClient, tables: readonly Table[]): Promise<void> {
  const found = await findMissingTables(client, tables);
  if (found.missing.length > 0) throw new SinkError('table-mismatch', describeMissing(found));
}
