/**
 * `weir up` from the first line on the screen to the last report.
 *
 * I1  From Ctrl-C to the end it takes less than 5 s (signals.ts), whatever does not answer; what is not done by then is done by
 *     the next run.
 * I2  Nothing is printed as done that is not: reports come only when all that is in the topics was processed and inserted.
 */
import { deadLetters } from '#engine/records/generated.ts';
import { systemClock } from '#engine/log/clock.ts';
import { CliError } from '../cli-error.ts';
import { writeClosing } from '../closing.ts';
import { rowCounts } from '../demo-summary.ts';
import { exitCodes } from '../exit-code.ts';
import type { CliIo } from '../io.ts';
import type { LogEntry } from '../operations/logger.ts';
import type { OperationsSettings } from '../operations/operations-options.ts';
import type { Progress } from '../present/progress.ts';
import { withSignals } from '../signals.ts';
import { startSources, type Sources, type SourcesConfig } from '../sources.ts';
import type { ConfigFile } from './config-file.ts';
import { startRunIngest, type IngestSettings, type RunIngest } from './ingest.ts';
import type { Notes } from './notes.ts';
import { startRunOperations, type RunOperations } from './operations.ts';
import { startRun, type KafkaRun, type RunConfig } from './run.ts';
import { eventsAndRows, showHeadline, startScreen } from './screen.ts';
import { claimState } from './state-claim.ts';
import { findTargets, type TargetOptions, type Targets } from './targets.ts';
import { passed } from '../passed.ts';
import { shownAddress } from '../reach-clickhouse.ts';

export interface UpConfig extends Pick<
  RunConfig,
  'processors' | 'workers' | 'stateDir' | 'parameters' | 'truncatedInputs' | 'acceptedEmptyTables'
> {
  readonly file: ConfigFile;
  readonly targets: TargetOptions;
  /** undefined: where Kafka is the local stack's. */
  readonly simulates: boolean | undefined;
  readonly sources: Omit<SourcesConfig, 'onNote' | 'simulates' | 'firstEpoch'>;
  /** Events over HTTP; undefined without them. */
  readonly ingest: IngestSettings | undefined;
  readonly operations: OperationsSettings;
  readonly durationMs: number;
}

const settleMs = 60_000;
/** After Ctrl-C: agents that wait for brokers, what is nearly done, and all the rest; less than 5 s together. */
const sourcesAfterSignalMs = 600;
const settleAfterSignalMs = 300;
const startAfterSignalMs = 2_500;
const stopMs = 3_500;
const stopInOrderMs = 15_000;
/** What was begun and interrupted may wait for brokers much longer. */
const lingerMs = 1_000;

export async function up(io: CliIo, config: UpConfig): Promise<void> {
  const claim = await claimState(config.stateDir);
  try {
    await withSignals(io, (signal) => upUntil(io, config, signal));
  } finally {
    await claim.release();
  }
}

async function upUntil(io: CliIo, config: UpConfig, signal: AbortSignal): Promise<void> {
  const screen = startScreen(io, config.operations);
  const { progress, log, notes } = screen;
  const onStep = (step: string): void => {
    progress.update(step);
  };
  let operations: RunOperations | undefined;
  try {
    const onNote = (message: string): void => {
      log({ level: 'info', component: 'up', message });
    };
    const targets = await findTargets(config.targets, { onStep, onNote, signal }, config.file);
    operations = await startRunOperations(config, targets, log);
    if (operations !== undefined) io.stdout.write(`metrics: ${operations.url}/metrics\n`);
    const starting = startRun({ ...config, targets, onStep, notes, signal });
    const run = await orInterrupted(starting, signal);
    operations?.begin(run);
    const startedMs = io.now();
    let isOver = false;
    try {
      await work(io, { config, targets, run, progress, startedMs, notes, log }, signal);
      isOver = true;
    } finally {
      operations?.end();
      progress.update('stopping');
      await run.stop(signal.aborted || !isOver ? stopMs : stopInOrderMs);
    }
  } finally {
    await operations?.close();
    screen.stop();
  }
}

/** The run; when it is interrupted while it starts, an error, and then the process ends soon, whatever is still waited for. */
async function orInterrupted(starting: Promise<KafkaRun>, signal: AbortSignal): Promise<KafkaRun> {
  const started = starting.catch((error: unknown) => {
    if (!signal.aborted) throw error;
    return undefined;
  });
  const late = passed(Infinity, signal).then(() => systemClock.sleep(startAfterSignalMs));
  const run = await Promise.race([started, late.then(() => 'late' as const)]);
  if (run === 'late') setTimeout(() => process.exit(exitCodes.interrupted), lingerMs).unref();
  else if (run !== undefined && !signal.aborted) return run;
  else await run?.stop(stopMs);
  throw new CliError('interrupted', 'interrupted before it had started; nothing is left running');
}

interface Running {
  readonly config: UpConfig;
  readonly targets: Targets;
  readonly run: KafkaRun;
  readonly progress: Progress;
  readonly startedMs: number;
  readonly notes: Notes;
  readonly log: (entry: LogEntry) => void;
}

