/**
 * Positions of the group that cannot be gone on from, all of them found at the start: one that is gone though the table has rows
 * (reading from the start would double them), one before what retention has kept, and one of a former topic (bound-topics.ts),
 * which its promise tells.
 *
 * I1  No false alarm by another sink that is at work: it commits a promise before it inserts, and goes on from its position. So
 *     positions are asked again after something seemed wrong, and what is promised is left to who takes the partition over.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { EngineError } from '#engine/engine-error.ts';
import type { KafkaConnection } from '#engine/kafka/connection.ts';
import type { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import type { KafkaCluster } from '#engine/kafka/reader/kafkajs-cluster.ts';
import type { Committed } from '#engine/log/log.ts';
import { SinkError } from '../error.ts';
import { parseIntent } from '../intent.ts';
import { qualified, type Table } from '../tables.ts';
import { setPositionsCommand, toEarliestCommand } from './group-command.ts';
import { positionsOfTables } from './group-positions.ts';

export interface LostPositionsConfig {
  readonly connection: KafkaConnection;
  readonly cluster: KafkaCluster;
  readonly reader: KafkaReader;
  readonly client: ClickHouseClient;
  readonly group: string;
  /** Prepared. */
  readonly tables: readonly Table[];
  /** Of topics that were made anew, by topic. */
  readonly incarnations: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
}

/**
 * @throws SinkError `position-lost` that names every partition whose table has rows and that has no position, or `records-lost` that
 *   names every one whose next records are gone, or `other-log` that names those of former topics; as Kafka and ClickHouse answer
 */
export async function refuseLostPositions(config: LostPositionsConfig): Promise<void> {
  const { connection, group, cluster, tables, signal } = config;
  const before = await positionsOfTables(cluster, group, tables, signal);
  const former = await formerPositions(config, before);
  if (former.length > 0) throw ofFormerTopics(former, connection, group);
  const lost: LostPosition[] = [];
  const behind: PassedPosition[] = [];
  for (const table of tables) {
    const { topic, partitions } = table.stream;
    const places = Array.from({ length: partitions }, (_, partition) => partition);
    const unplaced = places.filter((partition) => !before.has(`${topic}/${partition}`));
    for (const [partition, last] of await lastOffsets(config.client, table, unplaced))
      lost.push({ table, partition, last });
    behind.push(...(await passedPositions(config, table, before)));
  }
  if (lost.length + behind.length === 0) return;
  const after = await positionsOfTables(cluster, group, tables, signal);
  const stillLost = lost.filter(({ table, partition }) => !after.has(`${table.stream.topic}/${partition}`));
  if (stillLost.length > 0) throw positionsLost(stillLost, connection, group);
  const stillBehind = behind.filter(
    ({ topic, partition, position }) => after.get(`${topic}/${partition}`)?.offset === position,
  );
  if (stillBehind.length > 0) throw recordsLost(stillBehind, connection, group);
}

/** Rows that are there where the position is not. */
export interface LostPosition {
  readonly table: Table;
  readonly partition: number;
  /** The largest offset that has a row. */
  readonly last: number;
}

/** What to say of positions that are gone, and how to set them. */
export function positionsLost(
  lost: readonly LostPosition[],
  connection: KafkaConnection,
  group: string,
): SinkError {
  const positions = lost.map(({ table, partition, last }) => ({
    topic: table.stream.topic,
    partition,
    offset: last + 1,
  }));
  return new SinkError(
    'position-lost',
    [
      `group ${group} has no position any more where tables have rows: it was deleted, or has expired (offsets.retention.minutes)`,
      ...lost.map(
        ({ table: { database, name, stream }, partition, last }) =>
          `table ${database}.${name} has rows of ${stream.topic}/${partition} up to offset ${last}`,
      ),
      `to go on after these rows, with every weir up stopped: ${setPositionsCommand(connection, group, positions)}`,
    ].join('\n'),
  );
}

