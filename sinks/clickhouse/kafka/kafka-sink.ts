/**
 * The sink on Kafka: this process's share of the partitions of an app's topics, each into its table. More processes with the
 * same app share the partitions among them.
 *
 * I1  A partition has one owner in a generation of the group. Its commits carry the generation, its transactions are fenced by
 *     their id (letter-writer.ts); so an owner that is none any more can repeat an insert that was promised, and nothing else.
 * I2  All partitions are given back before a rebalance and taken over anew after it, also those that stay: an owner never
 *     lives longer than the generation that it was given the partition in, so none of its commits can carry another one.
 * I3  Giving back is bounded in time: what is promised and not in by then is inserted by the next owner, from the promise.
 * I4  Memory: `maxBytesInFlight` for batches with a floor for each partition, and `readAheadBytes` for what was read ahead, or 64
 *     KiB for each partition if that is more; fetched batches come on top, one answer of each broker.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import type { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { EngineError } from '#engine/engine-error.ts';
import { kafkaFailure } from '#engine/kafka/connection-failure.ts';
import { kafkajsConfig, type KafkaConnection } from '#engine/kafka/connection.ts';
import { stickyAssignor } from '#engine/kafka/driver/assignor.ts';
import { loadLibrdkafka } from '#engine/kafka/driver/librdkafka.ts';
import { OffsetsHandle } from '#engine/kafka/driver/offsets-handle.ts';
import { SchemasFollower } from '#engine/kafka/driver/schemas-follower.ts';
import { type Assignment, GroupMember } from '#engine/kafka/reader/group-member.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import { createCluster, type KafkaCluster } from '#engine/kafka/reader/kafkajs-cluster.ts';
import { patiently } from '#engine/kafka/patiently.ts';
import { schemas } from '#engine/records/generated.ts';
import { bindDatabase, kafkaLog } from '../bound-log.ts';
import type { ClickHouseSink } from '../clickhouse-sink.ts';
import { SinkError } from '../error.ts';
import { classify } from '../insert-error.ts';
import { retryTransient, type Retrying } from '../retry.ts';
import { RunningSink, sharedBy, type TableStats } from '../running-sink.ts';
import type { RunningPartition } from '../running-partition.ts';
import { DEFAULT_SINK_LIMITS, type SinkLimits } from '../sink-limits.ts';
import type { Table } from '../tables.ts';
import { bindTopics } from './bound-topics.ts';
import { confirmed } from './confirmed.ts';
import { type KafkaShared, opening } from './open-partition.ts';
import { sinkGroup } from './names.ts';
import { refuseLostPositions } from './refuse-lost-positions.ts';
import { clusterIdOf } from '#engine/kafka/cluster-id.ts';

export interface KafkaSinkConfig {
  readonly connection: KafkaConnection;
  readonly client: ClickHouseClient;
  /** Names the group: `<app>.clickhouse-sink`. */
  readonly app: string;
  /** All of one database, prepared (prepare-tables.ts). Their topics must exist, `weir.dead-letters` and `weir.schemas` too. */
  readonly tables: readonly Table[];
  /** Learns what is announced on `weir.schemas`. */
  readonly writers: WriterSchemas;
  readonly limits?: Partial<SinkLimits>;
  /** Of all partitions together, for records that were read ahead. 32 MiB by default. */
  readonly readAheadBytes?: number;
  /** After so long without a heartbeat this process's partitions are given to others. 10 s by default. */
  readonly sessionTimeoutMs?: number;
  /** 500 ms by default. */
  readonly heartbeatMs?: number;
  /** How long partitions may go on with what they have promised before a rebalance. 5 s by default. */
  readonly handOverMs?: number;
  /** Wall clock, for the time on dead letters. Default Date.now. */
  readonly nowMs?: () => number;
  readonly onRetry?: (retrying: Retrying) => void;
  /** What somebody should know though it mends itself; a SinkError `views-in-doubt`, which does not. */
  readonly onTrouble?: (error: EngineError | SinkError) => void;
}

