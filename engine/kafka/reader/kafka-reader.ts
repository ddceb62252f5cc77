/**
 * Reads partitions of Kafka, committed records only, for whoever assigns them: tasks, their restore, the sink.
 *
 * One loop for each broker fetches from all partitions that it leads and that want more; what comes is taken from the
 * `PartitionReader` that `assign` gave. Who may read which partition is not decided here.
 *
 * I1  Readers do not wait for each other, also not those of one partition: a paused or full one is left out of the fetch.
 * I2  A broker that is gone, or leads no more, is nothing but a delay: leaders are looked up again, with growing pauses,
 *     and reading goes on at the same offset. `onTrouble` hears of it, again and again where a lookup has not mended it: of a
 *     partition without a leader, or of a topic that was deleted, nobody else would.
 * I3  After `close` no request is under way.
 */
import type { KafkaConfig } from 'kafkajs';
import { EngineError } from '../../engine-error.ts';
import { systemClock } from '../../log/clock.ts';
import { kafkaFailure } from '../connection-failure.ts';
import { type FetchPlan, planFetches, type PlannedFetch } from './fetch-plan.ts';
import type { FetchedPartition } from './fetch-response.ts';
import { fetchedBatches } from './fetched-batches.ts';
import { patiently } from '../patiently.ts';
import { createCluster, fetchCommitted, type KafkaCluster, listOffset } from './kafkajs-cluster.ts';
import { PartitionReader } from './partition-reader.ts';
import { Signal } from './signal.ts';

export interface KafkaReaderConfig {
  /** Brokers, SASL and TLS, as kafkajs takes them. */
  readonly kafka: KafkaConfig;
  /** How long a broker may wait for data; a newly assigned partition waits as long at worst. 100 ms by default. */
  readonly maxWaitMs?: number;
  /** Of one fetch of all partitions of a broker; 4 MiB by default. */
  readonly maxBytes?: number;
  /** Of one partition in a fetch: no less than a batch may have, or such partitions are fetched one at a time. 1 MiB and some by default. */
  readonly maxBytesPerPartition?: number;
  /** A partition with more than this lying here is not fetched; 1 MiB by default. */
  readonly maxBufferedBytes?: number;
  /**
   * Verify each batch's checksum, and fail with `corrupt-batch` where it is wrong. Not by default: TCP has one as well, the
   * broker verified it when it was written, and it is 0.1 s of CPU for a million records of 200 bytes, 0.24 s without.
   */
  readonly checkCrcs?: boolean;
  /** Called after a partition has new records, moved on, reached its end or failed. It must not throw. */
  readonly onProgress?: (reader: PartitionReader) => void;
  /** Called with what keeps partitions from being read for now. */
  readonly onTrouble?: (error: EngineError) => void;
}

const firstPauseMs = 50;
const longestPauseMs = 2_000;
const maxTopicLookups = 3;
const leaderTimeoutMs = 5_000;
const errorCodes = 'https://kafka.apache.org/protocol#protocol_error_codes';

const keyOf = (topic: string, partition: number): string => `${topic}-${partition}`;

export class KafkaReader {
  readonly #config: Required<KafkaReaderConfig>;
  readonly #cluster: KafkaCluster;
  readonly #readers = new Set<PartitionReader>();
  /** Partitions whose leader must be looked up again before they are fetched, and why. */
  readonly #stale = new Map<string, string>();
  /** Those that were looked up, and have not been read since. */
  readonly #lookedUp = new Set<string>();
  readonly #loops = new Map<number, Promise<void>>();
  readonly #wake = new Signal();
  readonly #closing = new AbortController();
  #lookup: Promise<void> | undefined;
  #failedLookups = 0;

