/**
 * The three requests of an idempotent producer, in versions that Apache Kafka 2.4 and newer have
 * (https://kafka.apache.org/protocol). Of kafkajs's own, Metadata fails as a whole when one topic or partition does, and
 * Produce gives one error for all partitions.
 */
import { ByteCursor } from '#engine/kafka/reader/byte-cursor.ts';
import { ByteWriter } from './byte-writer.ts';
import type { ProducerIdentity } from './record-batch.ts';

/** A request and how its answer is read. */
export interface ProtocolCall<T> {
  readonly name: string;
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly body: Buffer;
  /** Throws a RangeError when the bytes end too early. */
  readonly decode: (payload: Buffer) => T;
}

export interface BrokerAddress {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

export interface TopicMetadata {
  readonly topic: string;
  /** 0 for none; https://kafka.apache.org/protocol#protocol_error_codes */
  readonly errorCode: number;
  /** Leaders by partition number; -1 where there is none now. */
  readonly leaders: readonly number[];
}

export interface ClusterMetadata {
  readonly brokers: readonly BrokerAddress[];
  readonly topics: readonly TopicMetadata[];
}

/** Stands for the leader of a partition that has none now. */
export const noLeader = -1;

function nullableString(cursor: ByteCursor): string | null {
  const length = cursor.int16();
  return length < 0 ? null : cursor.take(length).toString('utf8');
}

function readTopic(cursor: ByteCursor): TopicMetadata {
  const errorCode = cursor.int16();
  const topic = cursor.string();
  cursor.int8(); // isInternal
  const partitions = cursor.array(() => {
    cursor.int16(); // errorCode: a partition without a leader says so by its leader
    const partition = cursor.int32();
    const leader = cursor.int32();
    cursor.array(() => cursor.int32()); // replicas
    cursor.array(() => cursor.int32()); // in-sync replicas
    return { partition, leader };
  });
  const leaders = new Array<number>(partitions.length).fill(noLeader);
  for (const { partition, leader } of partitions) leaders[partition] = leader;
  return { topic, errorCode, leaders };
}

/** Brokers, and the leaders of topics; topics are never created by it. */
export function metadataCall(topics: readonly string[]): ProtocolCall<ClusterMetadata> {
  const body = new ByteWriter().int32(topics.length);
  for (const topic of topics) body.string(topic);
  return {
    name: 'Metadata',
    apiKey: 3,
    apiVersion: 4,
    body: body.int8(0).bytes,
    decode: (payload) => {
      const cursor = new ByteCursor(payload);
      cursor.int32(); // throttleTimeMs
      const brokers = cursor.array(() => {
        const broker = { nodeId: cursor.int32(), host: cursor.string(), port: cursor.int32() };
        nullableString(cursor); // rack
        return broker;
      });
      nullableString(cursor); // clusterId
      cursor.int32(); // controllerId
      return { brokers, topics: cursor.array(readTopic) };
    },
  };
}

const unusedTransactionTimeoutMs = 60_000;

/** A new producer id. `errorCode` is 0 when there is one. */
export function initProducerIdCall(): ProtocolCall<ProducerIdentity & { readonly errorCode: number }> {
  return {
    name: 'InitProducerId',
    apiKey: 22,
    apiVersion: 1,
    body: new ByteWriter().nullString().int32(unusedTransactionTimeoutMs).bytes,
    decode: (payload) => {
      const cursor = new ByteCursor(payload);
      cursor.int32(); // throttleTimeMs
      return { errorCode: cursor.int16(), id: cursor.int64(), epoch: cursor.int16() };
    },
  };
}

/** A batch and where it belongs. */
export interface PlacedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
}

/** What became of a batch. */
export interface ProduceResult {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  /** Of the batch's first record; -1 with an error. */
  readonly baseOffset: number;
  /** The records for which the whole batch was refused, by their index in it; often none is named. */
  readonly recordErrors: readonly { readonly index: number; readonly message: string }[];
  /** The broker's words, or ''. */
  readonly message: string;
}

const allInSyncReplicas = -1;

/**
 * Writes batches, acknowledged by all replicas that are in sync; `timeoutMs` is how long the leader waits for those.
 *
 * @param transactionalId of the transaction that the batches belong to
 */
export function produceCall(
  batches: readonly PlacedBatch[],
  timeoutMs: number,
  transactionalId?: string,
): ProtocolCall<readonly ProduceResult[]> {
  const byTopic = new Map<string, PlacedBatch[]>();
  for (const batch of batches) byTopic.set(batch.topic, [...(byTopic.get(batch.topic) ?? []), batch]);
  const size = batches.reduce((sum, { bytes }) => sum + bytes.length + 300, 64);
  const body = new ByteWriter(size);
  if (transactionalId === undefined) body.nullString();
  else body.string(transactionalId);
  body.int16(allInSyncReplicas).int32(timeoutMs).int32(byTopic.size);
  for (const [topic, placed] of byTopic) {
    body.string(topic).int32(placed.length);
    for (const { partition, bytes } of placed) body.int32(partition).int32(bytes.length).raw(bytes);
  }
  return { name: 'Produce', apiKey: 0, apiVersion: 8, body: body.bytes, decode: decodeProduced };
}

function decodeProduced(payload: Buffer): readonly ProduceResult[] {
  const cursor = new ByteCursor(payload);
  const results = cursor.array(() => {
    const topic = cursor.string();
    return cursor.array((): ProduceResult => {
      const partition = cursor.int32();
      const errorCode = cursor.int16();
      const baseOffset = cursor.long();
      cursor.int64(); // logAppendTime
      cursor.int64(); // logStartOffset
      const recordErrors = cursor.array(() => ({
        index: cursor.int32(),
        message: nullableString(cursor) ?? '',
      }));
      return {
        topic,
        partition,
        errorCode,
        baseOffset,
        recordErrors,
        message: nullableString(cursor) ?? '',
      };
    });
  });
  return results.flat();
}
