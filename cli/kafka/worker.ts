/**
 * One worker of a run, over all the processes that it is: each is started when the one before has died.
 *
 * I1  What it says is what its process said last; a process that says nothing is not taken for one that runs.
 * I2  A stop is an order over the channel; who has not ended when its time is over is killed.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { TaskStatus } from '#engine/kafka/driver/task-status.ts';
import { systemClock } from '#engine/log/clock.ts';
import { mainPath } from '../main-path.ts';
import { entryOfError } from '../operations/log-entry.ts';
import type { Notes } from './notes.ts';
import type { WorkerStatus } from './run-status.ts';
import {
  revivedError,
  type FromWorker,
  type PlainError,
  type ToWorker,
  type WorkerConfig,
} from './worker-protocol.ts';

const firstPauseMs = 200;
const longestPauseMs = 10_000;
/** A worker that lived so long did not die of its start. */
const healthyMs = 30_000;
/** Of the time to stop, what a worker gets before it is killed. */
const killAfterShare = 0.85;
/** Brokers that cannot be reached are no failed starts of this kind: they are waited for. */
const mostFailedStarts = 6;
const watchEveryMs = 1_000;
/** Half of the time after which the group gives its tasks to others. */
const stalledAfterMs = 5_000;

export interface WorkerParts {
  readonly number: number;
  readonly config: WorkerConfig;
  readonly environment: NodeJS.ProcessEnv;
  readonly notes: Pick<Notes, 'tell' | 'trouble'>;
  readonly onTaskFailed: (task: string, error: PlainError) => void;
  /** It will not run until something is mended. */
  readonly onFinal: (error: PlainError) => void;
}

export class Worker {
  readonly #parts: WorkerParts;
  readonly #stopping = new AbortController();
  readonly #life: Promise<void>;
  #child: ChildProcess | undefined;
  #restarts = 0;
  #last: Extract<FromWorker, { readonly type: 'status' }> | undefined;
  #heardAtMs = performance.now();
  #wasInOrder = false;
  #stopMs = 0;
  #isStalled = false;
  /** Its process ended because it did not reach Kafka. */
  #isWaiting = false;
  readonly #watching: NodeJS.Timeout;

  /** Starts at once. */
  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#life = this.#live();
    this.#watching = setInterval(() => {
      this.#watch();
    }, watchEveryMs);
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

  /** Resolves to whether it ended in order, with everything that it had processed committed. */
  async stop(timeoutMs: number): Promise<boolean> {
    clearInterval(this.#watching);
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
    const { number, onFinal } = this.#parts;
    let pauseMs = firstPauseMs;
    for (let failedStarts = 0; !this.#isStopping();) {
      const startedMs = performance.now();
      const how = await this.#run();
      const hasRun = this.#last !== undefined || this.#isWaiting;
      this.#last = undefined;
      if (this.#isStopping()) return;
      failedStarts = hasRun ? 0 : failedStarts + 1;
      if (failedStarts === mostFailedStarts) {
        const message = `worker ${number} ended ${mostFailedStarts} times in a row before it had started, the last time by ${how}`;
        onFinal({ code: '', message, retryable: false });
        return;
      }
      const isHealthy = performance.now() - startedMs > healthyMs;
      pauseMs = isHealthy ? firstPauseMs : Math.min(longestPauseMs, pauseMs * 2);
      if (!this.#isWaiting)
        this.#tell(`worker ${number} ended by ${how}; starting it again, nothing is lost`);
      this.#restarts += 1;
      await systemClock.sleep(pauseMs, this.#stopping.signal);
    }
  }

  /** Tells of a worker that says nothing, or says that its loop does not turn. */
  #watch(): void {
    const { number } = this.#parts;
    const { pid, stalledMs } = this.status();
    const isStalled = this.#last !== undefined && stalledMs > stalledAfterMs;
    if (isStalled === this.#isStalled) return;
    this.#isStalled = isStalled;
    if (isStalled)
      this.#tell(
        `worker ${number} (process ${pid ?? '?'}) has stood still for ${Math.round(stalledMs / 1_000)} s; if it stays so, others take its tasks over`,
      );
    else if (this.#last !== undefined) this.#tell(`worker ${number} goes on`);
  }

  #tell(message: string): void {
    const { number, notes } = this.#parts;
    notes.tell({ level: 'warn', component: 'worker', worker: number, message });
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
    this.#isWaiting = false;
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
    const { config, notes, onTaskFailed, onFinal, number } = this.#parts;
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
      case 'trouble': {
        const place = { component: 'engine', worker: number, task: message.task };
        const entry = entryOfError(place, revivedError(message.error));
        if (message.error.retryable) notes.trouble(entry);
        else notes.tell(entry);
        return;
      }
      case 'task-failed':
        onTaskFailed(message.task, message.error);
        return;
      case 'failed':
        if (!message.error.retryable) onFinal(message.error);
        else {
          this.#isWaiting = true;
          notes.trouble(entryOfError({ component: 'worker', worker: number }, revivedError(message.error)));
        }
        return;
      case 'stopped':
        this.#wasInOrder = message.inOrder;
        return;
    }
  }
}
