/** What a run on Kafka is doing, as plain data: for the screen, metrics and health checks. */
import type { TaskStatus } from '#engine/kafka/driver/task-status.ts';

export interface WorkerStatus {
  /** From 0 on. */
  readonly worker: number;
  /** Of its process; undefined while it is started again. */
  readonly pid: number | undefined;
  /** Since the run began. */
  readonly restarts: number;
  /** Whether its group has given it its tasks and all of them run. */
  readonly isReady: boolean;
  /** How long its loop had not turned when it said so last; with the time since then. */
  readonly stalledMs: number;
  /** As it said last. */
  readonly tasks: readonly TaskStatus[];
}

/** One table of the sink, as of now. */
export interface SinkTableStatus {
  readonly table: string;
  readonly topic: string;
  readonly rows: number;
  readonly bytes: number;
  readonly batches: number;
  readonly retries: number;
  readonly deadLetters: number;
  /** Committed records that are not in the table yet. */
  readonly lag: number;
}

export interface RunStatus {
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  readonly workers: readonly WorkerStatus[];
  /** Empty without a sink in this process. */
  readonly sink: readonly SinkTableStatus[];
}
