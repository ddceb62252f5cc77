/**
 * Proof that a table has every record once: gaps and duplicates over (_topic, _partition, _offset).
 *
 * A gap is an offset between the smallest and the largest one present that has no row. Records that became dead letters,
 * were compacted away, expired (TTL), or are control records of Kafka leave gaps too: the caller knows how many to expect.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { localName, onAll, type Cluster } from './cluster.ts';
import { qualified, type Table } from './tables.ts';
import { quoteName } from './value-type.ts';

/** What a table holds of one partition. */
export interface PartitionAudit {
  readonly topic: string;
  readonly partition: number;
  readonly rows: number;
  /** Rows with distinct offsets. */
  readonly offsets: number;
  readonly minOffset: number;
  readonly maxOffset: number;
  /** Offsets without a row between the smallest and the largest. */
  readonly missing: number;
  /** The first of them; null without any. */
  readonly firstGap: number | null;
  /** Rows beyond the first with the same offset. */
  readonly duplicates: number;
  readonly firstDuplicate: number | null;
}

/** The audit's SQL, for a table given as an SQL identifier. */
export function auditSql(table: string): string {
  return `
SELECT _topic AS topic,
       _partition AS partition,
       toInt64(sum(copies)) AS rows,
       toInt64(count()) AS offsets,
       min(_offset) AS minOffset,
       max(_offset) AS maxOffset,
       maxOffset - minOffset + 1 - offsets AS missing,
       minOrNullIf(previous + 1, _offset > previous + 1) AS firstGap,
       rows - offsets AS duplicates,
       minOrNullIf(_offset, copies > 1) AS firstDuplicate
FROM
(
    SELECT _topic, _partition, _offset, count() AS copies,
           lagInFrame(_offset, 1, _offset - 1) OVER (PARTITION BY _topic, _partition ORDER BY _offset ASC
               ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS previous
    FROM ${table}
    GROUP BY _topic, _partition, _offset
)
GROUP BY topic, partition
ORDER BY topic, partition`;
}

/** Audits a table, partition by partition of its topic, as of now. */
export async function auditTable(
  client: ClickHouseClient,
  table: Pick<Table, 'database' | 'name'>,
): Promise<readonly PartitionAudit[]> {
  const result = await client.query({
    query: auditSql(qualified(table)),
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  return result.json<PartitionAudit>();
}

/** Part of a partition, as offsets. */
export interface OffsetRange {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

const inRange =
  'WHERE _topic = {topic:String} AND _partition = {partition:Int32} AND _offset >= {from:Int64} AND _offset < {to:Int64}';

/** A table by its name, and the cluster that it is on. */
type Place = Pick<Table, 'database' | 'name' | 'cluster'>;

/** Where rows are looked for: a replica may not have them yet that another has, so on a cluster in all that answer. */
const anywhere = ({ database, name, cluster }: Place): string =>
  cluster === undefined
    ? qualified({ database, name })
    : `clusterAllReplicas(${quoteName(cluster.name)}, ${qualified({ database, name: localName(name, cluster) })})`;

/** The offsets of a partition in [from, to) that are in a table. */
export async function presentOffsets(
  client: ClickHouseClient,
  table: Place,
  range: OffsetRange,
  signal: AbortSignal,
): Promise<ReadonlySet<number>> {
  const result = await client.query({
    query: `SELECT DISTINCT _offset AS offset FROM ${anywhere(table)} ${inRange}`,
    query_params: { ...range },
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0, skip_unavailable_shards: 1 },
    abort_signal: signal,
  });
  return new Set((await result.json<{ offset: number }>()).map(({ offset }) => offset));
}

/** How many rows of a partition with offsets in [from, to) are in a table; on a cluster, how many offsets. */
export async function countPresent(
  client: ClickHouseClient,
  table: Place,
  range: OffsetRange,
  signal: AbortSignal,
): Promise<number> {
  const result = await client.query({
    query: `SELECT ${table.cluster === undefined ? 'count()' : 'uniqExact(_offset)'} AS present FROM ${anywhere(table)} ${inRange}`,
    query_params: { ...range },
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0, skip_unavailable_shards: 1 },
    abort_signal: signal,
  });
  const [row] = await result.json<{ present: number }>();
  return row?.present ?? 0;
}

/** Whether all servers of a cluster answer, so that `countPresent` has looked at all of them. */
export async function doAllAnswer(
  client: ClickHouseClient,
  cluster: Cluster,
  signal: AbortSignal,
): Promise<boolean> {
  const count = async (from: string): Promise<number> => {
    const result = await client.query({
      query: `SELECT count() AS servers FROM ${from}`,
      query_params: { cluster: cluster.name },
      format: 'JSONEachRow',
      clickhouse_settings: { output_format_json_quote_64bit_integers: 0, skip_unavailable_shards: 1 },
      abort_signal: signal,
    });
    return (await result.json<{ servers: number }>())[0]?.servers ?? 0;
  };
  const all = await count('system.clusters WHERE cluster = {cluster:String}');
  return (await count(onAll(cluster, 'one'))) >= all;
}
