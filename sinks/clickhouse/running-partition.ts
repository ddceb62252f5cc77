/**
 * One partition of a running sink: opened, run, opened again when it failed for a reason that may pass.
 *
 * I1  What is opened is closed, before it is opened again and at the end.
 * I2  A failure counts only once it is confirmed that the partition is still this sink's: one that has lost it without knowing
 *     may find anything, as its successor is at work.
 * I3  `ended` resolves in any case; `failure` says whether it was for good.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '#engine/engine-error.ts';
import type { PartitionSource } from '#engine/log/log.ts';
import { SinkError } from './error.ts';
import { describeFailure } from './insert-error.ts';
import type { PartitionLimits, PartitionPorts } from './partition-ports.ts';
import { PartitionSink } from './partition-sink.ts';
import type { Table } from './tables.ts';

/** A partition that could not be gone on with is tried again after so long. */
const REOPEN_MS = 500;

export interface OpenPartition {
  readonly ports: PartitionPorts;
  /** Ends what was opened for the partition. It must not reject. */
  readonly close: () => Promise<void>;
}

/** Makes a partition ready to be run; called again after a failure that may pass. `stop` ends waiting, by a rejection. */
export type Open = (stop: AbortSignal) => Promise<OpenPartition>;

export interface PartitionPlace {
  readonly table: Table;
  readonly topic: string;
  readonly partition: number;
}

/** What is done about failures. */
export interface FailureHooks {
  /** Hears of failures that may pass. */
  readonly onReopen: (place: PartitionPlace, error: unknown) => void;
  /** Resolves when the partition was certainly this sink's after the call, or when `stop` aborts. It must not reject. */
  readonly confirm: (stop: AbortSignal) => Promise<void>;
}

/** For partitions that nobody else takes. */
export const noHooks: FailureHooks = { onReopen: () => undefined, confirm: () => Promise.resolve() };

/** One opening: until it fails. */
interface Life {
  readonly source: PartitionSource;
  readonly sink: PartitionSink;
  /** Resolves when it is over. */
  readonly over: Promise<void>;
}

export class RunningPartition {
  readonly place: PartitionPlace;
  readonly ended: Promise<void>;
  readonly #open: Open;
  readonly #limits: PartitionLimits;
  readonly #hooks: FailureHooks;
  /** Of its own: whatever a partition waits for listens to it, and listeners must not grow with the partitions. */
  readonly #stop = new AbortController();
  #isEnding = false;
  #life: Life | undefined;
  #lives: ((life: Life) => void)[] = [];
  #failure: SinkError | undefined;

  /** Starts at once. */
  constructor(place: PartitionPlace, open: Open, limits: PartitionLimits, hooks: FailureHooks) {
    this.place = place;
    this.#open = open;
    this.#limits = limits;
    this.#hooks = hooks;
    this.ended = this.#run();
  }

  /** Why it ended for good; undefined while it runs and when it was stopped. */
  get failure(): SinkError | undefined {
    return this.#failure;
  }

  /** Records of the partition that are not in the table yet. 0 while it is being opened: nothing is known then. */
  async lag(): Promise<number> {
    if (this.#life === undefined) return 0;
    const { source, sink } = this.#life;
    const end = await source.endOffset();
    return Math.max(0, end - (source.nextOffset?.(sink.position) ?? sink.position));
  }

  /** Has what is there now inserted as soon as possible. */
  hurry(): void {
    const life = this.#life;
    if (life === undefined) return;
    const hurryTo = async (): Promise<void> => {
      life.sink.hurryTo(await life.source.endOffset());
    };
    // Who is not reached now is asked again with the next fetch, and batches are due by time anyway.
    hurryTo().catch(() => undefined);
  }

  /** Resolves when all that is there now is in, or when the partition has ended. Rejects when its end cannot be learnt. */
  async flush(): Promise<void> {
    let end: number | undefined;
    for (;;) {
      const life = await Promise.race([this.#nextLife(), this.ended]);
      if (life === undefined) return;
      end ??= await life.source.endOffset();
      const isIn = await Promise.race([
        life.sink.flushTo(end).then(() => true),
        life.over.then(() => false),
        this.ended.then(() => true),
      ]);
      if (isIn) return;
    }
  }

  /** Keeps what is promised and ends. */
  end(): void {
    this.#isEnding = true;
    this.#life?.sink.end();
  }

  /** Ends wherever it is. */
  stop(): void {
    this.#stop.abort();
  }

  #nextLife(): Promise<Life> {
    if (this.#life !== undefined) return Promise.resolve(this.#life);
    return new Promise((resolve) => this.#lives.push(resolve));
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!this.#isOver()) {
      try {
        await this.#live(signal);
        return;
      } catch (error) {
        if (!(await this.#mayGoOn(error))) return;
        if (!this.#isOver()) await sleep(REOPEN_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** False when it is over: stopped, or failed for good. */
  async #mayGoOn(error: unknown): Promise<boolean> {
    const { signal } = this.#stop;
    if (!mayPass(error)) await this.#hooks.confirm(signal);
    if (signal.aborted) return false;
    if (mayPass(error)) {
      this.#hooks.onReopen(this.place, error);
      return true;
    }
    this.#failure = this.#asFailure(error);
    return false;
  }

  #isOver(): boolean {
    return this.#isEnding || this.#stop.signal.aborted;
  }

  async #live(signal: AbortSignal): Promise<void> {
    const { ports, close } = await this.#open(signal);
    let finish = (): void => undefined;
    const over = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const life = { source: ports.source, sink: new PartitionSink(ports, this.#limits), over };
    this.#life = life;
    for (const resolve of this.#lives.splice(0)) resolve(life);
    try {
      if (this.#isEnding) life.sink.end();
      await life.sink.run(signal);
    } finally {
      this.#life = undefined;
      finish();
      await close();
    }
  }

  #asFailure(error: unknown): SinkError {
    if (error instanceof SinkError) return error;
    const { table, topic, partition } = this.place;
    return describeFailure(
      error,
      'permanent',
      `table ${table.database}.${table.name}, ${topic}/${partition}`,
    );
  }
}

/** Whether the partition may go on when it is opened again: there it learns anew what is committed. */
function mayPass(error: unknown): boolean {
  return error instanceof EngineError && (error.retryable || error.code === 'fenced');
}
