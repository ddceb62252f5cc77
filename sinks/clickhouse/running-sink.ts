/**
 * A sink while it runs: partitions that come and go, each at its own pace, with what they share.
 *
 * I1  A partition that fails for good stops alone; the others go on. `failed` tells.
 * I2  Memory: at most `maxBytesInFlight` for batches, plus a floor for each partition (byte-pool.ts).
 */
import { eventCodec } from '#engine/codec/event-codec.ts';
import { BytePool } from './byte-pool.ts';
import { ConcurrencyLimit } from './concurrency-limit.ts';
import { EncoderPool } from './encoder-pool.ts';
import type { SinkError } from './error.ts';
import type { Shared, TableCounters, TableParts } from './partition-wiring.ts';
import {
  noHooks,
  RunningPartition,
  type FailureHooks,
  type Open,
  type PartitionPlace,
} from './running-partition.ts';
import type { SinkLimits } from './sink-limits.ts';
import type { Table } from './tables.ts';
import { tokenMemory } from './token-memory.ts';
import { Turns } from './turns.ts';

export interface TableStats extends Readonly<TableCounters> {
  readonly table: string;
  readonly topic: string;
  /** Records in the partitions that are this sink's, but not in the table yet. */
  readonly lag: number;
}

/** What all partitions of a sink share, made from its limits. */
export function sharedBy(
  config: Omit<Shared, 'encoders' | 'turns' | 'bytes' | 'inserts' | 'retry'>,
  limits: SinkLimits,
): Shared {
  return {
    ...config,
    encoders: new EncoderPool(limits.maxBytesInFlight / 4),
    turns: new Turns(),
    bytes: new BytePool(limits.maxBytesInFlight),
    inserts: new ConcurrencyLimit(limits.maxConcurrentInserts),
    retry: limits.retry,
  };
}

export class RunningSink {
  /** Resolves with the error of the first partition that fails for good. */
  readonly failed: Promise<SinkError>;
  readonly #limits: SinkLimits;
  readonly #hooks: FailureHooks;
  readonly #tables = new Map<Table, TableParts>();
  readonly #partitions = new Set<RunningPartition>();
  #tellFailure: (error: SinkError) => void = () => undefined;
  #failure: SinkError | undefined;

  constructor(tables: readonly Table[], shared: Shared, limits: SinkLimits, hooks: FailureHooks = noHooks) {
    this.#limits = limits;
    this.#hooks = hooks;
    this.failed = new Promise((resolve) => {
      this.#tellFailure = resolve;
    });
    for (const table of tables) {
      const counters: TableCounters = { rows: 0, bytes: 0, batches: 0, retries: 0, deadLetters: 0 };
      const codec = eventCodec(table.stream, shared.writers);
      this.#tables.set(table, { table, codec, counters, memory: tokenMemory(shared.client, table) });
    }
  }

  /** The error of the first partition that failed for good. */
  get failure(): SinkError | undefined {
    return this.#failure;
  }

  get partitions(): readonly RunningPartition[] {
    return [...this.#partitions];
  }

  /** @throws RangeError for a table that the sink was not made with */
  partsOf(table: Table): TableParts {
    const parts = this.#tables.get(table);
    if (parts === undefined) throw new RangeError(`table ${table.name} is none of this sink's`);
    return parts;
  }

  /** Runs a partition, until it is ended or stopped; one that has failed stays in the sink until it is removed. */
  add(place: PartitionPlace, open: Open): RunningPartition {
    const partition = new RunningPartition(place, open, this.#limits, this.#hooks);
    this.#partitions.add(partition);
    void partition.ended.then(() => {
      if (partition.failure !== undefined) this.fail(partition.failure);
    });
    return partition;
  }

  /** Tells of a failure for good; the first one counts. */
  fail(error: SinkError): void {
    this.#failure ??= error;
    this.#tellFailure(this.#failure);
  }

  /** Forgets partitions, which the caller has ended or stopped. */
  remove(partitions: Iterable<RunningPartition>): void {
    for (const partition of partitions) this.#partitions.delete(partition);
  }

  async stats(): Promise<readonly TableStats[]> {
    const lags = new Map<Table, number>();
    const each = this.partitions.map(async (partition) => {
      const lag = await partition.lag();
      const { table } = partition.place;
      lags.set(table, (lags.get(table) ?? 0) + lag);
    });
    await Promise.all(each);
    return [...this.#tables.values()].map(({ table, counters }) => ({
      table: table.name,
      topic: table.stream.topic,
      ...counters,
      lag: lags.get(table) ?? 0,
    }));
  }

  /** Has all that is in the partitions now inserted as soon as possible. */
  flush(): void {
    for (const partition of this.#partitions) partition.hurry();
  }

  /** Resolves when every partition has what is in it now, or has ended. */
  async flushAll(): Promise<void> {
    await Promise.all(this.partitions.map((partition) => partition.flush()));
  }

  /** Stops all partitions wherever they are. */
  async stopAll(): Promise<void> {
    const partitions = this.partitions;
    for (const partition of partitions) partition.stop();
    await Promise.all(partitions.map(({ ended }) => ended));
  }
}
