/**
 * Takes a partition over from whoever had it before.
 *
 * The order: fence its transactions, so that they are decided; then read the committed position with its promise; then hear from
 * the group that this is still the owner (ledger-model.test.ts shows what is lost otherwise); then read on from there. A position that is gone although the table has rows is refused: reading from the start would double them.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { EngineError } from '#engine/engine-error.ts';
import type { GroupMember } from '#engine/kafka/reader/group-member.ts';
import type { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import type { KafkaCluster } from '#engine/kafka/reader/kafkajs-cluster.ts';
import { type KafkaPartitionSource, kafkaPartitionSource } from '#engine/kafka/reader/partition-source.ts';
import type { PartitionSource } from '#engine/log/log.ts';
import { SinkError } from '../error.ts';
import { partitionPorts, type Shared, type TableParts } from '../partition-wiring.ts';
import { retryTransient } from '../retry.ts';
import type { Open } from '../running-partition.ts';
import { qualified } from '../tables.ts';
import { confirmed } from './confirmed.ts';
import { fencePartition } from './fence-partition.ts';
import { LetterWriter, type LetterWriting } from './letter-writer.ts';
import { letterTransactionalId } from './names.ts';

/** What all partitions of a sink on Kafka share. */
export interface KafkaShared {
  readonly app: string;
  readonly group: string;
  readonly shared: Shared;
  readonly reader: KafkaReader;
  readonly cluster: KafkaCluster;
  readonly letters: LetterWriting;
  /** Once it has joined. */
  readonly member: () => Promise<GroupMember>;
}

/** How a partition is opened, each time that it is to be. */
export function opening(kafka: KafkaShared, parts: TableParts, partition: number): Open {
  const { topic } = parts.table.stream;
  const transactionalId = letterTransactionalId(kafka.app, topic, partition);
  return async (stop) => {
    const member = await kafka.member();
    const patiently = <T>(work: () => Promise<T>): Promise<T> =>
      retryTransient(work, `${topic}/${partition}`, stop, kafka.shared.retry, kafka.shared.onRetry);
    await patiently(() => fencePartition(kafka.cluster, transactionalId, stop));
    const start = await patiently(() => startOf(kafka, member, parts, partition));
    const source = await patiently(() =>
      kafkaPartitionSource(kafka.reader, member, { topic, partition }, stop),
    );
    const owner = { topic, partition, transactionalId, member };
    const writer = new LetterWriter(kafka.letters, owner);
    const { group } = kafka;
    return {
      ports: partitionPorts(
        kafka.shared,
        parts,
        asSinkReads(source, { group, start, stop, member }),
        writer.finish,
      ),
      close: async () => {
        source.close();
        await writer.close();
      },
    };
  };
}

/** Where reading begins where the group has no position: at the first record that is kept. */
async function startOf(
  { group, reader, shared }: KafkaShared,
  member: GroupMember,
  { table }: TableParts,
  partition: number,
): Promise<number> {
  const { topic } = table.stream;
  const start = await reader.offsetOf(topic, partition, 'start');
  if ((await member.committed(topic, partition)) !== undefined) return start;
  const last = await lastOffset(shared.client, qualified(table), topic, partition);
  if (last === undefined) return start;
  throw new SinkError(
    'position-lost',
    `table ${table.database}.${table.name} has rows of ${topic}/${partition} up to offset ${last}, but group ${group} has no ` +
      'position there any more: it was deleted, or has expired (offsets.retention.minutes). Set it, then start again: ' +
      `kafka-consumer-groups --group ${group} --topic ${topic}:${partition} --reset-offsets --to-offset ${last + 1} --execute`,
  );
}

async function lastOffset(
  client: ClickHouseClient,
  table: string,
  topic: string,
  partition: number,
): Promise<number | undefined> {
  const result = await client.query({
    query: `SELECT maxOrNull(_offset) AS last FROM ${table} WHERE _topic = {topic:String} AND _partition = {partition:Int32}`,
    query_params: { topic, partition },
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  const [row] = await result.json<{ last: number | null }>();
  return row?.last ?? undefined;
}

interface Reading {
  readonly group: string;
  readonly start: number;
  readonly stop: AbortSignal;
  readonly member: GroupMember;
}

/** A partition that always has a position, and commits nothing once its owner has to stop. */
function asSinkReads(source: KafkaPartitionSource, { group, start, stop, member }: Reading): PartitionSource {
  const { topic, partition } = source;
  return {
    topic,
    partition,
    // A position that was read by one that is no owner any more may be its successor's promise, and not be acted on.
    committed: async () => {
      const found = (await source.committed()) ?? { offset: start, metadata: '' };
      await confirmed(member, stop).catch(() => {
        throw new EngineError('fenced', `${topic}/${partition}: it is given back`);
      });
      return found;
    },
    commit: (offset, metadata) =>
      stop.aborted
        ? Promise.reject(new EngineError('fenced', `${topic}/${partition}: it is given back`))
        : source.commit(offset, metadata),
    read: async (offset, maxRecords) => {
      try {
        return await source.read(offset, maxRecords);
      } catch (error) {
        throw withRemedy(error, group);
      }
    },
    nextOffset: (offset) => source.nextOffset(offset),
    endOffset: () => source.endOffset(),
    waitForData: (offset, signal) => source.waitForData(offset, signal),
  };
}

function withRemedy(error: unknown, group: string): unknown {
  if (!(error instanceof EngineError) || error.code !== 'offset-out-of-range') return error;
  return new SinkError(
    'records-lost',
    `${error.message}. What is gone cannot be inserted; to go on without it, stop the sink, move group ${group} to an offset ` +
      'that is kept (kafka-consumer-groups --reset-offsets) and start again',
    { cause: error },
  );
}
