/**
 * What an orchestrator is to know. Liveness: would a new process do better? Readiness: does the run do its work now?
 *
 * I1  Liveness fails for what only a restart mends: a worker whose loop stands still, a sink that neither moves nor fails though
 *     Kafka and ClickHouse answer. Never for an outage of a server, a restore, a rebalance, a worker that is being replaced, nor
 *     for a bug that the next process would have again: restarts would make all of these worse.
 * I2  Readiness fails for everything that keeps records from being processed, and names it.
 */
import type { TaskPhase, TaskStatus } from '#engine/kafka/driver/task-status.ts';
import type { RunStatus, SinkTableStatus, WorkerStatus } from '../kafka/run-status.ts';
import type { ProbeState } from './probe.ts';

export interface HealthProblem {
  /** `kafka`, `clickhouse`, `run`, `worker <n>`, `task <processor>-<n>`, `table <name>` */
  readonly part: string;
  readonly reason: string;
}

export interface Health {
  readonly status: 'ok' | 'failing';
  /** At most 50. */
  readonly problems: readonly HealthProblem[];
  /** Problems beyond these. */
  readonly more?: number;
}

export type RunPhase = 'starting' | 'running' | 'stopping';

/** Of Kafka and, where there is a sink, ClickHouse. */
export type ServerStates = ReadonlyMap<string, ProbeState>;

/** A loop that works turns at least once a second, so this is no load, however high. */
export const loopStallMs = 10_000;
/** Nothing is heard of a worker while it starts; one that cannot reach Kafka gives up after 20 s and is started again. */
export const startStallMs = 60_000;
/** Longer than a partition takes to move to another leader. */
const inputStallMs = 30_000;
/** Longer than any request to ClickHouse may take (60 s) with its repetition. */
export const sinkStallMs = 150_000;
const maxProblems = 50;
const maxReasonLength = 300;

function health(problems: readonly HealthProblem[]): Health {
  const more = problems.length - maxProblems;
  return {
    status: problems.length === 0 ? 'ok' : 'failing',
    problems: problems.slice(0, maxProblems),
    ...(more > 0 ? { more } : {}),
  };
}

const seconds = (ms: number): string => `${Math.floor(ms / 1_000)} s`;

function stalledWorkers({ workers }: RunStatus): HealthProblem[] {
  return workers
    .filter((worker) => worker.pid !== undefined && worker.stalledMs > stallLimitMs(worker))
    .map(({ worker, stalledMs }) => ({
      part: `worker ${worker}`,
      reason: `its loop has not turned for ${seconds(stalledMs)}: a handler that does not end, or a frozen process`,
    }));
}

function stallLimitMs({ isReady, tasks }: WorkerStatus): number {
  return isReady || tasks.length > 0 ? loopStallMs : startStallMs;
}

/**
 * Notices tables that stand still for no reason that is known. It is given each answer of the sink, every few seconds.
 *
 * I1  Only time between two answers counts: while there is none (a partition without a leader), nothing is known of the tables.
 */
export class SinkWatch {
  readonly #tables = new Map<string, { moves: number; sinceMs: number; seenMs: number }>();

  /**
   * An answer of the sink.
   * @param nowMs milliseconds on the clock of `performance.now()`
   */
  observe(tables: readonly SinkTableStatus[], servers: ServerStates, nowMs: number): void {
    const isExcused = [...servers.values()].some(({ isUp }) => isUp !== true);
    for (const { table, rows, batches, deadLetters, retries, lag } of tables) {
      // A request that is repeated is no standstill: ClickHouse refuses it, and would refuse it from a new process.
      const moves = rows + batches + deadLetters + retries;
      const last = this.#tables.get(table);
      const stands = last !== undefined && last.moves === moves && lag > 0 && !isExcused;
      this.#tables.set(table, { moves, sinceMs: stands ? last.sinceMs : nowMs, seenMs: nowMs });
    }
  }

