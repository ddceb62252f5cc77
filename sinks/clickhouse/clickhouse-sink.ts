/**
 * The sink: every partition of every topic into its table, at the same time, each at its own pace.
 *
 * I1  A partition that fails for good stops alone; the others go on. `failed` tells.
 * I2  Memory: at most `maxBytes` for batches, plus a floor for each partition (byte-pool.ts).
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { eventCodec } from '#engine/codec/event-codec.ts';
import type { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import type { LogWriter, PartitionSource } from '#engine/log/log.ts';
import { BytePool } from './byte-pool.ts';
import { ConcurrencyLimit } from './concurrency-limit.ts';
import { EncoderPool } from './encoder-pool.ts';
import { reasonOf, SinkError } from './error.ts';
import type { PartitionLimits } from './partition-ports.ts';
import { partitionPorts, type Shared, type TableCounters } from './partition-wiring.ts';
import { PartitionSink } from './partition-sink.ts';
import { DEFAULT_RETRY, type Retrying, type RetryConfig } from './retry.ts';
import type { Table } from './tables.ts';

export interface SinkLimits extends PartitionLimits {
  /** Bytes of all batches together: columns being filled and blocks on their way. */
  readonly maxBytesInFlight: number;
  readonly maxConcurrentInserts: number;
  readonly retry: RetryConfig;
}

export const DEFAULT_SINK_LIMITS: SinkLimits = {
  maxRows: 50_000,
  maxBytes: 8 * 1024 * 1024,
  flushIntervalMs: 1_000,
  schemaWaitMs: 10_000,
  maxBytesInFlight: 64 * 1024 * 1024,
  maxConcurrentInserts: 4,
  retry: DEFAULT_RETRY,
};

/** A topic and the table it goes to, partition by partition. */
export interface SinkInput {
  readonly table: Table;
  readonly sources: readonly PartitionSource[];
}

export interface SinkConfig {
  readonly client: ClickHouseClient;
  /** Tables must be prepared (prepare-tables.ts). */
  readonly inputs: readonly SinkInput[];
  readonly writers: WriterSchemas;
  /**
   * Tells this log from others that give the same offsets: lower-case hexadecimal digits, new at each start of a log in
   * memory; '' for a log that outlives its processes.
   */
  readonly incarnation: string;
  /** Where dead letters go. Must not wait for room that only this sink can make. */
  readonly deadLetters: LogWriter;
  readonly limits?: Partial<SinkLimits>;
  /** Wall clock, for the time on dead letters. Default Date.now. */
  readonly nowMs?: () => number;
  readonly onRetry?: (retrying: Retrying) => void;
}

export interface TableStats extends Readonly<TableCounters> {
  readonly table: string;
  readonly topic: string;
  /** Records in the topic that are not in the table yet. */
  readonly lag: number;
}

export interface ClickHouseSink {
  stats(): Promise<readonly TableStats[]>;
  /** Has all that is in the topics now inserted as soon as possible, without waiting for full batches. Returns at once. */
  flush(): void;
  /** Inserts all that is in the topics now. Rejects afterwards with the error of the first partition that failed. */
  drain(): Promise<void>;
  /**
   * Drains, but stops after `deadlineMs` wherever it is: what is then promised is inserted at the next start.
   * Resolves to true when everything was in.
   */
  stop(deadlineMs: number): Promise<boolean>;
  /** Resolves with the error of the first partition that fails for good. */
  readonly failed: Promise<SinkError>;
}

interface Running {
  readonly table: Table;
  readonly source: PartitionSource;
  readonly sink: PartitionSink;
  /** Of its own: whatever a partition waits for listens to it, and listeners must not grow with the partitions. */
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** Starts the sink. It runs until `stop`. */
export function startClickHouseSink(config: SinkConfig): ClickHouseSink {
  const limits = { ...DEFAULT_SINK_LIMITS, ...config.limits };
  const shared: Shared = {
    client: config.client,
    deadLetters: config.deadLetters,
    writers: config.writers,
    incarnation: config.incarnation,
    encoders: new EncoderPool(limits.maxBytesInFlight / 4),
    bytes: new BytePool(limits.maxBytesInFlight),
    inserts: new ConcurrencyLimit(limits.maxConcurrentInserts),
    retry: limits.retry,
    nowMs: config.nowMs ?? Date.now,
    onRetry: config.onRetry ?? ((): void => undefined),
  };
  return new RunningSink(config.inputs, shared, limits);
}

class RunningSink implements ClickHouseSink {
  readonly failed: Promise<SinkError>;
  readonly #running: Running[] = [];
  readonly #counters = new Map<Table, TableCounters>();
  #fail: (error: SinkError) => void = () => undefined;
  #failure: SinkError | undefined;

  constructor(inputs: readonly SinkInput[], shared: Shared, limits: SinkLimits) {
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
    for (const { table, sources } of inputs) {
      const counters: TableCounters = { rows: 0, bytes: 0, batches: 0, retries: 0, deadLetters: 0 };
      this.#counters.set(table, counters);
      const codec = eventCodec(table.stream, shared.writers);
      for (const source of sources) {
        const sink = new PartitionSink(partitionPorts(shared, table, source, codec, counters), limits);
        const stop = new AbortController();
        this.#running.push({ table, source, sink, stop, ended: this.#run(table, source, sink, stop.signal) });
      }
    }
  }

  async stats(): Promise<readonly TableStats[]> {
    const lags = new Map<Table, number>();
    for (const { table, source, sink } of this.#running) {
      lags.set(table, (lags.get(table) ?? 0) + Math.max(0, (await source.endOffset()) - sink.position));
    }
    return [...this.#counters].map(([table, counters]) => ({
      table: table.name,
      topic: table.stream.topic,
      ...counters,
      lag: lags.get(table) ?? 0,
    }));
  }

  flush(): void {
    for (const { source, sink } of this.#running) void flushNow(source, sink);
  }

  async drain(): Promise<void> {
    await this.#flushAll();
    if (this.#failure !== undefined) throw this.#failure;
  }

  async stop(deadlineMs: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<false>((resolve) => {
      timer = setTimeout(() => {
        resolve(false);
      }, deadlineMs);
    });
    try {
      const isFlushed = await Promise.race([this.#flushAll().then(() => true), deadline]);
      return isFlushed && this.#failure === undefined;
    } finally {
      clearTimeout(timer);
      for (const { stop } of this.#running) stop.abort();
      await Promise.all(this.#running.map(({ ended }) => ended));
    }
  }

  /** Resolves when every partition has what its topic holds now, or has failed. */
  async #flushAll(): Promise<void> {
    await Promise.all(
      this.#running.map(async ({ source, sink, ended }) => {
        await Promise.race([sink.flushTo(await source.endOffset()), ended]);
      }),
    );
  }

  async #run(table: Table, source: PartitionSource, sink: PartitionSink, stop: AbortSignal): Promise<void> {
    try {
      await sink.run(stop);
    } catch (error) {
      const failure =
        error instanceof SinkError
          ? error
          : new SinkError(
              'clickhouse-permanent',
              `table ${table.name}, ${source.topic}/${source.partition}: ${reasonOf(error)}`,
              { cause: error },
            );
      this.#failure ??= failure;
      this.#fail(this.#failure);
    }
  }
}

async function flushNow(source: PartitionSource, sink: PartitionSink): Promise<void> {
  sink.hurryTo(await source.endOffset());
}