  private constructor(config: KafkaReaderConfig) {
    const nothing = (): void => undefined;
    this.#config = {
      kafka: config.kafka,
      maxWaitMs: config.maxWaitMs ?? 100,
      maxBytes: config.maxBytes ?? 4 << 20,
      maxBytesPerPartition: config.maxBytesPerPartition ?? (1 << 20) + (1 << 16),
      maxBufferedBytes: config.maxBufferedBytes ?? 1 << 20,
      checkCrcs: config.checkCrcs ?? false,
      onProgress: config.onProgress ?? nothing,
      onTrouble: config.onTrouble ?? nothing,
    };
    this.#cluster = createCluster(config.kafka);
  }

  /** @throws EngineError `kafka-unreachable` when no broker answers, `kafka-refused` when they refuse this client */
  static async connect(config: KafkaReaderConfig): Promise<KafkaReader> {
    const reader = new KafkaReader(config);
    try {
      await reader.#cluster.connect();
    } catch (cause) {
      await reader.close();
      throw kafkaFailure('the cluster cannot be connected to', cause);
    }
    return reader;
  }

  /**
   * Read a partition from `offset` on. It may be assigned several times: each reader has its own position.
   *
   * @throws EngineError `kafka-unreachable` when its topic cannot be looked up; `unknown-topic` when there is no such partition
   */
  async assign(topic: string, partition: number, offset: number): Promise<PartitionReader> {
    await this.#requirePartition(topic, partition);
    const { maxBufferedBytes, maxBytesPerPartition } = this.#config;
    const reader = new PartitionReader(
      { topic, partition, offset },
      { maxBufferedBytes, maxFetchBytes: maxBytesPerPartition },
      () => {
        this.#wake.set();
      },
    );
    this.#readers.add(reader);
    this.#runLoops();
    return reader;
  }

  /** Read it no more. May be called twice. */
  unassign(reader: PartitionReader): void {
    this.#readers.delete(reader);
    const key = keyOf(reader.topic, reader.partition);
    for (const other of this.#readers) if (keyOf(other.topic, other.partition) === key) return;
    this.#stale.delete(key);
    this.#lookedUp.delete(key);
  }

  /**
   * `end`: the last stable offset, before which every transaction is decided. `start`: the first offset that is kept. Waits for
   * some seconds while a partition moves to another leader.
   *
   * @throws EngineError as `assign`
   */
  offsetOf(topic: string, partition: number, which: 'start' | 'end'): Promise<number> {
    return patiently(() => this.#offsetOf(topic, partition, which), {
      timeoutMs: leaderTimeoutMs,
      signal: this.#closing.signal,
    });
  }

  async #offsetOf(topic: string, partition: number, which: 'start' | 'end'): Promise<number> {
    const leader = await this.#requirePartition(topic, partition);
    try {
      const broker = await this.#cluster.findBroker({ nodeId: leader });
      return await listOffset(broker, topic, partition, which);
    } catch (cause) {
      await this.#cluster.refreshMetadata().catch(this.#report('the metadata could not be refreshed'));
      throw kafkaFailure(`${keyOf(topic, partition)}: its ${which} offset`, cause);
    }
  }

  /** The number of partitions of a topic. @throws EngineError as `assign` */
  async partitionCount(topic: string): Promise<number> {
    await this.#requirePartition(topic, 0);
    return this.#cluster.findTopicPartitionMetadata(topic).length;
  }

  /** End all requests and connections. May be called twice. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake.set();
    await this.#cluster.disconnect();
    await Promise.all(this.#loops.values());
    await this.#lookup;
  }

  get #isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  #report(what: string): (cause: unknown) => void {
    return (cause) => {
      if (!this.#isClosing) this.#config.onTrouble(kafkaFailure(what, cause));
    };
  }

  /**
   * The leader of a partition, -1 while it has none. What was created just now is not known to every broker at once, and an
   * answer that kafkajs awaits already may have been asked for before the topic was wanted.
   */
  async #requirePartition(topic: string, partition: number): Promise<number> {
    for (let tries = 1; ; tries++) {
      const unknown = await this.#lookUpTopic(topic);
      const leader = unknown === undefined ? this.#leaderOf(topic, partition) : undefined;
      if (leader !== undefined) return leader;
      if (tries < maxTopicLookups) {
        await systemClock.sleep(firstPauseMs * tries, this.#closing.signal);
        if (unknown === undefined) await this.#refreshMetadata(topic);
      } else if (unknown !== undefined) throw unknown;
      else throw new EngineError('unknown-topic', `topic ${topic} has no partition ${partition} in Kafka`);
    }
  }

  /** @returns what is to be thrown when there is no such topic */
  async #lookUpTopic(topic: string): Promise<EngineError | undefined> {
    try {
      await this.#cluster.addMultipleTargetTopics([topic]);
      return undefined;
    } catch (cause) {
      const isUnknown =
        cause instanceof Error && 'type' in cause && cause.type === 'UNKNOWN_TOPIC_OR_PARTITION';
      if (!isUnknown) throw kafkaFailure(`topic ${topic} cannot be looked up`, cause);
      return new EngineError('unknown-topic', `there is no topic ${topic} in Kafka: create it`, { cause });
    }
  }

  async #refreshMetadata(topic: string): Promise<void> {
    try {
      await this.#cluster.refreshMetadata();
    } catch (cause) {
      throw kafkaFailure(`topic ${topic} cannot be looked up`, cause);
    }
  }

  #leaderOf(topic: string, partition: number): number | undefined {
    return this.#cluster
      .findTopicPartitionMetadata(topic)
      .find(({ partitionId }) => partitionId === partition)?.leader;
  }

  /** See that every broker that leads one of our partitions has its loop. */
  #runLoops(): void {
    // The cluster forgets its metadata when it is disconnected.
    if (this.#isClosing) return;
    for (const { topic, partition } of this.#readers) {
      const leader = this.#leaderOf(topic, partition);
      if (leader === undefined) this.#markStale(topic, partition, 'is not in Kafka any more');
      else if (leader < 0) this.#markStale(topic, partition, 'has no leader');
      else if (!this.#loops.has(leader)) this.#loops.set(leader, this.#fetchFrom(leader));
    }
    this.#wake.set();
  }

  /** Fetch from one broker, again and again. */
  async #fetchFrom(nodeId: number): Promise<void> {
    for (let round = 0; !this.#isClosing; round++) {
      const woken = this.#wake.next();
      const plan = planFetches(this.#readersAt(nodeId), round, this.#config.maxWaitMs);
      if (plan.fetches.length === 0) {
        await woken;
        continue;
      }
      try {
        await this.#fetchOnce(nodeId, plan);
      } catch (cause) {
        const what = `broker ${nodeId} cannot be read`;
        this.#report(what)(cause);
        for (const { position } of plan.fetches)
          this.#markStale(position.topic, position.partition, `cannot be read: ${what}`);
      }
    }
  }

  /** Readers of the partitions that a broker leads. */
  #readersAt(nodeId: number): PartitionReader[] {
    return [...this.#readers].filter(
      ({ topic, partition }) =>
        !this.#stale.has(keyOf(topic, partition)) && this.#leaderOf(topic, partition) === nodeId,
    );
  }

  async #fetchOnce(nodeId: number, { fetches, maxWaitMs }: FetchPlan): Promise<void> {
    const broker = await this.#cluster.findBroker({ nodeId });
    const { maxBytes } = this.#config;
    const { partitions, errorCode } = await fetchCommitted(
      broker,
      fetches.map(({ position }) => position),
      { maxBytes, maxWaitMs },
    );
    if (errorCode !== 0) throw new Error(`it answers a fetch with error code ${errorCode}`);
    for (const fetched of partitions) {
      const { topic, partition } = fetched;
      const planned = fetches.find(
        ({ position }) => position.topic === topic && position.partition === partition,
      );
      if (planned !== undefined) this.#give(fetched, planned);
    }
    if (this.#stale.size === 0) this.#failedLookups = 0;
  }

  /** To all who wait for it and were not taken off meanwhile. */
  #give(fetched: FetchedPartition, { position, waiting }: PlannedFetch): void {
    const readers = waiting.filter(({ reader }) => this.#readers.has(reader));
    if (readers.length === 0) return;
    const content = fetchedBatches(fetched, position.fetchOffset, this.#config.checkCrcs);
    for (const { reader, seeks } of readers) {
      const outcome = reader.accept(fetched, content, seeks);
      if (outcome === 'stale-leader') {
        const why = `cannot be read: its broker answers with error code ${fetched.errorCode} (${errorCodes})`;
        this.#markStale(reader.topic, reader.partition, why);
        continue;
      }
      this.#lookedUp.delete(keyOf(reader.topic, reader.partition));
      if (outcome !== 'outdated') this.#config.onProgress(reader);
    }
  }

  /** @param why after the partition's name */
  #markStale(topic: string, partition: number, why: string): void {
    if (this.#isClosing) return;
    this.#stale.set(keyOf(topic, partition), `${topic}/${partition} ${why}`);
    this.#startLookup();
  }

  #startLookup(): void {
    if (this.#isClosing) return;
    this.#lookup ??= this.#lookUpLeaders().finally(() => {
      this.#lookup = undefined;
      // Partitions that became stale while the others were looked up.
      if (this.#stale.size > 0) this.#startLookup();
    });
  }

  /** One look at the metadata, after a pause that grows until a fetch succeeds. */
  async #lookUpLeaders(): Promise<void> {
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** this.#failedLookups);
    this.#failedLookups = Math.min(this.#failedLookups + 1, 10);
    await systemClock.sleep(pauseMs, this.#closing.signal);
    if (this.#isClosing) return;
    const stale = [...this.#stale];
    try {
      await this.#cluster.refreshMetadata();
    } catch (cause) {
      this.#report('the leaders of partitions cannot be looked up')(cause);
      return;
    }
    this.#tellUnmended(stale);
    for (const [key] of stale) this.#stale.delete(key);
    this.#runLoops();
  }

  /** I2 */
  #tellUnmended(stale: readonly (readonly [key: string, why: string])[]): void {
    const unmended = stale.filter(([key]) => this.#lookedUp.has(key)).map(([, why]) => why);
    for (const [key] of stale) this.#lookedUp.add(key);
    if (unmended.length === 0 || this.#isClosing) return;
    const more = unmended.length === 1 ? '' : ` (and ${unmended.length - 1} more partitions)`;
    this.#config.onTrouble(
      new EngineError('kafka-unreachable', `${unmended[0]!}${more}`, { retryable: true }),
    );
  }
}
