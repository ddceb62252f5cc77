/** What a task on Kafka is doing: for metrics, health and the screen. */
import type { TaskCounters } from '../../task/task-io.ts';

export type TaskPhase = 'taking-over' | 'restoring' | 'running' | 'closed' | 'failed';

export interface InputStatus {
  readonly topic: string;
  readonly partition: number;
  /** Offset of the next record to be processed. */
  readonly position: number;
  /** End of what is committed in the partition, as the broker said last; undefined before its first answer. */
  readonly end: number | undefined;
  /** For how long no broker has answered for it, in milliseconds; 0 while nothing is asked of them. */
  readonly unansweredMs: number;
}

export interface TaskStatus {
  /** `<processor>-<partition>` */
  readonly task: string;
  readonly processor: string;
  readonly partition: number;
  readonly phase: TaskPhase;
  /** Offsets of the changelog read in this take-over, and to be read in all. */
  readonly restored: number;
  readonly toRestore: number;
  /** Since the task was taken over. */
  readonly counters: Readonly<TaskCounters>;
  /** Milliseconds since the epoch; -Infinity before the first event. */
  readonly watermarkMs: number;
  readonly keys: number;
  readonly commits: number;
  /** Transactions that were aborted and done again. */
  readonly aborts: number;
  /** How long the newest commits took, newest last, at most 100. */
  readonly commitMs: readonly number[];
  /** Milliseconds since the epoch; 0 before the first. */
  readonly lastCommitAtMs: number;
  readonly inputs: readonly InputStatus[];
  /** Everything that its inputs hold is processed and committed. */
  readonly isSettled: boolean;
  /** Why it failed. */
  readonly error?: unknown;
}
