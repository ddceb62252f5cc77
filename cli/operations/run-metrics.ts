/**
 * The metrics of a run on Kafka. docs/metrics.md lists them; names follow https://prometheus.io/docs/practices/naming/: base
 * units, `_total` for counters.
 *
 * I1  Labels are names of the topology, partitions and numbers of workers: how many series there are follows from the topology.
 *     No key, offset, error text or host is a label.
 * I2  A task that two workers claim (one of them frozen, its tasks given away) is told once: by the worker that committed it last.
 */
import type { TaskPhase, TaskStatus } from '#engine/kafka/driver/task-status.ts';
import type { RunStatus, WorkerStatus } from '../kafka/run-status.ts';
import type { Family, Labels, Sample } from './exposition.ts';
import { commitBounds, type ProcessorCounter, type RunTotals, type SinkCounter } from './run-totals.ts';

export interface ExpectedTasks {
  readonly processor: string;
  readonly tasks: number;
}

const phases: readonly TaskPhase[] = ['taking-over', 'restoring', 'running', 'closed', 'failed'];

const processorFamilies: Readonly<Record<ProcessorCounter, readonly [name: string, help: string]>> = {
  records: [
    'weir_records_processed_total',
    'Records given to the processor, those done again after an abort included.',
  ],
  outputs: ['weir_outputs_total', 'Records that the processor gave out.'],
  deadLetters: [
    'weir_dead_letters_total',
    'Records that the processor could not take and put among the dead letters.',
  ],
  late: ['weir_late_records_total', 'Records older than the watermark allows.'],
  duplicates: ['weir_duplicate_records_total', 'Records dropped because their id was there before.'],
  timersFired: ['weir_timers_fired_total', 'Timers that fired.'],
  commits: ['weir_commits_total', 'Transactions committed.'],
  aborts: ['weir_commit_aborts_total', 'Transactions aborted and done again.'],
};

const sinkFamilies: Readonly<Record<SinkCounter, readonly [name: string, help: string]>> = {
  rows: ['weir_sink_rows_total', 'Rows inserted.'],
  bytes: ['weir_sink_bytes_total', 'Bytes of the rows inserted, as sent to ClickHouse.'],
  batches: ['weir_sink_batches_total', 'Batches inserted.'],
  retries: ['weir_sink_retries_total', 'Requests repeated after a failure that may pass.'],
  deadLetters: [
    'weir_sink_dead_letters_total',
    'Records that no row could be made of, put among the dead letters.',
  ],
};

function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, help, type: 'gauge', samples };
}

function counters<K extends string>(
  families: Readonly<Record<K, readonly [name: string, help: string]>>,
  label: string,
  sums: ReadonlyMap<string, Readonly<Record<K, number>>>,
): Family[] {
  return (Object.keys(families) as K[]).map((counter) => ({
    name: families[counter][0],
    help: families[counter][1],
    type: 'counter',
    samples: [...sums].map(([value, counts]) => ({ labels: { [label]: value }, value: counts[counter] })),
  }));
}

/** Every task once (I2). */
function tasksOf(workers: readonly WorkerStatus[]): readonly TaskStatus[] {
  const tasks = new Map<string, TaskStatus>();
  for (const worker of workers) {
    for (const task of worker.tasks) {
      const other = tasks.get(task.task);
      const isNewer = other === undefined || rank(task) > rank(other);
      if (isNewer) tasks.set(task.task, task);
    }
  }
  return [...tasks.values()];
}

const rank = (task: TaskStatus): number => task.lastCommitAtMs + (task.phase === 'running' ? 0.5 : 0);

const placeOf = ({ processor, partition }: TaskStatus): Labels => ({ processor, partition });

/** Of each task, what `value` gives; nothing where that is no finite number. */
function ofTasks(tasks: readonly TaskStatus[], value: (task: TaskStatus) => number): Sample[] {
  return tasks
    .map((task) => ({ labels: placeOf(task), value: value(task) }))
    .filter((sample) => Number.isFinite(sample.value));
}

/** A partition of a broadcast table is an input of every task: it is told once, as it is for the task that is furthest behind. */
function lagFamilies(tasks: readonly TaskStatus[]): Family[] {
  const inputs = new Map<string, { readonly processor: string; readonly sample: Sample }>();
  for (const { processor, isSettled, inputs: each } of tasks)
    for (const { topic, partition, position, end } of each) {
      if (end === undefined) continue;
      const value = isSettled ? 0 : Math.max(0, end - position);
      const place = `${processor} ${topic} ${partition}`;
      const other = inputs.get(place);
      if (other === undefined)
        inputs.set(place, { processor, sample: { labels: { processor, topic, partition }, value } });
      else if (value > other.sample.value)
        inputs.set(place, { processor, sample: { ...other.sample, value } });
    }
  const sums = new Map<string, number>();
  for (const { processor, sample } of inputs.values())
    sums.set(processor, (sums.get(processor) ?? 0) + sample.value);
  const byProcessor = [...sums].map(([processor, value]) => ({ labels: { processor }, value }));
  return [
    gauge(
      'weir_input_lag_records',
      'Offsets between what is processed and the end of what is committed.',
      [...inputs.values()].map(({ sample }) => sample),
    ),
    gauge(
      'weir_processor_lag_records',
      'weir_input_lag_records of all input partitions of the tasks that run here.',
      byProcessor,
    ),
  ];
}

