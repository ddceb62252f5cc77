/**
 * Tables of a few rows in which processes of Weir tell one another something: what was migrated, who may migrate, who
 * writes, which log the rows come from.
 *
 * I1  What one has written the others see from then on, whichever servers of a cluster they are connected to: each such table
 *     is replicated to all servers, and before it is read the server connected to catches up with all that is in Keeper, where an
 *     insert is entered before it is acknowledged. So of two that write and then read, the later one sees both.
 *
 * Not by `insert_quorum`: it takes a majority of servers, so of two none may be down, and with one alone it waits for ever.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { DDL, onCluster, type DatabaseTarget } from './cluster.ts';
import { tablesEverywhere } from './cluster-check.ts';
import { quoteName, quoteText } from './value-type.ts';

/** To be awaited before a read. */
export async function catchUp(
  client: ClickHouseClient,
  { database, cluster }: DatabaseTarget,
  table: string,
  signal?: AbortSignal,
): Promise<void> {
  if (cluster === undefined) return;
  await client.command({
    query: `SYSTEM SYNC REPLICA ${quoteName(database)}.${quoteName(table)} LIGHTWEIGHT`,
    ...(signal === undefined ? {} : { abort_signal: signal }),
  });
}

/** Whether there is such a table. */
export async function hasBookkeeping(
  client: ClickHouseClient,
  { database }: DatabaseTarget,
  table: string,
): Promise<boolean> {
  const result = await client.query({
    query: 'SELECT 1 FROM system.tables WHERE database = {database:String} AND name = {table:String}',
    query_params: { database, table },
    format: 'JSONEachRow',
  });
  return (await result.json()).length > 0;
}

/** Makes such a table where it is missing. `columns`: in brackets; `rest`: what comes after the engine. */
export async function createBookkeeping(
  client: ClickHouseClient,
  target: DatabaseTarget,
  table: string,
  { columns, rest }: { readonly columns: string; readonly rest: string },
): Promise<void> {
  const { database, cluster } = target;
  // ON CLUSTER waits for servers that are down.
  if ((await tablesEverywhere(client, target)).has(table)) return;
  const path = quoteText(`/clickhouse/weir/${database}/${table}`);
  const engine = cluster === undefined ? 'MergeTree' : `ReplicatedMergeTree(${path}, '{shard}-{replica}')`;
  await client.command({
    query: `CREATE TABLE IF NOT EXISTS ${quoteName(database)}.${quoteName(table)}${onCluster(cluster)} ${columns}
ENGINE = ${engine} ${rest}`,
    clickhouse_settings: DDL,
  });
}
