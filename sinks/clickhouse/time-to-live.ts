/**
 * The time to live of tables that exist, brought to what their streams say now.
 *
 * I1  Only a time to live as Weir writes it is changed. One of another form (moves to volumes, conditions, roll-ups) is
 *     somebody's own, and stays.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { localName, onCluster } from './cluster.ts';
import { qualifiedLocal, ttlSql, type Table } from './tables.ts';

/** `toDateTime(at) + toIntervalDay(90)`, as the engine shows it: without quotes where none are needed. */
const OWN = /^toDateTime\([^()]+\) \+ toIntervalDay\(\d+\)$/;

interface Existing {
  readonly database: string;
  readonly name: string;
  readonly engine_full: string;
}

/** For each table whose time to live is not that of its stream, the statement that changes it. */
export async function ttlChanges(
  client: ClickHouseClient,
  tables: readonly Table[],
): Promise<readonly { readonly table: Table; readonly sql: string }[]> {
  const result = await client.query({
    query: `SELECT database, name, engine_full FROM system.tables
WHERE database IN {databases:Array(String)} AND name IN {names:Array(String)}`,
    query_params: {
      databases: [...new Set(tables.map((table) => table.database))],
      names: tables.map((table) => localName(table.name, table.cluster)),
    },
    format: 'JSONEachRow',
  });
  const existing = await result.json<Existing>();
  return tables.flatMap((table) => {
    const own = localName(table.name, table.cluster);
    const found = existing.find(({ database, name }) => database === table.database && name === own);
    const sql = found === undefined ? undefined : changeOf(table, found.engine_full);
    return sql === undefined ? [] : [{ table, sql }];
  });
}

function changeOf(table: Table, engine: string): string | undefined {
  const is = / TTL (.+?)(?: SETTINGS |$)/s.exec(engine)?.[1];
  if (is !== undefined && !OWN.test(is)) return undefined;
  const asked = ttlSql(table);
  if (is?.replaceAll('`', '') === asked?.replaceAll('`', '')) return undefined;
  return `ALTER TABLE ${qualifiedLocal(table)}${onCluster(table.cluster)} ${asked === undefined ? 'REMOVE TTL' : `MODIFY TTL ${asked}`}`;
}