export interface KafkaSink extends Omit<ClickHouseSink, 'stop'> {
  /** Inserts all that is in this process's partitions now. Rejects afterwards with the error of the first that failed. */
  drain(): Promise<void>;
  /**
   * Keeps what is promised, commits, and leaves the group; ends after `deadlineMs` wherever it is. Resolves to true when no
   * promise is left open. What was not promised stays in Kafka.
   */
  stop(deadlineMs: number): Promise<boolean>;
  /** Topic -> partitions that are this process's now. */
  readonly assignment: Assignment;
}

const readAheadBytes = 32 << 20;
const leastReadAhead = 64 << 10;
const mostReadAhead = 1 << 20;
const fetchWaitMs = 200;
const handOverMs = 5_000;
/** How long partitions that were stopped may take to notice it; they do nothing more in any case. */
const noticeMs = 1_000;
const leastCloseMs = 500;
/** A cluster that has just been started answers later, and so does a ClickHouse. */
const startMs = 20_000;

/** Repeats what ClickHouse did not answer, as while it is started again. */
const whenAnswered = <T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> =>
  patiently(work, { timeoutMs: startMs, signal, mayRepeat: (error) => classify(error) === 'transient' });

/**
 * Joins the group and runs, until `stop`. A ClickHouse that is away is waited for, for 20 s.
 *
 * @throws EngineError `kafka-unreachable`, `kafka-refused`, `unknown-topic`, `group-refused`, `no-librdkafka`; SinkError `other-log`
 *   when the database has rows of another log or of a former topic, as refuseLostPositions, and as ClickHouse answers
 */
export async function startKafkaSink(config: KafkaSinkConfig): Promise<KafkaSink> {
  // Found out now, not when the first record turns out to be bad.
  loadLibrdkafka();
  const group = sinkGroup(config.app);
  const clusterId = await clusterIdOf(config.connection);
  for (const database of new Set(config.tables.map((table) => table.database))) {
    const tables = config.tables.filter((table) => table.database === database);
    const log = kafkaLog(clusterId, group);
    await whenAnswered(
      () => bindDatabase(config.client, database, log, tables),
      new AbortController().signal,
    );
  }
  const sink = new RunningKafkaSink(config, group);
  try {
    await sink.start();
    return sink;
  } catch (error) {
    await sink.stop(2_000);
    throw error;
  }
}

class RunningKafkaSink implements KafkaSink {
  readonly #config: KafkaSinkConfig;
  readonly #group: string;
  readonly #sink: RunningSink;
  readonly #cluster: KafkaCluster;
  readonly #stopping = new AbortController();
  readonly #shared: Omit<KafkaShared, 'reader'>;
  #reader: KafkaReader | undefined;
  #follower: SchemasFollower | undefined;
  #joining: Promise<GroupMember> | undefined;
  #offsets: Promise<OffsetsHandle> | undefined;
  #assignment: Assignment = new Map();
  /** By topic, of those that were made anew (bound-topics.ts). */
  #incarnations: ReadonlyMap<string, string> = new Map();
  #generation = -1;
  /** Rises whenever partitions come or go. */
  #changes = 0;
  #hasShare = false;
  /** Partitions that did not end in time. */
  readonly #lingering = new Set<Promise<void>>();