  /** The sink could not tell. What is known of its tables begins with its next answer. */
  forget(): void {
    this.#tables.clear();
  }

  problems(): HealthProblem[] {
    return [...this.#tables]
      .filter(([, { sinceMs, seenMs }]) => seenMs - sinceMs > sinkStallMs)
      .map(([table, { sinceMs, seenMs }]) => ({
        part: `table ${table}`,
        reason: `nothing was inserted for ${seconds(seenMs - sinceMs)} though records wait, and Kafka and ClickHouse answer`,
      }));
  }
}

export function liveness(status: RunStatus | undefined, sink: SinkWatch): Health {
  return health([...(status === undefined ? [] : stalledWorkers(status)), ...sink.problems()]);
}

/** @param nowMs milliseconds on the clock of `performance.now()` */
export function readiness(
  phase: RunPhase,
  status: RunStatus | undefined,
  servers: ServerStates,
  sink: SinkWatch,
  nowMs: number,
): Health {
  const problems: HealthProblem[] = [];
  if (phase === 'stopping') problems.push({ part: 'run', reason: 'it is being stopped' });
  if (phase === 'starting' || status === undefined)
    problems.push({ part: 'run', reason: 'it is being started: topics, tables and schemas are checked' });
  for (const [part, { isUp, reason, sinceMs }] of servers)
    if (isUp !== true)
      problems.push({
        part,
        reason:
          isUp === undefined ? 'it has not answered yet' : `for ${seconds(nowMs - sinceMs)}: ${cut(reason)}`,
      });
  if (status !== undefined) {
    problems.push(...stalledWorkers(status));
    for (const worker of status.workers) problems.push(...unready(worker));
  }
  return health([...problems, ...sink.problems()]);
}

function unready({ worker, pid, restarts, isReady, tasks }: WorkerStatus): HealthProblem[] {
  const part = `worker ${worker}`;
  if (pid === undefined)
    return [{ part, reason: `its process is being started again (${restarts} times so far)` }];
  const failed = tasks.filter(({ phase }) => phase === 'failed').map(failure);
  const waiting = tasks.filter(({ phase }) => phase !== 'failed' && phase !== 'running');
  if (waiting.length > 0) failed.push({ part, reason: `${phasesOf(waiting)}, of ${tasks.length} tasks` });
  failed.push(...unanswered(part, tasks));
  if (!isReady && failed.length === 0)
    failed.push({ part, reason: 'it has not been given its share by its group' });
  return failed;
}

/** A partition without a leader, or one that is gone: Kafka itself is up meanwhile. */
function unanswered(part: string, tasks: readonly TaskStatus[]): HealthProblem[] {
  const inputs = tasks.flatMap(({ inputs: each }) =>
    each.filter(({ unansweredMs }) => unansweredMs > inputStallMs),
  );
  const [first] = inputs;
  if (first === undefined) return [];
  const more = inputs.length === 1 ? '' : `, and for ${inputs.length - 1} more inputs of tasks`;
  const { topic, partition, unansweredMs } = first;
  return [
    { part, reason: `no broker has answered for ${topic}/${partition} for ${seconds(unansweredMs)}${more}` },
  ];
}

function failure({ task, error }: TaskStatus): HealthProblem {
  const message = typeof error === 'object' && error !== null && 'message' in error ? error.message : error;
  const reason = typeof message === 'string' ? cut(message) : 'see the log';
  return { part: `task ${task}`, reason: `it failed for good: ${reason}` };
}

function phasesOf(tasks: readonly TaskStatus[]): string {
  const counts = new Map<TaskPhase, number>();
  for (const { phase } of tasks) counts.set(phase, (counts.get(phase) ?? 0) + 1);
  return [...counts].map(([phase, count]) => `${phase}: ${count}`).join(', ');
}

function cut(text = ''): string {
  return text.length > maxReasonLength ? `${text.slice(0, maxReasonLength)}...` : text;
}
