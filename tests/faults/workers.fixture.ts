/**
 * Worker processes of a fault test (worker.ts), each with what it told last.
 *
 *     const workers = new Workers({ bootstrapServers, app: 'folding', partitions: 4 });
 *     const one = workers.start();          // a process, at once; with a state directory of its own if the config has a root
 *     await one.ready();                    // it has its share, and every task of it runs
 *     await one.kill();                     // SIGKILL; resolves when the process is gone
 *     one.freeze(); one.thaw();             // SIGSTOP, SIGCONT
 *     await one.freezeInCommit();           // SIGSTOP in the middle of a commit
 *     await one.stop();                     // SIGTERM; throws unless everything was committed
 *     await workers.killAll();              // in afterEach: nothing stays behind
 *
 * A worker that dies by itself, or whose task fails for good, fails whatever waits for it, with its stderr.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import {
  type CommitCall,
  freezingSignal,
  type TaskLine,
  type WorkerConfig,
  type WorkerMessage,
} from './worker-protocol.ts';

const program = fileURLToPath(new URL('../../dist/tests/faults/worker.js', import.meta.url));
/** Much longer than anything takes: a machine that is slow fails no test. */
const readyMs = 120_000;
const stopMs = 90_000;

type Status = Extract<WorkerMessage, { readonly kind: 'status' }>;
type Trouble = Extract<WorkerMessage, { readonly kind: 'trouble' }>;

export class Worker {
  readonly number: number;
  readonly troubles: Trouble[] = [];
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #listeners = new Set<() => void>();
  #status: Status | undefined;
  #commitsBegun = 0;
  #frozenBefore: CommitCall | undefined;
  #outcome: string | undefined;
  #failure: string | undefined;
  #stderr = '';
  #stopped: boolean | undefined;
  #isEnded = false;
  /** Whether its end is the test's doing. */
  #isDoomed = false;

  constructor(number: number, config: WorkerConfig) {
    this.number = number;
    this.#child = spawn(process.execPath, [program, JSON.stringify(config)], {
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.#hear(line);
    });
    this.#exited = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#isEnded = true;
        if (!this.#isDoomed)
          this.#failure ??= `it ended by itself (${String(code)}, ${String(signal)}): ${this.#stderr}`;
        this.#notify();
        resolve();
      });
    });
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** What it told last of its tasks. */
  get tasks(): readonly TaskLine[] {
    return this.#status?.tasks ?? [];
  }

  /** Of all its tasks, if its config has it tell. */
  get commitsBegun(): number {
    return this.#commitsBegun;
  }

  get isReady(): boolean {
    return this.#status?.ready === true;
  }

  /** Resolves when `isSo`, which is asked after each message; rejects when the worker fails, or after `timeoutMs`. */
  until(isSo: () => boolean, what: string, timeoutMs = readyMs): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (failure?: string): void => {
        clearTimeout(timer);
        this.#listeners.delete(look);
        if (failure === undefined) resolve();
        else reject(new Error(`worker ${this.number} ${what}: ${failure}\n${this.#report()}`));
      };
      const look = (): void => {
        if (isSo()) end();
        else if (this.#failure !== undefined) end(this.#failure);
        else if (this.#isEnded) end('it was ended meanwhile');
      };
      const timer = setTimeout(() => {
        end(`not within ${timeoutMs} ms`);
      }, timeoutMs);
      this.#listeners.add(look);
      look();
    });
  }

  /** @param tasks that it must have at least */
  ready(tasks = 1): Promise<void> {
    return this.until(() => this.isReady && this.tasks.length >= tasks, 'is to be ready');
  }

  /** SIGKILL. Resolves when the process is gone and its last messages are read. */
  async kill(): Promise<void> {
    this.#isDoomed = true;
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** SIGSTOP, at once. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  /** SIGSTOP in its next commit. Resolves when it is so, with the call that it makes first when it is thawed. */
  async freezeInCommit(): Promise<CommitCall> {
    this.#frozenBefore = undefined;
    this.#outcome = undefined;
    this.#child.kill(freezingSignal);
    await this.until(() => this.#frozenBefore !== undefined, 'is to commit');
    return this.#frozenBefore!;
  }

  /** Of the commit in which it was frozen: `committed`, or the code of the error. Resolves some time after `thaw`. */
  async outcome(): Promise<string> {
    await this.until(() => this.#outcome !== undefined, 'is to end the commit in which it was frozen');
    return this.#outcome!;
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  /** In order. @throws Error unless it ended in time with everything committed, and nothing had failed before */
  async stop(): Promise<void> {
    this.#isDoomed = true;
    this.#child.kill('SIGTERM');
    await this.until(() => this.#isEnded || this.#stopped !== undefined, 'is to stop', stopMs);
    await this.#exited;
    this.throwIfFailed();
    if (this.#stopped !== true)
      throw new Error(`worker ${this.number} did not stop in order\n${this.#report()}`);
  }

  /** @throws Error when it ended by itself, or a task of it failed for good */
  throwIfFailed(): void {
    if (this.#failure !== undefined)
      throw new Error(`worker ${this.number}: ${this.#failure}\n${this.#report()}`);
  }

  #hear(line: string): void {
    let message: WorkerMessage;
    try {
      message = JSON.parse(line) as WorkerMessage;
    } catch (error) {
      // Its end may have cut its last line off, when nobody had read for a while.
      if (this.#isDoomed) return;
      throw error;
    }
    switch (message.kind) {
      case 'status':
        this.#status = message;
        break;
      case 'commit':
        this.#commitsBegun += 1;
        break;
      case 'frozen':
        this.#frozenBefore = message.before;
        break;
      case 'outcome':
        this.#outcome = message.outcome;
        break;
      case 'trouble':
        this.troubles.push(message);
        break;
      case 'failed':
        this.#failure ??= `task ${message.task} failed: ${message.message}`;
        break;
      case 'stopped':
        this.#stopped = message.inOrder;
        break;
    }
    this.#notify();
  }

  #notify(): void {
    for (const look of [...this.#listeners]) look();
  }

  #report(): string {
    const troubles = this.troubles
      .slice(-20)
      .map(({ task, code, message }) => `  ${task} ${code}: ${message}`);
    const tasks = this.tasks.map((task) => `  ${JSON.stringify(task)}`);
    return ['its tasks:', ...tasks, 'its troubles:', ...troubles, this.#stderr].join('\n');
  }
}

export interface WorkersConfig extends Omit<WorkerConfig, 'stateDir'> {
  /** Each worker number has its directory below, which a worker started again under the number finds. None by default. */
  readonly stateRoot?: string;
}

export class Workers {
  readonly #config: WorkersConfig;
  readonly #all: Worker[] = [];

  constructor(config: WorkersConfig) {
    this.#config = config;
  }

  /** Those that were not ended. */
  get running(): readonly Worker[] {
    return this.#all.filter(({ isEnded }) => !isEnded);
  }

  /** @param number names it and its state directory; a new one by default */
  start(number = this.#all.length): Worker {
    const { stateRoot, ...config } = this.#config;
    const stateDir = stateRoot === undefined ? {} : { stateDir: join(stateRoot, `worker-${number}`) };
    const worker = new Worker(number, { ...config, ...stateDir });
    this.#all.push(worker);
    return worker;
  }

  /** Stops all that run, in order. @throws Error as `Worker.stop`, or when one had failed */
  async stopAll(): Promise<void> {
    await Promise.all(this.running.map((worker) => worker.stop()));
    for (const worker of this.#all) worker.throwIfFailed();
  }

  async killAll(): Promise<void> {
    await Promise.all(this.running.map((worker) => worker.kill()));
  }
}
