/** What a worker process (worker.ts) is started with and what it prints: one line of JSON for each message. */
import type { TaskPhase } from '#engine/kafka/driver/task-status.ts';

/** What a commit calls librdkafka for, in this order. */
export const commitCalls = ['beginTransaction', 'sendOffsetsToTransaction', 'commitTransaction'] as const;
export type CommitCall = (typeof commitCalls)[number];

/** Has the worker stop itself (SIGSTOP) within its next commit: before another call of it each time. SIGCONT thaws it. */
export const freezingSignal = 'SIGUSR2';

/** The worker's only argument, as JSON. */
export interface WorkerConfig {
  /** `host:port`, separated by commas. */
  readonly bootstrapServers: string;
  /** Name of the app. */
  readonly app: string;
  /** Which app it is: foldingApp by default, or countingApp. */
  readonly kind?: 'folding' | 'counting';
  readonly partitions: number;
  /** For local checkpoints; none without it. */
  readonly stateDir?: string;
  readonly commitIntervalMs?: number;
  readonly sessionTimeoutMs?: number;
  readonly schemaWaitMs?: number;
  readonly truncatedInputs?: 'stop' | 'skip';
  /** Whether it tells of each commit as it begins. */
  readonly tellCommits?: boolean;
}

export interface TaskLine {
  readonly task: string;
  readonly phase: TaskPhase;
  readonly restored: number;
  readonly toRestore: number;
  readonly commits: number;
  readonly records: number;
  /** How long the last commit took; 0 before the first. */
  readonly commitMs: number;
}

export type WorkerMessage =
  /** Whenever something of it has changed; looked at every few milliseconds. */
  | {
      readonly kind: 'status';
      readonly atMs: number;
      readonly ready: boolean;
      readonly tasks: readonly TaskLine[];
    }
  /** A task begins a transaction now. */
  | { readonly kind: 'commit' }
  /** It freezes itself: see freezingSignal. */
  | { readonly kind: 'frozen'; readonly before: CommitCall }
  /** What became of the commit in which it was frozen: `committed`, or the code of the error. */
  | { readonly kind: 'outcome'; readonly outcome: string }
  | { readonly kind: 'trouble'; readonly task: string; readonly code: string; readonly message: string }
  /** A task has failed for good. */
  | { readonly kind: 'failed'; readonly task: string; readonly message: string }
  | { readonly kind: 'stopped'; readonly inOrder: boolean };