function phaseFamilies(tasks: readonly TaskStatus[], expected: readonly ExpectedTasks[]): Family[] {
  const counts = new Map<string, Map<TaskPhase, number>>(
    expected.map(({ processor }) => [processor, new Map()]),
  );
  for (const { processor, phase } of tasks) {
    const phasesOf = counts.get(processor) ?? new Map<TaskPhase, number>();
    counts.set(processor, phasesOf.set(phase, (phasesOf.get(phase) ?? 0) + 1));
  }
  const samples = [...counts].flatMap(([processor, each]) =>
    phases.map((phase) => ({ labels: { processor, phase }, value: each.get(phase) ?? 0 })),
  );
  const wanted = expected.map(({ processor, tasks: value }) => ({ labels: { processor }, value }));
  return [
    gauge('weir_tasks', 'Tasks of this run, by phase.', samples),
    gauge('weir_tasks_expected', 'Tasks that the processor has in all, here and on other hosts.', wanted),
  ];
}

function taskFamilies(tasks: readonly TaskStatus[], nowMs: number): Family[] {
  const delay = ({ watermarkMs }: TaskStatus): number => Math.max(0, nowMs - watermarkMs) / 1_000;
  // Over the structured clone of IPC -Infinity arrives as it is, over JSON as null.
  const hasWatermark = ({ watermarkMs }: TaskStatus): boolean => Number.isFinite(watermarkMs);
  const committed = tasks.filter(({ lastCommitAtMs }) => lastCommitAtMs > 0);
  return [
    gauge(
      'weir_watermark_delay_seconds',
      'How far the watermark is behind the wall clock.',
      ofTasks(tasks.filter(hasWatermark), delay),
    ),
    gauge(
      'weir_state_keys',
      'Keys that the task has state of.',
      ofTasks(tasks, ({ keys }) => keys),
    ),
    gauge(
      'weir_last_commit_timestamp_seconds',
      'When the task committed last.',
      ofTasks(committed, ({ lastCommitAtMs }) => lastCommitAtMs / 1_000),
    ),
    gauge(
      'weir_restore_done_offsets',
      'Offsets of the changelog that were read when the task was taken over last.',
      ofTasks(tasks, ({ restored }) => restored),
    ),
    gauge(
      'weir_restore_goal_offsets',
      'Offsets of the changelog to be read when the task was taken over last.',
      ofTasks(tasks, ({ toRestore }) => toRestore),
    ),
  ];
}

function workerFamilies(workers: readonly WorkerStatus[]): Family[] {
  const of = (value: (worker: WorkerStatus) => number): Sample[] =>
    workers.map((worker) => ({ labels: { worker: worker.worker }, value: value(worker) }));
  return [
    gauge(
      'weir_worker_up',
      '1 while the process of the worker runs.',
      of(({ pid }) => Number(pid !== undefined)),
    ),
    gauge(
      'weir_worker_ready',
      '1 while the worker has its tasks and all of them run.',
      of(({ isReady }) => Number(isReady)),
    ),
    {
      name: 'weir_worker_restarts_total',
      help: 'Processes of the worker that ended and were replaced.',
      type: 'counter',
      samples: of(({ restarts }) => restarts),
    },
    gauge(
      'weir_worker_loop_stall_seconds',
      'For how long the loop of the worker has not turned.',
      of(({ stalledMs }) => stalledMs / 1_000).filter(({ value }) => Number.isFinite(value)),
    ),
  ];
}

/** All that a status tells. */
export function runFamilies(
  status: RunStatus,
  totals: RunTotals,
  expected: readonly ExpectedTasks[],
  nowMs: number,
): readonly Family[] {
  const tasks = tasksOf(status.workers);
  const lags = status.sink.map(({ table, lag }) => ({ labels: { table }, value: lag }));
  return [
    gauge('weir_run_start_time_seconds', 'When the run began.', [
      { labels: {}, value: status.startedAtMs / 1_000 },
    ]),
    ...counters(processorFamilies, 'processor', totals.processors),
    {
      name: 'weir_commit_duration_seconds',
      help: 'How long transactions took, of the newest 100 of each task in every half second.',
      type: 'histogram',
      bounds: commitBounds,
      samples: totals.commitTimes,
    },
    ...lagFamilies(tasks),
    ...phaseFamilies(tasks, expected),
    ...taskFamilies(tasks, nowMs),
    ...workerFamilies(status.workers),
    ...counters(sinkFamilies, 'table', totals.tables),
    gauge('weir_sink_lag_records', 'Committed records that are not in the table yet.', lags),
  ];
}
