/**
 * Runs an app's tasks in this process, in real time, over the in-memory log.
 *
 * I1  One loop is the only one that steps and commits tasks; everything else only appends to the log.
 * I2  It gives way to the event loop at least every few milliseconds, so sinks, agents and HTTP go on under load.
 * I3  A task that stops on a bug takes nothing else with it: it is reported once, the others go on.
 */
import type { WriterSchemas } from '../codec/writer-schemas.ts';
import type { Clock } from '../log/clock.ts';
import type { MemoryLog } from '../log/memory-log.ts';
import { TaskCore } from '../task/task-core.ts';
import { taskCount, validApp, type App } from '../topology/app.ts';
import type { Parameters } from '../topology/processor.ts';
import { TaskRunner, type CommitListener } from './task-runner.ts';

export interface EmbeddedRuntimeOptions {
  readonly app: App;
  readonly log: MemoryLog;
  readonly writers: WriterSchemas;
  readonly clock: Clock;
  /** Outputs that are not urgent become visible at this interval. Default 100. */
  readonly commitIntervalMs?: number;
  /** How often tasks learn the wall time: the resolution of wall-clock timers and of idleness. Default 100. */
  readonly tickIntervalMs?: number;
  /** By processor name: values that replace its parameters. */
  readonly parameters?: Readonly<Record<string, Parameters>>;
  readonly onCommit?: CommitListener;
  /** Called once for each task that stops on a bug. */
  readonly onTaskError?: (task: string, error: unknown) => void;
}

/** How long the loop feeds tasks before it lets others run. Measured: 4 ms keeps a local HTTP answer under 10 ms. */
const sliceMs = 4;
const recordsPerTurn = 256;

export class EmbeddedRuntime {
  readonly #options: EmbeddedRuntimeOptions;
  readonly #runners: readonly TaskRunner[];
  readonly #commitIntervalMs: number;
  readonly #tickIntervalMs: number;
  readonly #reported = new Set<string>();
  #stopping = false;
  #wake: (() => void) | undefined;
  #lastTickMs = -Infinity;
  /** Whose turn it is: tasks are served in turn, also when a slice ends early. */
  #turn = 0;
  #loop: Promise<void> | undefined;

  /** Validates the app and makes its tasks. The topics must exist in the log. */
  constructor(options: EmbeddedRuntimeOptions) {
    this.#options = options;
    this.#commitIntervalMs = options.commitIntervalMs ?? 100;
    this.#tickIntervalMs = options.tickIntervalMs ?? 100;
    const { app, log, writers } = options;
    validApp(app);
    this.#runners = app.processors.flatMap((processor) =>
      Array.from({ length: taskCount(processor) }, (_, partition) => {
        const parameters = options.parameters?.[processor.name] ?? {};
        const core = new TaskCore({ processor, partition, writers, parameters });
        return new TaskRunner(core, app.name, log, options.onCommit);
      }),
    );
  }

  /** The tasks' cores; for metrics and snapshots. */
  get cores(): readonly TaskCore[] {
    return this.#runners.map((runner) => runner.core);
  }

  /** Errors of tasks that stopped. */
  get errors(): readonly { readonly task: string; readonly error: unknown }[] {
    return this.#runners
      .filter((runner) => runner.error !== undefined)
      .map((runner) => ({ task: runner.core.id, error: runner.error }));
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /**
   * Processes what is in the log, commits, and ends the loop. Outputs may feed other tasks: it goes on until nothing is
   * left. Resolves false if `timeoutMs` passed first (what was committed until then stands).
   */
  async stop(timeoutMs: number): Promise<boolean> {
    this.#stopping = true;
    this.#wake?.();
    await this.#loop;
    const deadlineMs = this.#options.clock.monotonicMs() + timeoutMs;
    for (;;) {
      const nowMs = this.#options.clock.monotonicMs();
      let fed = 0;
      for (const runner of this.#runners) fed += runner.pump(recordsPerTurn, nowMs);
      for (const runner of this.#runners) runner.commit(nowMs);
      this.#report();
      if (fed === 0) return true;
      if (nowMs > deadlineMs) return false;
      await giveWay();
    }
  }

  async #run(): Promise<void> {
    const { log, clock } = this.#options;
    const unlisten = log.onAppend(() => this.#wake?.());
    while (!this.#stopping) {
      const startMs = clock.monotonicMs();
      this.#tickIfDue(startMs);
      let fed = 0;
      if (!log.isOverfull) {
        for (let turn = 0; turn < this.#runners.length; turn += 1) {
          fed += this.#runners[this.#turn]!.pump(recordsPerTurn, startMs);
          this.#turn = (this.#turn + 1) % this.#runners.length;
          if (clock.monotonicMs() - startMs > sliceMs) break;
        }
      }
      const nowMs = clock.monotonicMs();
      for (const runner of this.#runners) runner.commitIfDue(nowMs, this.#commitIntervalMs);
      this.#report();
      if (fed > 0) await giveWay();
      else await this.#idle();
    }
    unlisten();
  }

  #tickIfDue(nowMs: number): void {
    if (nowMs - this.#lastTickMs < this.#tickIntervalMs) return;
    this.#lastTickMs = nowMs;
    const wallMs = this.#options.clock.wallMs();
    for (const runner of this.#runners) runner.tick(wallMs, nowMs);
  }

  /** Waits for an append, at most until the next tick or commit. */
  async #idle(): Promise<void> {
    const abort = new AbortController();
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    await Promise.race([
      woken,
      this.#options.clock.sleep(Math.min(this.#tickIntervalMs, this.#commitIntervalMs), abort.signal),
    ]);
    abort.abort();
    this.#wake = undefined;
  }

  #report(): void {
    for (const { core, error } of this.#runners) {
      if (error === undefined || this.#reported.has(core.id)) continue;
      this.#reported.add(core.id);
      this.#options.onTaskError?.(core.id, error);
    }
  }
}

function giveWay(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