async function work(io: CliIo, running: Running, signal: AbortSignal): Promise<void> {
  const { config, targets, run, progress } = running;
  const { brokers } = targets.connection;
  io.stdout.write(
    `Kafka: ${brokers.join(',')}\nClickHouse: ${shownAddress(targets.server.url)}${clusterText(targets)}\n`,
  );
  const rowsBefore = await rowCounts(run.client, run.tables);
  const ingest = config.ingest === undefined ? undefined : await startRunIngest(config.ingest, running);
  if (ingest !== undefined) io.stdout.write(`events over HTTP: ${ingest.url}\n`);
  const stopShowing = showHeadline(run, config.durationMs, progress);
  try {
    await feed(running, ingest, signal, stopShowing);
  } finally {
    stopShowing();
  }
  progress.update('waiting until everything is in ClickHouse');
  const isSettled = await settle(run, signal);
  if (isSettled) await summarize(io, running, rowsBefore);
  refuseFailures(run);
  if (!isSettled && !signal.aborted) throw notSettled(run, config.workers);
  if (!isSettled)
    io.stderr.write('weir: stopped; what was not processed yet stays in Kafka for the next weir up\n');
}

/** Ctrl-C, before or meanwhile, leaves it little time. */
async function settle(run: KafkaRun, signal: AbortSignal): Promise<boolean> {
  const over = new AbortController();
  const ends = [
    passed(settleMs, over.signal),
    passed(Infinity, AbortSignal.any([signal, over.signal])).then(() =>
      passed(settleAfterSignalMs, over.signal),
    ),
  ];
  void Promise.race(ends).then(() => {
    over.abort();
  });
  try {
    return await run.settle(over.signal);
  } finally {
    over.abort();
  }
}

const clusterText = ({ cluster }: Targets): string =>
  cluster === undefined ? '' : `, cluster ${cluster.name}`;

/** Sources run, until their time is over or the user wants an end; then nothing new comes in. */
async function feed(
  { config, targets, run, progress, startedMs, log }: Running,
  ingest: RunIngest | undefined,
  signal: AbortSignal,
  onEnding: () => void,
): Promise<void> {
  const simulates = config.simulates ?? targets.isLocalKafka;
  const onNote = (message: string): void => {
    log({ level: 'warn', component: 'agents', message });
  };
  const sources: Sources = startSources(run.edge, {
    ...config.sources,
    simulates,
    // The tasks keep the epochs of earlier runs. No device switches a thousand times a second, so milliseconds stay ahead of them.
    firstEpoch: startedMs,
    onNote,
  });
  try {
    await Promise.race([passed(config.durationMs, signal), run.failed, sources.failed]);
  } finally {
    onEnding();
    progress.update('stopping agents and simulation');
    const late = passed(Infinity, signal).then(() => systemClock.sleep(sourcesAfterSignalMs));
    await Promise.race([Promise.all([ingest?.stop(signal), sources.stop(signal)]), late]);
  }
}

async function summarize(
  io: CliIo,
  { config, targets, run, progress, startedMs }: Running,
  rowsBefore: ReadonlyMap<string, number>,
): Promise<void> {
  progress.update('asking ClickHouse');
  const events = await eventsAndRows(run, rowsBefore);
  const deadLetterRow = events.rows.find(([topic]) => topic === deadLetters.topic);
  const { data } = config.targets;
  await writeClosing(io, run.client, {
    startedMs,
    events,
    deadLetters: Number(deadLetterRow?.[2] ?? 0),
    reportOptions: [
      targets.isLocalClickHouse ? ` --data ${data}` : ` --url ${shownAddress(targets.server.url)}`,
      targets.database === 'default' ? '' : ` --database ${targets.database}`,
      targets.cluster === undefined ? '' : ` --cluster ${targets.cluster.name}`,
    ].join(''),
  });
}

function refuseFailures({ workers }: KafkaRun): void {
  if (workers.failures.size === 0) return;
  throw new CliError('failure', `tasks stopped: ${[...workers.failures.keys()].join(', ')}`, {
    remedies: [...workers.failures].map(([task, { message }]) => `${task}: ${message}`),
  });
}

function notSettled({ workers, tasks }: KafkaRun, count: number): CliError {
  const all = workers.status().flatMap((worker) => worker.tasks);
  const behind = all.filter(({ isSettled }) => !isSettled).map(({ task, phase }) => `${task} (${phase})`);
  const elsewhere = tasks - new Set(all.map(({ task }) => task)).size;
  return new CliError(
    'failure',
    `not everything was processed within ${settleMs / 1_000} s; the rest stays in Kafka for the next weir up`,
    {
      remedies: [
        ...(behind.length === 0 ? [] : [`see why these tasks are behind: ${behind.join(', ')}`]),
        ...(elsewhere > 0
          ? [
              `${elsewhere} of ${tasks} tasks are not at the ${count} workers of this run; where other processes run them too, ` +
                'leave --for out',
            ]
          : []),
      ],
    },
  );
}
