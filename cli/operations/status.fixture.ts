/** Statuses of runs that do not exist, for tests of what is told of them. */
import type { TaskStatus } from '#engine/kafka/driver/task-status.ts';
import type { RunStatus, SinkTableStatus, WorkerStatus } from '../kafka/run-status.ts';

const noCounts = { records: 0, deadLetters: 0, late: 0, duplicates: 0, timersFired: 0, outputs: 0 };

type TaskParts = Partial<Omit<TaskStatus, 'counters'>> & {
  readonly counters?: Partial<TaskStatus['counters']>;
};

export function taskStatus({ counters = {}, ...parts }: TaskParts = {}): TaskStatus {
  const { processor = 'p', partition = 0 } = parts;
  return {
    task: `${processor}-${partition}`,
    processor,
    partition,
    phase: 'running',
    restored: 0,
    toRestore: 0,
    watermarkMs: -Infinity,
    keys: 0,
    commits: 0,
    aborts: 0,
    commitMs: [],
    lastCommitAtMs: 0,
    inputs: [],
    isSettled: false,
    ...parts,
    counters: { ...noCounts, ...counters },
  };
}

export function workerStatus(parts: Partial<WorkerStatus> = {}): WorkerStatus {
  return { worker: 0, pid: 100, restarts: 0, isReady: true, stalledMs: 3, tasks: [], ...parts };
}

export function tableStatus(parts: Partial<SinkTableStatus> = {}): SinkTableStatus {
  const counts = { rows: 0, bytes: 0, batches: 0, retries: 0, deadLetters: 0, lag: 0 };
  return { table: 't', topic: 'a.t', ...counts, ...parts };
}

export function runStatus(
  workers: readonly WorkerStatus[],
  sink: readonly SinkTableStatus[] = [],
): RunStatus {
  return { startedAtMs: 1_000, workers, sink };
}
