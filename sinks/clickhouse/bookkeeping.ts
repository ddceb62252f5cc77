/**
 * Tables of a few rows in which processes of Weir tell one another something: what was migrated, who may migrate, who
 * writes, which log the rows come from.
 *
 * I1  What was written is seen by every reader from then on, whichever servers of a cluster the two are connected to: each
 *     such table is replicated to all servers, written one insert after the other by a quorum, and read in sequence. (With
 *     parallel quorum inserts, ClickHouse's default, reading in sequence has no effect.)
 *
 * Source: https://clickhouse.com/docs/operations/settings/settings#select_sequential_consistency
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ClickHouseError, type ClickHouseClient } from '@clickhouse/client';
import { DDL, onCluster, type DatabaseTarget } from './cluster.ts';
import { tablesEverywhere } from './cluster-check.ts';
import { quoteName, quoteText } from './value-type.ts';

/** Settings of reads and writes. Without a cluster they have no effect. */
export const BOOKKEEPING = {
  async_insert: 0,
  insert_quorum: 'auto',
  insert_quorum_parallel: 0,
  select_sequential_consistency: '1',
} as const;

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

/** UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE and REPLICA_IS_NOT_IN_QUORUM: another's write is on its way to the replicas. */
const UNDER_WAY: ReadonlySet<string> = new Set(['286', '289']);
const PAUSE_MS = 50;
const LONGEST_MS = 10_000;

/** Makes a request again as long as it was refused for another's write that is under way; up to 10 s. */
export async function inTurn<T>(request: () => Promise<T>): Promise<T> {
  const deadlineMs = performance.now() + LONGEST_MS;
  for (;;) {
    try {
      return await request();
    } catch (error) {
      const isUnderWay = error instanceof ClickHouseError && UNDER_WAY.has(error.code);
      if (!isUnderWay || performance.now() > deadlineMs) throw error;
      await sleep(PAUSE_MS);
    }
  }
}
