/**
 * The sink over partitions that are given to it once and for all, as those of topics in memory are: every partition of every
 * topic into its table, at the same time, each at its own pace (running-sink.ts). Over Kafka: kafka/kafka-sink.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import type { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import type { LogWriter, PartitionSource } from '#engine/log/log.ts';
import type { SinkError } from './error.ts';
import { partitionPorts, writeThenCommit, type Shared } from './partition-wiring.ts';
import type { Retrying } from './retry.ts';
import { RunningSink, sharedBy, type TableStats } from './running-sink.ts';
import { DEFAULT_SINK_LIMITS, type SinkLimits } from './sink-limits.ts';
import type { Table } from './tables.ts';

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
  /** Hears what somebody has to look at although the sink goes on: `views-in-doubt`. */
  readonly onTrouble?: (error: SinkError) => void;
}

export interface ClickHouseSink {
  /** Counters of each table, and how far it is behind. */
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

/** Starts the sink. It runs until `stop`. */
export function startClickHouseSink(config: SinkConfig): ClickHouseSink {
  const limits = { ...DEFAULT_SINK_LIMITS, ...config.limits };
  const shared = sharedBy(
    {
      client: config.client,
      writers: config.writers,
      incarnation: config.incarnation,
      nowMs: config.nowMs ?? Date.now,
      onRetry: config.onRetry ?? ((): void => undefined),
      onTrouble: config.onTrouble ?? ((): void => undefined),
    },
    limits,
  );
  const tables = config.inputs.map(({ table }) => table);
  const sink = new RunningSink(tables, shared, limits);
  for (const { table, sources } of config.inputs)
    for (const source of sources) addPartition(sink, shared, table, source, config.deadLetters);
  return {
    stats: () => sink.stats(),
    flush: () => {
      sink.flush();
    },
    drain: async () => {
      await sink.flushAll();
      if (sink.failure !== undefined) throw sink.failure;
    },
    stop: (deadlineMs) => stopWithin(sink, deadlineMs),
    failed: sink.failed,
  };
}

function addPartition(
  sink: RunningSink,
  shared: Shared,
  table: Table,
  source: PartitionSource,
  deadLetters: LogWriter,
): void {
  const { topic, partition } = source;
  const ports = partitionPorts(shared, sink.partsOf(table), source, writeThenCommit(source, deadLetters));
  sink.add({ table, topic, partition }, () => Promise.resolve({ ports, close: () => Promise.resolve() }));
}

async function stopWithin(sink: RunningSink, deadlineMs: number): Promise<boolean> {
  const timer = new AbortController();
  const deadline = sleep(deadlineMs, false, { signal: timer.signal }).catch(() => false);
  try {
    const isFlushed = await Promise.race([sink.flushAll().then(() => true), deadline]);
    return isFlushed && sink.failure === undefined;
  } finally {
    timer.abort();
    await sink.stopAll();
  }
}
