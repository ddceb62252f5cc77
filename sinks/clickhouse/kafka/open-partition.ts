/**
 * Takes a partition over from whoever had it before.
 *
 * The order: fence its transactions, so that they are decided; then read the committed position with its promise; then hear from
 * the group that this is still the owner (ledger-model.test.ts shows what is lost otherwise); then read on from there. A position that is gone although the table has rows is refused: reading from the
 * start would double them. So it is at the start of the sink, for all partitions at once (refuse-lost-positions.ts); here it is gone since.
 */
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
import { confirmed } from './confirmed.ts';
import { fencePartition } from './fence-partition.ts';
import { LetterWriter, type LetterWriting } from './letter-writer.ts';
import { letterTransactionalId } from './names.ts';
import { lastOffsets, positionsLost } from './refuse-lost-positions.ts';
import { remedyForLost } from './remedy-for-lost.ts';

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
    const remedy = (offset: number): Promise<string> =>
      patiently(async () => {
        const { group, letters, reader, shared } = kafka;
        const place = { connection: letters.connection, group, table: parts.table, topic, partition };
        const committed = await source.committed();
        return remedyForLost({ place, client: shared.client, reader, committed, stop }, offset);
      });
    return {
      ports: partitionPorts(
        kafka.shared,
        parts,
        asSinkReads(source, { start, stop, member, remedy }),
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
  { group, reader, shared, letters }: KafkaShared,
  member: GroupMember,
  { table }: TableParts,
  partition: number,
): Promise<number> {
  const { topic } = table.stream;
  const start = await reader.offsetOf(topic, partition, 'start');
  if ((await member.committed(topic, partition)) !== undefined) return start;
  const last = (await lastOffsets(shared.client, table, [partition])).get(partition);
  if (last === undefined) return start;
  throw positionsLost([{ table, partition, last }], letters.connection, group);
}

interface Reading {
  readonly start: number;
  readonly stop: AbortSignal;
  readonly member: GroupMember;
  /** What to do where records are gone (remedy-for-lost.ts). */
  readonly remedy: (offset: number) => Promise<string>;
}

/** A partition that always has a position, and commits nothing once its owner has to stop. */
function asSinkReads(
  source: KafkaPartitionSource,
  { start, stop, member, remedy }: Reading,
): PartitionSource {
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
        if (!(error instanceof EngineError && error.code === 'offset-out-of-range')) throw error;
        throw recordsLost(error, await remedy(offset));
      }
    },
    nextOffset: (offset) => source.nextOffset(offset),
    endOffset: () => source.endOffset(),
    waitForData: (offset, signal) => source.waitForData(offset, signal),
  };
}

function recordsLost(error: EngineError, remedy: string): SinkError {
  return new SinkError(
    'records-lost',
    `${error.message}. What is gone cannot be inserted; to go on without it, with every weir up stopped${remedy}`,
    { cause: error },
  );
}