/** The largest offset that has a row, of those of the partitions that have any. */
export async function lastOffsets(
  client: ClickHouseClient,
  table: Table,
  partitions: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  if (partitions.length === 0) return new Map();
  const result = await client.query({
    query: `SELECT _partition AS partition, max(_offset) AS last FROM ${qualified(table)}
WHERE _topic = {topic:String} AND _partition IN {partitions:Array(Int32)} GROUP BY _partition ORDER BY _partition`,
    query_params: { topic: table.stream.topic, partitions },
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  const rows = await result.json<{ partition: number; last: number }>();
  return new Map(rows.map(({ partition, last }) => [partition, last]));
}

/**
 * Those with a promise that was made for a former topic: its records are others now, and those before it have no rows. With rows of the
 * topic in that partition the promise is one of this topic, by a version that put no incarnation into it.
 */
async function formerPositions(
  { client, tables, incarnations }: LostPositionsConfig,
  positions: ReadonlyMap<string, Committed>,
): Promise<readonly { readonly topic: string; readonly partition: number }[]> {
  const former: { readonly topic: string; readonly partition: number }[] = [];
  for (const table of tables) {
    const { topic, partitions } = table.stream;
    const incarnation = incarnations.get(topic);
    if (incarnation === undefined) continue;
    const found = Array.from({ length: partitions }, (_, partition) => partition).filter((partition) => {
      const place = `${topic}/${partition}`;
      const { offset, metadata } = positions.get(place) ?? { offset: 0, metadata: '' };
      const intent = parseIntent(offset, metadata, place);
      return intent !== undefined && intent.incarnation !== incarnation;
    });
    const last = await lastOffsets(client, table, found);
    former.push(...found.filter((one) => !last.has(one)).map((partition) => ({ topic, partition })));
  }
  return former;
}

function ofFormerTopics(
  former: readonly { readonly topic: string; readonly partition: number }[],
  connection: KafkaConnection,
  group: string,
): SinkError {
  const places = former.map(({ topic, partition }) => `${topic}/${partition}`);
  return new SinkError(
    'other-log',
    `positions of group ${group} are of former topics, which were made anew since: ${places.join(', ')}. What is before them would not ` +
      `be inserted; to begin at the first record, with every weir up stopped: ${toEarliestCommand(connection, group, former)}`,
  );
}

/** A position before the first record that is kept. */
interface PassedPosition {
  readonly topic: string;
  readonly partition: number;
  readonly position: number;
  /** The first offset that is kept. */
  readonly start: number;
}

/** Without those that have promised something: whether their batch is in is for who takes them over to see. */
async function passedPositions(
  { reader }: LostPositionsConfig,
  { stream: { topic, partitions } }: Table,
  positions: Awaited<ReturnType<typeof positionsOfTables>>,
): Promise<readonly PassedPosition[]> {
  const each = Array.from({ length: partitions }, async (_, partition) => {
    const committed = positions.get(`${topic}/${partition}`);
    if (committed === undefined || committed.metadata !== '') return [];
    // One without a leader is looked at when it is taken over.
    const start = await reader.offsetOf(topic, partition, 'start').catch((error: unknown) => {
      if (error instanceof EngineError && error.retryable) return 0;
      throw error;
    });
    return start > committed.offset ? [{ topic, partition, position: committed.offset, start }] : [];
  });
  return (await Promise.all(each)).flat();
}

/** What to say of records that are gone, and how to go on without them. */
function recordsLost(
  passed: readonly PassedPosition[],
  connection: KafkaConnection,
  group: string,
): SinkError {
  return new SinkError(
    'records-lost',
    [
      'records that were not inserted yet are not in Kafka any more: retention was faster',
      ...passed.map(
        ({ topic, partition, position, start }) =>
          `offset ${position} is not in the partition ${topic}/${partition} any more, its first is ${start}`,
      ),
      `to go on without them, with every weir up stopped: ${toEarliestCommand(connection, group, passed)}`,
    ].join('\n'),
  );
}
