/** `weir up` from the first line on the screen to the last report. */
import { deadLetters } from '#engine/records/generated.ts';
import { commands } from '#schemas/migration/generated.ts';
import { CliError } from '../cli-error.ts';
import { writeClosing } from '../closing.ts';
import { rowCounts } from '../demo-summary.ts';
import type { CliIo } from '../io.ts';
import { startProgress, type Progress } from '../present/progress.ts';
import type { Result } from '../present/value.ts';
import { withSignals } from '../signals.ts';
import { startSources, type Sources, type SourcesConfig } from '../sources.ts';
import { throttled } from './notes.ts';
import { startRun, type KafkaRun, type RunConfig } from './run.ts';
import { findTargets, type TargetOptions, type Targets } from './targets.ts';

export interface UpConfig extends Pick<
  RunConfig,
  'processors' | 'workers' | 'stateDir' | 'parameters' | 'truncatedInputs'
> {
  readonly targets: TargetOptions;
  /** undefined: where Kafka is the local stack's. */
  readonly simulates: boolean | undefined;
  readonly sources: Omit<SourcesConfig, 'onNote' | 'simulates'>;
  readonly durationMs: number;
}

const settleMs = 60_000;
/** After Ctrl-C everything must be over within 5 s (signals.ts). */
const settleAfterSignalMs = 300;
const stopMs = 4_000;
const stopInOrderMs = 15_000;
const progressEveryMs = 500;

export async function up(io: CliIo, config: UpConfig): Promise<void> {
  await withSignals(io, async (signal) => {
    const progress = startProgress(io, 'looking for Kafka and ClickHouse');
    const print = (note: string): void => {
      progress.note(`weir: ${note}`);
    };
    const onStep = (step: string): void => {
      progress.update(step);
    };
    try {
      const targets = await findTargets(config.targets, { onStep, onNote: print, signal });
      const onNote = throttled(print, () => io.now());
      const run = await startRun({ ...config, targets, onStep, onNote });
      const startedMs = io.now();
      let isOver = false;
      try {
        await work(io, { config, targets, run, progress, startedMs, print }, signal);
        isOver = true;
      } finally {
        progress.update('stopping');
        await run.stop(signal.aborted || !isOver ? stopMs : stopInOrderMs);
      }
    } finally {
      progress.stop();
    }
  });
}

interface Running {
  readonly config: UpConfig;
  readonly targets: Targets;
  readonly run: KafkaRun;
  readonly progress: Progress;
  readonly startedMs: number;
  readonly print: (note: string) => void;
}

async function work(io: CliIo, running: Running, signal: AbortSignal): Promise<void> {
  const { config, targets, run, progress, startedMs } = running;
  const { brokers } = targets.connection;
  io.stdout.write(`Kafka: ${brokers.join(',')}\nClickHouse: ${targets.server.url}\n`);
  const rowsBefore = await rowCounts(run.client, run.tables);
  const sources = sourcesOf(running);
  const showing = setInterval(() => {
    void headline(run, config.durationMs).then((line) => {
      progress.update(line);
    });
  }, progressEveryMs);
  try {
    await Promise.race([passed(config.durationMs, signal), run.failed, sources.failed]);
  } finally {
    clearInterval(showing);
    progress.update('stopping agents and simulation');
    await sources.stop(signal);
  }
  progress.update('waiting until everything is in ClickHouse');
  const isSettled = await run.settle(signal.aborted ? settleAfterSignalMs : settleMs);
  if (isSettled) {
    progress.update('asking ClickHouse');
    const events = await tablesOf(run, rowsBefore);
    const deadLetterRow = events.rows.find(([topic]) => topic === deadLetters.topic);
    await writeClosing(io, run.client, {
      startedMs,
      events,
      deadLetters: Number(deadLetterRow?.[2] ?? 0),
      reportOptions: targets.isLocalClickHouse
        ? ` --data ${config.targets.data}`
        : ` --url ${targets.server.url}`,
    });
  }
  refuseFailures(run);
  if (!isSettled && !signal.aborted) throw notSettled(run);
}

function sourcesOf({ config, targets, run, print }: Running): Sources {
  const simulates = config.simulates ?? targets.isLocalKafka;
  return startSources(run.edge, { ...config.sources, simulates, onNote: print });
}

function refuseFailures({ workers }: KafkaRun): void {
  if (workers.failures.size === 0) return;
  throw new CliError('failure', `tasks stopped: ${[...workers.failures.keys()].join(', ')}`, {
    remedies: [...workers.failures].map(([task, { message }]) => `${task}: ${message}`),
  });
}

function notSettled({ workers }: KafkaRun): CliError {
  const behind = workers
    .status()
    .flatMap(({ tasks }) => tasks)
    .filter(({ isSettled }) => !isSettled)
    .map(({ task, phase }) => `${task} (${phase})`);
  return new CliError(
    'failure',
    `not everything was processed within ${settleMs / 1_000} s; the rest stays in Kafka for the next weir up`,
    behind.length === 0 ? {} : { remedies: [`tasks that are behind: ${behind.join(', ')}`] },
  );
}

/** Rows of this run and in all, by topic and table. */
async function tablesOf(
  { client, tables, sink }: KafkaRun,
  before: ReadonlyMap<string, number>,
): Promise<Result> {
  const now = await rowCounts(client, tables);
  const lag = new Map((await sink.stats()).map((table) => [table.table, table.lag]));
  return {
    columns: [
      { name: 'topic', kind: 'text' },
      { name: 'table', kind: 'text' },
      { name: 'rows of this run', kind: 'number' },
      { name: 'rows in all', kind: 'number' },
      { name: 'not there yet', kind: 'number' },
    ],
    rows: tables.map(({ stream, name }) => [
      stream.topic,
      name,
      (now.get(name) ?? 0) - (before.get(name) ?? 0),
      now.get(name) ?? 0,
      lag.get(name) ?? 0,
    ]),
  };
}

async function headline({ workers, sink, edge }: KafkaRun, durationMs: number): Promise<string> {
  const until = Number.isFinite(durationMs) ? `of ${Math.round(durationMs / 1_000)} s` : 'until Ctrl-C';
  const tasks = workers.status().flatMap((worker) => worker.tasks);
  const runningTasks = tasks.filter(({ phase }) => phase === 'running').length;
  let lag = 0;
  for (const task of tasks)
    for (const { position, end } of task.inputs) lag += Math.max(0, (end ?? position) - position);
  const stats = await sink.stats();
  const rows = stats.reduce((sum, table) => sum + table.rows, 0);
  const issued = stats.find(({ topic }) => topic === commands.topic)?.rows ?? 0;
  return `running ${until}: ${edge.published} events published, ${runningTasks} tasks, lag ${lag}, ${rows} rows, ${issued} commands`;
}

/** Resolves after a time (Infinity: never) or when the signal aborts. */
function passed(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = Number.isFinite(durationMs) ? setTimeout(finish, durationMs) : undefined;
    function finish(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    }
    if (signal.aborted) finish();
    else signal.addEventListener('abort', finish);
  });
}
