/**
 * The worker processes of a run: started, watched, started again when they die, stopped.
 *
 * I1  A worker that dies is started again, after a pause that grows while it keeps dying; its tasks go on at the others
 *     meanwhile, and nothing is lost or repeated.
 * I2  A worker that cannot start for a reason that stays (a refusal, a wrong topic), or that has died at its start six times in a
 *     row, fails the run: `failed` rejects.
 * I3  `stop` is bounded in time; what has not ended by then is killed.
 */
import { join } from 'node:path';
import { systemClock } from '#engine/log/clock.ts';
import type { TaskStatus } from '#engine/kafka/driver/task-status.ts';
import { entryOfError } from '../operations/log-entry.ts';
import type { Notes } from './notes.ts';
import type { WorkerStatus } from './run-status.ts';
import { Worker } from './worker.ts';
import { revivedError, type PlainError, type WorkerConfig } from './worker-protocol.ts';

export interface WorkersConfig extends Omit<WorkerConfig, 'stateDir'> {
  readonly count: number;
  /** Each worker has a directory of its own below it. */
  readonly stateDir: string;
  /** Of all workers; inherits nothing else. */
  readonly environment: NodeJS.ProcessEnv;
  /** How many threads of librdkafka may wait at once in a worker: one for each of its tasks. */
  readonly tasks: number;
  readonly notes: Pick<Notes, 'tell' | 'trouble'>;
}

/** Two statuses of each worker, and the time for a commit to be read downstream. */
const settledForMs = 1_000;
/** What a worker said longer ago says nothing of now. */
const currentMs = 2_000;

export class Workers {
  /** Rejects when the run cannot go on. */
  readonly failed: Promise<never>;
  readonly #config: WorkersConfig;
  readonly #workers: Worker[];
  readonly #failures = new Map<string, PlainError>();
  #fail: (error: unknown) => void = () => undefined;

  private constructor(config: WorkersConfig) {
    this.#config = config;
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => undefined);
    this.#workers = Array.from({ length: config.count }, (_, number) => this.#worker(number));
  }

  /** Starts them all; `isReady` tells when they have come so far. */
  static start(config: WorkersConfig): Workers {
    return new Workers(config);
  }

  status(): readonly WorkerStatus[] {
    return this.#workers.map((worker) => worker.status());
  }

  /** Tasks that stopped on a bug or on what cannot be mended, with why. */
  get failures(): ReadonlyMap<string, PlainError> {
    return this.#failures;
  }

  /** Whether every task of the app runs in some worker. */
  get isReady(): boolean {
    const running = this.#tasks().filter(({ phase }) => phase === 'running' || phase === 'failed').length;
    return running >= this.#config.tasks && this.#workers.every(({ isReady }) => isReady);
  }

  /** Resolves true once every task has processed and committed all that its inputs hold, as told for a second. */
  async settle(over: AbortSignal): Promise<boolean> {
    for (let settledSince = Infinity; !over.aborted;) {
      const tasks = this.#tasks();
      const isComplete = new Set(tasks.map(({ task }) => task)).size >= this.#config.tasks;
      const isCurrent = this.#workers.every((worker) => worker.status().stalledMs < currentMs);
      const live = tasks.filter(({ phase }) => phase !== 'failed');
      const isSettled = isComplete && isCurrent && live.every((task) => task.isSettled);
      settledSince = isSettled ? Math.min(settledSince, performance.now()) : Infinity;
      // A stage hears of the outputs of the one before it only after they were committed: statuses must agree for a while.
      if (performance.now() - settledSince > settledForMs) return true;
      await systemClock.sleep(50);
    }
    return false;
  }

  /** Resolves to whether all of them ended in order. */
  async stop(timeoutMs: number): Promise<boolean> {
    const ended = await Promise.all(this.#workers.map((worker) => worker.stop(timeoutMs)));
    return ended.every(Boolean);
  }

  #tasks(): readonly TaskStatus[] {
    return this.#workers.flatMap(({ tasks }) => tasks);
  }

  #worker(number: number): Worker {
    const { stateDir, environment, tasks, notes, kafka, processors, parameters, truncatedInputs } =
      this.#config;
    const config = { kafka, processors, parameters, truncatedInputs };
    return new Worker({
      number,
      config: { ...config, stateDir: join(stateDir, `worker-${number}`) },
      // A call of librdkafka blocks a thread of libuv's pool: of four, none would be left for files and DNS.
      environment: {
        ...environment,
        UV_THREADPOOL_SIZE: String(Math.min(1_024, 16 + tasks)),
      },
      notes,
      onTaskFailed: (task, error) => {
        if (!this.#failures.has(task)) {
          const cause = revivedError(error);
          const told = Object.assign(cause, { message: `task ${task} stopped: ${error.message}` });
          notes.tell(entryOfError({ component: 'engine', worker: number, task }, told, true));
        }
        this.#failures.set(task, error);
      },
      onFinal: (error) => {
        this.#fail(revivedError(error));
      },
    });
  }
}