  constructor(config: KafkaSinkConfig, group: string) {
    this.#config = config;
    this.#group = group;
    const limits = { ...DEFAULT_SINK_LIMITS, ...config.limits };
    const { app, client, writers, connection, nowMs = Date.now, onRetry = () => undefined } = config;
    const onTrouble = (error: SinkError): void => {
      this.#trouble(error);
    };
    const shared = sharedBy({ client, writers, incarnation: '', nowMs, onRetry, onTrouble }, limits);
    this.#sink = new RunningSink(config.tables, shared, limits, {
      onReopen: (_, error) => {
        if (error instanceof EngineError) this.#trouble(error);
      },
      confirm: async (stop) => {
        const member = await this.#joining;
        if (member !== undefined) await confirmed(member, stop).catch(() => undefined);
      },
    });
    this.#cluster = createCluster(kafkajsConfig(connection));
    this.#shared = {
      app,
      group,
      shared,
      cluster: this.#cluster,
      member: () => this.#joining!,
      letters: {
        connection,
        offsets: () => this.#offsetsHandle(),
        onTrouble: (error) => {
          this.#trouble(error);
        },
      },
    };
  }

  get assignment(): Assignment {
    return this.#assignment;
  }

  get failed(): Promise<SinkError> {
    return this.#sink.failed;
  }

  async start(): Promise<void> {
    const { connection, writers, tables } = this.#config;
    const onTrouble = (error: EngineError): void => {
      this.#trouble(error);
    };
    await this.#cluster.connect().catch((error: unknown) => {
      throw kafkaFailure('the cluster cannot be connected to', error);
    });
    const partitions = tables.reduce((sum, { stream }) => sum + stream.partitions, 0);
    const share = Math.floor((this.#config.readAheadBytes ?? readAheadBytes) / Math.max(1, partitions));
    const bytes = Math.min(mostReadAhead, Math.max(leastReadAhead, share));
    this.#reader = await KafkaReader.connect({
      kafka: kafkajsConfig(connection),
      maxWaitMs: fetchWaitMs,
      maxBufferedBytes: bytes,
      maxBytesPerPartition: bytes,
      onTrouble,
    });
    const { signal } = this.#stopping;
    const { client } = this.#config;
    const held = { connection, cluster: this.#cluster, reader: this.#reader, group: this.#group, tables };
    const incarnations = await whenAnswered(() => bindTopics({ ...held, client, signal }), signal);
    this.#incarnations = incarnations;
    await whenAnswered(() => refuseLostPositions({ ...held, incarnations, client, signal }), signal);
    this.#follower = await this.#followSchemas(this.#reader, writers, onTrouble);
    this.#joining = this.#join(onTrouble);
    await this.#joining;
  }

  #followSchemas(
    reader: KafkaReader,
    writers: WriterSchemas,
    onTrouble: (error: EngineError) => void,
  ): Promise<SchemasFollower> {
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(startMs)]);
    return retryTransient(
      () => SchemasFollower.start(reader, writers, () => undefined, onTrouble),
      schemas.topic,
      signal,
      this.#shared.shared.retry,
      () => undefined,
    );
  }

  #join(onTrouble: (error: EngineError) => void): Promise<GroupMember> {
    const { connection, tables, sessionTimeoutMs = 10_000, heartbeatMs = 500 } = this.#config;
    const owned = (): { topic: string; partition: number }[] =>
      [...this.#assignment].flatMap(([topic, partitions]) =>
        partitions.map((partition) => ({ topic, partition })),
      );
    return GroupMember.join({
      kafka: kafkajsConfig(connection),
      groupId: this.#group,
      topics: tables.map(({ stream }) => stream.topic),
      assigner: stickyAssignor({
        claims: () => ({ generation: this.#generation, owned: owned(), stored: [] }),
      }),
      sessionTimeoutMs,
      heartbeatMs,
      onAssigned: (assignment, generation) => {
        this.#assign(assignment, generation);
      },
      beforeRebalance: async () => {
        await this.#handOver(this.#config.handOverMs ?? handOverMs);
      },
      onLost: () => {
        this.#generation = -1;
        this.#assignment = new Map();
        this.#hasShare = false;
        this.#changes += 1;
        this.#drop(this.#sink.partitions);
      },
      onTrouble: (error) => {
        onTrouble(error);
        // Anything else is asked again by the member itself.
        if (error.code === 'kafka-refused' && !this.#stopping.signal.aborted)
          this.#sink.fail(new SinkError('group-refused', error.message, { cause: error }));
      },
    });
  }

  stats(): Promise<readonly TableStats[]> {
    return this.#sink.stats();
  }

  flush(): void {
    this.#sink.flush();
  }

  async drain(): Promise<void> {
    for (;;) {
      const changes = this.#changes;
      if (this.#hasShare) await this.#sink.flushAll();
      if (this.#hasShare && changes === this.#changes) break;
      await sleep(50, undefined, { signal: this.#stopping.signal });
    }
    if (this.#sink.failure !== undefined) throw this.#sink.failure;
  }

  async stop(deadlineMs: number): Promise<boolean> {
    const deadlineAtMs = performance.now() + deadlineMs;
    const leftMs = (): number => Math.max(leastCloseMs, deadlineAtMs - performance.now());
    this.#stopping.abort();
    const isKept = await this.#handOver(deadlineMs * 0.7);
    const joined = this.#joining?.catch(() => undefined);
    await within(leftMs(), joined?.then((member) => member?.leave()) ?? Promise.resolve());
    const offsets = this.#offsets?.then((handle) => handle.close(leastCloseMs));
    await within(
      leftMs(),
      Promise.allSettled([this.#follower?.stop(), offsets, this.#cluster.disconnect(), ...this.#lingering]),
    );
    await within(leastCloseMs, this.#reader?.close() ?? Promise.resolve());
    return isKept && this.#sink.failure === undefined;
  }

  #trouble(error: EngineError | SinkError): void {
    this.#config.onTrouble?.(error);
  }

  #offsetsHandle(): Promise<OffsetsHandle> {
    if (this.#offsets === undefined) {
      const opening = OffsetsHandle.open(this.#config.connection, this.#group, this.#stopping.signal);
      this.#offsets = opening;
      opening.catch(() => (this.#offsets = undefined));
    }
    return this.#offsets;
  }

  #assign(assignment: Assignment, generation: number): void {
    if (this.#stopping.signal.aborted) return;
    this.#generation = generation;
    this.#assignment = assignment;
    // None is left but after a coordinator that answered out of turn.
    this.#drop(this.#sink.partitions);
    for (const table of this.#config.tables) {
      const { topic } = table.stream;
      const shared = { ...this.#shared.shared, incarnation: this.#incarnations.get(topic) ?? '' };
      const kafka: KafkaShared = { ...this.#shared, shared, reader: this.#reader! };
      for (const partition of assignment.get(topic) ?? [])
        this.#sink.add({ table, topic, partition }, opening(kafka, this.#sink.partsOf(table), partition));
    }
    this.#hasShare = true;
    this.#changes += 1;
  }

  /** Gives all partitions back: those that are not done in time stop wherever they are. Whether all were done. */
  async #handOver(timeoutMs: number): Promise<boolean> {
    this.#hasShare = false;
    this.#changes += 1;
    const partitions = this.#sink.partitions;
    for (const partition of partitions) partition.end();
    const isDone = await within(timeoutMs, Promise.all(partitions.map(({ ended }) => ended)));
    this.#drop(partitions);
    await within(noticeMs, Promise.all(this.#lingering));
    return isDone;
  }

  /** Stops partitions at once. They do nothing more that counts, though an answer may still be on its way. */
  #drop(partitions: readonly RunningPartition[]): void {
    for (const partition of partitions) {
      partition.stop();
      const lingering = partition.ended.finally(() => this.#lingering.delete(lingering));
      this.#lingering.add(lingering);
    }
    this.#sink.remove(partitions);
  }
}

/** Resolves when `work` has ended in any way, to true, or after `timeoutMs`, to false. */
async function within(timeoutMs: number, work: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController();
  const ended = work.then(
    () => true,
    () => true,
  );
  const late = sleep(timeoutMs, false, { signal: timer.signal }).catch(() => false);
  try {
    return await Promise.race([ended, late]);
  } finally {
    timer.abort();
  }
}
