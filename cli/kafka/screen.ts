/** What a run on Kafka shows: its log, its line of progress, and the table of events and rows at its end. */
import { commands } from '#schemas/migration/generated.ts';
import { rowCounts } from '../demo-summary.ts';
import type { CliIo } from '../io.ts';
import { createLogger, type LogEntry } from '../operations/logger.ts';
import type { OperationsSettings } from '../operations/operations-options.ts';
import { startProgress, type Progress } from '../present/progress.ts';
import type { Result } from '../present/value.ts';
import { startNotes, type Notes } from './notes.ts';
import type { KafkaRun } from './run.ts';

export interface Screen {
  readonly progress: Progress;
  /** Writes an entry at once. */
  readonly log: (entry: LogEntry) => void;
  /** Writes entries when it is time for them. */
  readonly notes: Notes;
  stop(): void;
}

const lookEveryMs = 1_000;
/** Each asks Kafka for the end of every partition. */
const headlineEveryMs = 2_000;

/** In JSON there is no line of progress: programs read the log, and ask for metrics. */
export function startScreen(io: CliIo, { logFormat, logLevel }: OperationsSettings): Screen {
  const progress =
    logFormat === 'json' ? silentProgress(io) : startProgress(io, 'looking for Kafka and ClickHouse');
  const logger = createLogger({
    format: logFormat,
    level: logLevel,
    write: (lines) => {
      progress.note(lines.trimEnd());
    },
  });
  const log = (entry: LogEntry): void => {
    logger.log(entry);
  };
  const notes = startNotes(log, () => performance.now());
  const looking = setInterval(() => {
    notes.look();
  }, lookEveryMs);
  return {
    progress,
    log,
    notes,
    stop: () => {
      clearInterval(looking);
      notes.close();
      logger.close();
      progress.stop();
    },
  };
}

function silentProgress(io: CliIo): Progress {
  const nothing = (): void => undefined;
  return {
    update: nothing,
    stop: nothing,
    note: (line) => {
      io.stderr.write(`${line}\n`);
    },
  };
}

/** Keeps the line of progress up to date. Returns what ends that. @param durationMs Infinity for a run until Ctrl-C */
export function showHeadline(run: KafkaRun, durationMs: number, progress: Progress): () => void {
  let isAsking = false;
  let isOver = false;
  const showing = setInterval(() => {
    if (isAsking) return;
    isAsking = true;
    headline(run, durationMs).then(
      (line) => {
        isAsking = false;
        if (!isOver) progress.update(line);
      },
      () => {
        // Kafka did not answer, which others tell; it is asked again.
        isAsking = false;
      },
    );
  }, headlineEveryMs);
  return () => {
    isOver = true;
    clearInterval(showing);
  };
}

async function headline({ workers, sink, edge }: KafkaRun, durationMs: number): Promise<string> {
  const until = Number.isFinite(durationMs) ? `of ${Math.round(durationMs / 1_000)} s` : 'until Ctrl-C';
  const status = workers.status();
  const tasks = status.flatMap((worker) => worker.tasks);
  const restoring = tasks.filter(({ phase }) => phase === 'restoring').length;
  const running = tasks.filter(({ phase }) => phase === 'running').length;
  const down = status.filter(({ pid }) => pid === undefined).length;
  let lag = 0;
  for (const task of tasks)
    for (const { position, end } of task.inputs) lag += Math.max(0, (end ?? position) - position);
  const stats = await sink.stats();
  const rows = stats.reduce((sum, table) => sum + table.rows, 0);
  const issued = stats.find(({ topic }) => topic === commands.topic)?.rows ?? 0;
  return [
    `running ${until}: ${edge.published} events published`,
    `${running} tasks${restoring === 0 ? '' : ` (${restoring} more are restored)`}`,
    `lag ${lag}`,
    `${rows} rows`,
    `${issued} commands`,
    ...(down === 0 ? [] : [`${down} of ${status.length} workers down`]),
  ].join(', ');
}

/** Rows of this run and in all, by topic and table. @param before rows of each table when the run began */
export async function eventsAndRows(
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
