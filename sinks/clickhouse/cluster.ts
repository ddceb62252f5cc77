/**
 * What differs between tables on one server and on a cluster, from the same definitions.
 *
 * On a cluster each table is two: `<name>_local`, replicated, with the rows of its shard, and `<name>`, Distributed over
 * them, which is what is inserted into and read from.
 *
 * I1  Rows of one partition of a topic are on one shard: the sharding key is `_partition`. A batch is of one partition, so its
 *     block is not cut up, its token is remembered where its rows are, and a repetition goes where the first try went. (With
 *     a key of the event, a batch would be one block for each shard, which a repetition after a failure need not be.)
 * I2  So all events of a key are on one shard, in order, and what a materialized view keeps for each key is there, too.
 * I3  The replicas of a shard share one path in Keeper, where the tokens are: a repetition that goes to another replica is
 *     known there. The path is of names, not of the table's UUID (the server's default): a server that joins the cluster later
 *     would get a UUID of its own, and a table beside those of its shard.
 *
 * Sources: https://clickhouse.com/docs/engines/table-engines/special/distributed,
 * https://clickhouse.com/docs/engines/table-engines/mergetree-family/replication
 */
import { quoteName, quoteText } from './value-type.ts';

/** A cluster as the servers' `remote_servers` name it. Its shards must have `internal_replication` set. */
export interface Cluster {
  readonly name: string;
}

/**
 * Blocks whose tokens a table remembers. A promised batch must be repeated while its token is remembered: with 10
 * partitions of a topic and one insert a second for each, this is 16 minutes; it takes about 2 MB of memory at most.
 */
export const DEDUPLICATION_WINDOW = 10_000;
/**
 * The least window of a table or target that a start takes. One insert may take 100 tokens of a table (native-insert.ts: one for each
 * partition that it touches), of which only a quarter of a window is relied on (token-memory.ts), and the inserts of other partitions
 * and sinks come in between.
 */
export const LEAST_WINDOW = 1_000;
/** A replicated table forgets by age as well, by default after an hour. A week outlasts a weekend with the sink down. */
const REPLICATED_WINDOW_SECONDS = 604_800;

/** Settings of statements that may be ON CLUSTER: ClickHouse itself says which servers are late, before the client gives up (60 s). */
export const DDL = { distributed_ddl_task_timeout: '45' } as const;

/** ` ON CLUSTER ...`, or nothing. */
export const onCluster = (cluster: Cluster | undefined): string =>
  cluster === undefined ? '' : ` ON CLUSTER ${quoteName(cluster.name)}`;

/** A system table of all servers of a cluster; with the setting `skip_unavailable_shards` of those that answer. */
export const onAll = ({ name }: Cluster, table: string): string =>
  `clusterAllReplicas(${quoteText(name)}, 'system', ${quoteText(table)})`;

/** The name of the table that has the rows. */
export const localName = (name: string, cluster: Cluster | undefined): string =>
  cluster === undefined ? name : `${name}_local`;

/** A database, on one server or on a cluster. */
export interface DatabaseTarget {
  readonly database: string;
  readonly cluster?: Cluster | undefined;
}

/** An engine that keeps rows. `kind`: what goes before MergeTree; `own`: the engine's own arguments; `table`: without `_local`. */
export function mergeTreeSql(
  { database, cluster }: DatabaseTarget,
  table: string,
  kind = '',
  own = '',
): string {
  if (cluster === undefined) return `${kind}MergeTree${own === '' ? '' : `(${own})`}`;
  const path = quoteText(`/clickhouse/tables/{shard}/${database}/${localName(table, cluster)}`);
  return `Replicated${kind}MergeTree(${[path, "'{replica}'", ...(own === '' ? [] : [own])].join(', ')})`;
}

/** The settings by which a table remembers tokens. */
export const windowSql = (cluster: Cluster | undefined): string =>
  cluster === undefined
    ? `non_replicated_deduplication_window = ${DEDUPLICATION_WINDOW}`
    : `replicated_deduplication_window = ${DEDUPLICATION_WINDOW}, replicated_deduplication_window_seconds = ${REPLICATED_WINDOW_SECONDS}`;

/** The Distributed table over `<name>_local`. `shardBy`: an expression of its columns. */
export function distributedSql(
  database: string,
  name: string,
  cluster: Cluster,
  shardBy = quoteName('_partition'),
): string {
  const local = localName(name, cluster);
  return (
    `CREATE TABLE IF NOT EXISTS ${quoteName(database)}.${quoteName(name)}${onCluster(cluster)} AS ${quoteName(database)}.${quoteName(local)}\n` +
    `ENGINE = Distributed(${quoteName(cluster.name)}, ${quoteName(database)}, ${quoteName(local)}, ${shardBy})`
  );
}
