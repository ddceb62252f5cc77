/**
 * Counters of a run that only grow. A task counts from 0 each time it is taken over, and moves between workers; a worker that
 * died starts anew. What was counted before stays in the sum of its processor.
 *
 * I1  No sum ever falls, whatever statuses come in whatever order of tasks.
 * I2  Memory follows the tasks that are there now: what has gone is kept as a sum.
 * I3  A new life of a task is known by a counter that fell or by the task having been away. Not by its worker's process: what a
 *     dead worker said last may still be shown under its successor's. So a status that is shown again never counts twice, and
 *     what a life counted after it was observed last is missing.
 */
import type { TaskStatus } from '#engine/kafka/driver/task-status.ts';
import type { RunStatus, SinkTableStatus } from '../kafka/run-status.ts';
import type { HistogramSample } from './exposition.ts';

/** Of commits, in seconds: from the fastest that were measured (5 ms) to the limit of a transaction (10 s and more). */
export const commitBounds = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

export const processorCounters = [
  'records',
  'outputs',
  'deadLetters',
  'late',
  'duplicates',
  'timersFired',
  'commits',
  'aborts',
] as const;
export type ProcessorCounter = (typeof processorCounters)[number];
export type Counts<K extends string> = Record<K, number>;

export const sinkCounters = ['rows', 'bytes', 'batches', 'retries', 'deadLetters'] as const;
export type SinkCounter = (typeof sinkCounters)[number];

const zero = <K extends string>(names: readonly K[]): Counts<K> =>
  Object.fromEntries(names.map((name) => [name, 0])) as Counts<K>;

/** Sums by group of counters that start again from 0 in every life of their source. */
class Sums<K extends string> {
  readonly byGroup = new Map<string, Counts<K>>();
  readonly #names: readonly K[];
  #last = new Map<string, Counts<K>>();
  #now = new Map<string, Counts<K>>();

  constructor(names: readonly K[]) {
    this.#names = names;
  }

  /** Adds what `source` has counted since the last round. Returns what it had counted then; undefined in a new life. */
  add(group: string, source: string, counts: Readonly<Counts<K>>): Counts<K> | undefined {
    let sums = this.byGroup.get(group);
    if (sums === undefined) this.byGroup.set(group, (sums = zero(this.#names)));
    let last = this.#last.get(source);
    if (last !== undefined && this.#names.some((name) => counts[name] < last![name])) last = undefined;
    const now = zero(this.#names);
    for (const name of this.#names) {
      now[name] = counts[name];
      sums[name] += counts[name] - (last?.[name] ?? 0);
    }
    this.#now.set(source, now);
    return last;
  }

  /** Sources that were not added since the last call are forgotten (I2). */
  endRound(): void {
    this.#last = this.#now;
    this.#now = new Map();
  }
}

function countsOf({ counters, commits, aborts }: TaskStatus): Counts<ProcessorCounter> {
  const { records, outputs, deadLetters, late, duplicates, timersFired } = counters;
  return { records, outputs, deadLetters, late, duplicates, timersFired, commits, aborts };
}

export class RunTotals {
  readonly #processors = new Sums(processorCounters);
  readonly #tables = new Sums(sinkCounters);
  readonly #commitTimes = new Map<string, { readonly buckets: number[]; sum: number }>();

  /** Takes in how things are. Every 500 ms or so: each status has the newest 100 commit times of a task. */
  observe(status: RunStatus): void {
    for (const { worker, tasks } of status.workers)
      for (const task of tasks) this.#observeTask(`${worker}/${task.task}`, task);
    this.#processors.endRound();
    for (const table of status.sink) this.#tables.add(table.table, table.table, tableCounts(table));
    this.#tables.endRound();
  }

  /** By processor. */
  get processors(): ReadonlyMap<string, Readonly<Counts<ProcessorCounter>>> {
    return this.#processors.byGroup;
  }

  /** By table. */
  get tables(): ReadonlyMap<string, Readonly<Counts<SinkCounter>>> {
    return this.#tables.byGroup;
  }

  /** One for each processor, in seconds, within `commitBounds`. */
  get commitTimes(): readonly HistogramSample[] {
    return [...this.#commitTimes].map(([processor, { buckets, sum }]) => ({
      labels: { processor },
      buckets,
      sum,
    }));
  }

  #observeTask(source: string, task: TaskStatus): void {
    const counts = countsOf(task);
    const last = this.#processors.add(task.processor, source, counts);
    let times = this.#commitTimes.get(task.processor);
    if (times === undefined)
      this.#commitTimes.set(
        task.processor,
        (times = { buckets: commitBounds.map(() => 0).concat(0), sum: 0 }),
      );
    const fresh = counts.commits - (last?.commits ?? 0);
    const { commitMs } = task;
    for (let i = Math.max(0, commitMs.length - fresh); i < commitMs.length; i += 1) {
      const seconds = commitMs[i]! / 1_000;
      const bucket = commitBounds.findIndex((bound) => seconds <= bound);
      times.buckets[bucket < 0 ? commitBounds.length : bucket]! += 1;
      times.sum += seconds;
    }
  }
}

function tableCounts({ rows, bytes, batches, retries, deadLetters }: SinkTableStatus): Counts<SinkCounter> {
  return { rows, bytes, batches, retries, deadLetters };
}
