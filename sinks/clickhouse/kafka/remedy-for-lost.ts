/**
 * How to go on where records that were to be inserted are gone from Kafka.
 *
 * I1  Where the rows of a promise are in the table, its records that are left must not be read anew: they would be there twice, under
 *     another token.
 * I2  What is left of a promise without a row is not passed by unsaid: records that it left out have no dead letter yet (that goes
 *     with the next position), and a block over several partitions of a table may be there in part.
 * I3  Read anew from such a record on, the records have tokens that ClickHouse does not know. So the rows from there on are removed before.
 */
import type { KafkaConnection } from '#engine/kafka/connection.ts';
import { committedOffsets } from '#engine/kafka/reader/committed-offsets.ts';
import type { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import type { Committed } from '#engine/log/log.ts';
import { presentOffsets } from '../audit.ts';
import { onCluster } from '../cluster.ts';
import { parseIntent } from '../intent.ts';
import { describeOffsets } from '../offset-ranges.ts';
import type { Shared } from '../partition-wiring.ts';
import { qualifiedLocal, type Table } from '../tables.ts';
import { quoteText } from '../value-type.ts';
import { setPositionsCommand, toEarliestCommand } from './group-command.ts';

export interface LostPlace {
  readonly connection: KafkaConnection;
  readonly group: string;
  readonly table: Pick<Table, 'database' | 'name' | 'cluster'>;
  readonly topic: string;
  readonly partition: number;
}

/** A promise whose rows, or some of them, are in the table, and some of whose records are gone. */
export interface BrokenPromise {
  readonly to: number;
  /** Offsets that it left out. */
  readonly excluded: readonly number[];
  /** Offsets that have a row. */
  readonly present: ReadonlySet<number>;
  /** The first offset that Kafka has. */
  readonly first: number;
  /** The offsets of its records that Kafka has, rising. */
  readonly left: readonly number[];
}

/** What follows upon `to go on without it, with every weir up stopped`. */
export function remedyOf(place: LostPlace, { to, excluded, present, first, left }: BrokenPromise): string {
  const { connection, group, table, topic, partition } = place;
  const from = (offset: number): string =>
    setPositionsCommand(connection, group, [{ topic, partition, offset }]);
  const without = left.filter((offset) => !present.has(offset));
  const [again] = without;
  if (again === undefined) return `: ${from(Math.max(first, to))}`;
  const bad = without.filter((offset) => excluded.includes(offset));
  const unlettered =
    bad.length === 0 ? '' : ` (of them set aside as bad, without a dead letter yet: ${describeOffsets(bad)})`;
  const rows = `_topic = ${quoteText(topic)} AND _partition = ${partition} AND _offset >= ${again} AND _offset < ${to}`;
  const removal = left.some((offset) => offset > again && present.has(offset))
    ? `ALTER TABLE ${qualifiedLocal(table)}${onCluster(table.cluster)} DELETE WHERE ${rows} SETTINGS mutations_sync = 2; remove what materialized views made of these rows, too; then `
    : '';
  return [
    `. Kafka still has records of the same batch that have no row: offsets ${describeOffsets(without)}${unlettered}. One of:`,
    `take these: ${removal}${from(again)}`,
    `go on without these, too: ${from(Math.max(first, to))}`,
  ].join('\n');
}

export interface LostConfig {
  readonly place: LostPlace;
  readonly client: Shared['client'];
  readonly reader: KafkaReader;
  readonly committed: Committed | undefined;
  readonly stop: AbortSignal;
}

/** At a time. */
const chunk = 20_000;

/**
 * As `remedyOf`, where `offset` is gone. @throws as Kafka and ClickHouse answer; SinkError `intent-invalid` for metadata that is none
 * of the sink's
 */
export async function remedyForLost(config: LostConfig, offset: number): Promise<string> {
  const { place, client, reader, committed, stop } = config;
  const { connection, group, table, topic, partition } = place;
  const toEarliest = `: ${toEarliestCommand(connection, group, [place])}`;
  if (committed === undefined) return toEarliest;
  const { offset: from, metadata } = committed;
  const intent = parseIntent(from, metadata, `${topic}/${partition}`);
  if (intent === undefined || offset >= intent.to) return toEarliest;
  const { to, excluded } = intent;
  const present = await presentOffsets(client, table, { topic, partition, from, to }, stop);
  if (present.size === 0) return toEarliest;
  const first = await reader.offsetOf(topic, partition, 'start');
  const left: number[] = [];
  if (first < to)
    for await (const { found } of committedOffsets(
      reader,
      { topic, partition, from: first, to },
      chunk,
      stop,
    ))
      left.push(...found);
  return remedyOf(place, { to, excluded, present, first, left });
}
