/**
 * A contender: a program of its own process that runs a topology against the broker, and tells on its standard output, in
 * lines of JSON, when it is ready, when it takes its first record, and so on. Weir and Kafka Streams are run and measured
 * by the same code.
 *
 * I1  Times of events are the program's own wall clock (`atMs`), which is also the harness's: the same machine.
 * I2  `stop` is bounded. No contender outlives it, nor the harness, unless that is killed by SIGKILL.
 * I3  One that ends by itself fails whatever waits for it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type Usage, usageOf } from './process-usage.ts';

/** How to start a contender. */
export interface Program {
  /** What it is called in tables. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

/** A line of a contender: its name, when it was, and what else it says. */
export interface ContenderEvent {
  readonly event: string;
  readonly atMs: number;
  readonly [field: string]: unknown;
}

interface Waiter {
  readonly test: (event: ContenderEvent) => boolean;
  readonly resolve: (event: ContenderEvent) => void;
  readonly reject: (error: Error) => void;
}

const shownErrorBytes = 4_000;
const running = new Set<ChildProcess>();

/** I2. */
function endWithHarness(): void {
  process.once('exit', () => {
    for (const child of running) child.kill('SIGKILL');
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      process.exit(1);
    });
}

export class Contender {
  readonly program: Program;
  readonly startedAtMs = Date.now();
  readonly events: ContenderEvent[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #waiters = new Set<Waiter>();
  #errors = '';
  #failure: Error | undefined;

  private constructor(program: Program) {
    this.program = program;
    const child = spawn(program.command, program.args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    if (running.size === 0 && process.listenerCount('SIGTERM') === 0) endWithHarness();
    running.add(child);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-shownErrorBytes);
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#take(JSON.parse(line) as ContenderEvent);
    });
    this.#ended = new Promise((resolve) => {
      const end = (how: string): void => {
        running.delete(child);
        this.#failure = new Error(`${program.name} ended by itself (${how}):\n${this.#errors}`);
        for (const waiter of this.#waiters) waiter.reject(this.#failure);
        resolve();
      };
      child.on('error', (error) => {
        end(error.message);
      });
      child.on('close', (code, signal) => {
        end(signal ?? `exit code ${code ?? 'none'}`);
      });
    });
  }

  static start(program: Program): Contender {
    return new Contender(program);
  }

  /** Whether it still runs; throws what it ended with otherwise. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** The first event of that name for which `test` holds, in the past or to come. */
  waitFor(
    name: string,
    timeoutMs: number,
    test: (event: ContenderEvent) => boolean = () => true,
  ): Promise<ContenderEvent> {
    const matches = (event: ContenderEvent): boolean => event.event === name && test(event);
    const past = this.events.find(matches);
    if (past !== undefined) return Promise.resolve(past);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiter.reject(
          new Error(`${this.program.name}: no "${name}" within ${timeoutMs} ms:\n${this.#errors}`),
        );
      }, timeoutMs);
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        act();
      };
      const waiter: Waiter = {
        test: matches,
        resolve: (event) => {
          settle(() => {
            resolve(event);
          });
        },
        reject: (error) => {
          settle(() => {
            reject(error);
          });
        },
      };
      this.#waiters.add(waiter);
    });
  }

  /** What it took so far. */
  usage(): Usage {
    this.check();
    return usageOf(this.#child.pid!);
  }

  /** SIGTERM, and SIGKILL when that has not ended it in time. @returns whether it ended in time */
  async stop(timeoutMs = 30_000): Promise<boolean> {
    let inTime = true;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => {
      inTime = false;
      this.#child.kill('SIGKILL');
    }, timeoutMs);
    await this.#ended;
    clearTimeout(timer);
    return inTime;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  #take(event: ContenderEvent): void {
    this.events.push(event);
    for (const waiter of [...this.#waiters]) if (waiter.test(event)) waiter.resolve(event);
  }
}
