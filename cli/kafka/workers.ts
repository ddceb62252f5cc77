/**
 * The worker processes of a run: started, watched, started again when they die, stopped.
 *
 * I1  A worker that dies is started again, after a pause that grows while it keeps dying; its tasks go on at the others
 *     meanwhile, and nothing is lost or repeated.
 * I2  A worker that cannot start for a reason that stays (a refusal, a wrong topic) fails the run: `failed` rejects.
 * I3  `stop` is bounded in time; what has not ended by then is killed.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { systemClock } from '#engine/log/clock.ts';
import { EngineError, type EngineErrorCode } from '#engine/engine-error.ts';
import type { TaskStatus } from '#engine/kafka/driver/task-status.ts';
import { mainPath } from '../main-path.ts';
import type { WorkerStatus } from './run-status.ts';
import type { FromWorker, PlainError, ToWorker, WorkerConfig } from './worker-protocol.ts';

export interface WorkersConfig extends Omit<WorkerConfig, 'stateDir'> {
  readonly count: number;
  /** Each worker has a directory of its own below it. */
  readonly stateDir: string;
  /** Of all workers; inherits nothing else. */
  readonly environment: NodeJS.ProcessEnv;
  /** How many threads of librdkafka may wait at once in a worker: one for each of its tasks. */
  readonly tasks: number;
  /** Something that the user should know; `code` tells repeats apart. */
  readonly onNote: (code: string, note: string) => void;
}

const firstPauseMs = 200;
const longestPauseMs = 10_000;
/** A worker that lived so long did not die of its start. */
const healthyMs = 30_000;
/** Of the time to stop, what a worker gets before it is killed. */
const killAfterShare = 0.85;
/** Trouble that a new try cannot mend. */
const final: ReadonlySet<string> = new Set([
  'kafka-refused',
  'kafka-settings',
  'unknown-topic',
  'group-refused',
  'no-librdkafka',
  'invalid-topology',
  'unsupported-broker',
]);

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

  /** Resolves true once every task has processed and committed all that its inputs hold, as told twice in a row. */
  async settle(timeoutMs: number): Promise<boolean> {
    const deadlineMs = performance.now() + timeoutMs;
    for (let settledSince = Infinity; performance.now() < deadlineMs;) {
      const tasks = this.#tasks();
      const live = tasks.filter(({ phase }) => phase !== 'failed');
      const isSettled = tasks.length >= this.#config.tasks && live.every((task) => task.isSettled);
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
    const { stateDir, environment, tasks, onNote, kafka, processors, parameters, truncatedInputs } =
      this.#config;
    const config = { kafka, processors, parameters, truncatedInputs };
    return new Worker({
      number,
      config: { ...config, stateDir: join(stateDir, `worker-${number}`) },
      // A call of librdkafka blocks a thread of libuv's pool: of four, none would be left for files and DNS.
      environment: {
        ...environment,
        NODE_OPTIONS: '',
        UV_THREADPOOL_SIZE: String(Math.min(1_024, 16 + tasks)),
      },
      onNote,
      onTaskFailed: (task, error) => {
        if (!this.#failures.has(task)) onNote(`task ${task}`, `task ${task} stopped: ${error.message}`);
        this.#failures.set(task, error);
      },
      onFinal: ({ code, message }) => {
        this.#fail(new EngineError(code as EngineErrorCode, message));
      },
    });
  }
}

/** Two statuses of each worker, and the time for a commit to be read downstream. */
const settledForMs = 1_000;

interface WorkerParts {
  readonly number: number;
  readonly config: WorkerConfig;
  readonly environment: NodeJS.ProcessEnv;
  readonly onNote: WorkersConfig['onNote'];
  readonly onTaskFailed: (task: string, error: PlainError) => void;
  readonly onFinal: (error: PlainError) => void;
}

class Worker {
  readonly #parts: WorkerParts;
  readonly #stopping = new AbortController();
  readonly #life: Promise<void>;
  #child: ChildProcess | undefined;
  #restarts = 0;
  #last: Extract<FromWorker, { readonly type: 'status' }> | undefined;
  #heardAtMs = performance.now();
  #wasInOrder = false;
  #stopMs = 0;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#life = this.#live();
  }

  get tasks(): readonly TaskStatus[] {
    return this.#last?.tasks ?? [];
  }

  get isReady(): boolean {
    return this.#last?.isReady ?? false;
  }

  status(): WorkerStatus {
    return {
      worker: this.#parts.number,
      pid: this.#child?.pid,
      restarts: this.#restarts,
      isReady: this.isReady,
      stalledMs: (this.#last?.stalledMs ?? 0) + performance.now() - this.#heardAtMs,
      tasks: this.tasks,
    };
  }

  async stop(timeoutMs: number): Promise<boolean> {
    this.#stopMs = timeoutMs * killAfterShare;
    this.#stopping.abort();
    const child = this.#child;
    if (child?.connected === true) child.send({ type: 'stop', timeoutMs: this.#stopMs } satisfies ToWorker);
    const timer = setTimeout(() => {
      this.#child?.kill('SIGKILL');
    }, timeoutMs);
    await this.#life;
    clearTimeout(timer);
    return this.#wasInOrder;
  }

  async #live(): Promise<void> {
    const { signal } = this.#stopping;
    let pauseMs = firstPauseMs;
    while (!this.#isStopping()) {
      const startedMs = performance.now();
      const how = await this.#run();
      this.#last = undefined;
      if (this.#isStopping()) return;
      pauseMs =
        performance.now() - startedMs > healthyMs ? firstPauseMs : Math.min(longestPauseMs, pauseMs * 2);
      const { number, onNote } = this.#parts;
      onNote(`worker ${number}`, `worker ${number} ended by ${how}; starting it again, nothing is lost`);
      this.#restarts += 1;
      await systemClock.sleep(pauseMs, signal);
    }
  }

  #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** One life of the process. Resolves with how it ended. */
  async #run(): Promise<string> {
    const child = fork(mainPath(), ['worker'], {
      env: this.#parts.environment,
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child = child;
    this.#heardAtMs = performance.now();
    child.on('message', (message) => {
      this.#hear(child, message as unknown as FromWorker);
    });
    const failed = once(child, 'error').then(([error]) => String(error));
    const exited = once(child, 'exit').then(([code, signal]) =>
      String(signal ?? `exit code ${String(code)}`),
    );
    const how = await Promise.race([exited, failed]);
    this.#child = undefined;
    return how;
  }

  #hear(child: ChildProcess, message: FromWorker): void {
    const { config, onNote, onTaskFailed, onFinal, number } = this.#parts;
    switch (message.type) {
      case 'listening':
        child.send(
          this.#isStopping()
            ? ({ type: 'stop', timeoutMs: this.#stopMs } satisfies ToWorker)
            : ({ type: 'start', config } satisfies ToWorker),
        );
        return;
      case 'status':
        this.#last = message;
        this.#heardAtMs = performance.now();
        return;
      case 'trouble':
        onNote(
          message.error.code,
          `${message.task === '' ? `worker ${number}` : message.task}: ${message.error.message}`,
        );
        return;
      case 'task-failed':
        onTaskFailed(message.task, message.error);
        return;
      case 'failed':
        if (final.has(message.error.code)) onFinal(message.error);
        else onNote(message.error.code, `worker ${number} could not start: ${message.error.message}`);
        return;
      case 'stopped':
        this.#wasInOrder = message.inOrder;
        return;
    }
  }
}
