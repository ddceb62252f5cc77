/** What a recorder asks of Kafka: offsets of partitions, and their committed records. */
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '../../engine-error.ts';
import type { LogRecord } from '../../log/log.ts';
import { kafkaFailure } from '../connection-failure.ts';
import { kafkajsConfig, type KafkaConnection } from '../connection.ts';
import { patiently } from '../patiently.ts';
import { KafkaReader } from '../reader/kafka-reader.ts';
import { createCluster, type KafkaCluster } from '../reader/kafkajs-cluster.ts';
import type { PartitionReader } from '../reader/partition-reader.ts';

/**
 * `start`: the first offset that is kept. `end`: the last stable one, before which every transaction is decided. `written`: the
 * high watermark, before which lies everything that was acknowledged, decided or not.
 */
export type OffsetKind = 'start' | 'end' | 'written';

const readUncommitted = 0;
const newest = -1;
/** Leaders move, brokers are started again: what fails is asked again for so long. */
const patienceMs = 20_000;
const pollMs = 20;
const recordsPerTurn = 5_000;

export class WindowClient {
  readonly #reader: KafkaReader;
  readonly #cluster: KafkaCluster;
  readonly #closing = new AbortController();

  private constructor(reader: KafkaReader, cluster: KafkaCluster) {
    this.#reader = reader;
    this.#cluster = cluster;
  }

  /** @throws EngineError `kafka-unreachable`, `kafka-refused` */
  static async connect(
    connection: KafkaConnection,
    onTrouble: (error: EngineError) => void,
  ): Promise<WindowClient> {
    const kafka = kafkajsConfig(connection);
    const reader = await KafkaReader.connect({ kafka, onTrouble });
    const cluster = createCluster(kafka);
    try {
      await cluster.connect();
    } catch (cause) {
      await reader.close();
      throw kafkaFailure('the cluster cannot be connected to', cause);
    }
    return new WindowClient(reader, cluster);
  }

  get reader(): KafkaReader {
    return this.#reader;
  }

  /** @throws EngineError `unknown-topic`, or `kafka-unreachable` after a time of trying */
  offset(topic: string, partition: number, which: OffsetKind): Promise<number> {
    return patiently(
      () =>
        which === 'written'
          ? this.#written(topic, partition)
          : this.#reader.offsetOf(topic, partition, which),
      { timeoutMs: patienceMs, signal: this.#closing.signal },
    );
  }

  assign(topic: string, partition: number, from: number): Promise<PartitionReader> {
    return patiently(() => this.#reader.assign(topic, partition, from), {
      timeoutMs: patienceMs,
      signal: this.#closing.signal,
    });
  }

  /** The `end` of a partition once it is not before `offset`. @throws EngineError `recording` when that takes too long */
  async endFrom(topic: string, partition: number, offset: number): Promise<number> {
    const deadlineMs = performance.now() + 2 * patienceMs;
    for (;;) {
      const end = await this.offset(topic, partition, 'end');
      if (end >= offset) return end;
      if (performance.now() > deadlineMs)
        throw new EngineError(
          'recording',
          `${topic}/${partition}: a transaction at offset ${end} stays open, so nothing after it can be recorded; ` +
            `kafka-transactions.sh find-hanging names its producer`,
        );
      await sleep(pollMs);
    }
  }

  /** Calls `each` with the committed records of [from, to), in order. */
  async read(
    topic: string,
    partition: number,
    [from, to]: readonly [number, number],
    each: (record: LogRecord) => void,
  ): Promise<void> {
    const reader = await this.assign(topic, partition, from);
    const { signal } = this.#closing;
    try {
      while (reader.position < to) {
        await reader.settled(signal);
        signal.throwIfAborted();
        const records = reader.take(recordsPerTurn);
        for (const record of records) if (record.offset < to) each(record);
        if (records.length === 0 && reader.position < to) await sleep(pollMs);
      }
    } finally {
      reader.pause();
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new EngineError('log-closed', 'the recorder is being closed'));
    await Promise.all([this.#reader.close(), this.#cluster.disconnect()]);
  }

  async #written(topic: string, partition: number): Promise<number> {
    try {
      await this.#cluster.addMultipleTargetTopics([topic]);
      const found = this.#cluster
        .findTopicPartitionMetadata(topic)
        .find(({ partitionId }) => partitionId === partition);
      const broker = await this.#cluster.findBroker({ nodeId: found?.leader ?? -1 });
      const { responses } = await broker.listOffsets({
        isolationLevel: readUncommitted,
        topics: [{ topic, partitions: [{ partition, timestamp: newest }] }],
      });
      return Number(responses[0]!.partitions[0]!.offset);
    } catch (cause) {
      // The next try is better with new metadata; that it fails too is told by that try.
      await this.#cluster.refreshMetadata().catch(() => undefined);
      throw kafkaFailure(`${topic}/${partition}: its high watermark`, cause);
    }
  }
}
