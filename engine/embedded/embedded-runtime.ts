/**
 * Runs an app's tasks in this process, in real time, over the in-memory log.
 *
 * I1  Tasks are stepped and committed in synchronous turns, by the loop or by `drain`; everything else only appends to the log.
 * I2  It gives way to the event loop at least every few milliseconds, so sinks, agents and HTTP go on under load.
 * I3  A task that stops on a bug takes nothing else with it: it is reported once, the others go on.
 * I4  While the log is overfull, tasks that read what other tasks write go on, for that is what frees it; the others only
 *     trickle, so that their outputs do not add to it, yet no one ever waits for a reader that cannot come.
 */
import type { WriterSchemas } from '../codec/writer-schemas.ts';
import type { Clock } from '../log/clock.ts';
import type { MemoryLog } from '../log/memory-log.ts';
import { deadLetters } from '../records/generated.ts';
import { TaskCore } from '../task/task-core.ts';
import { streamOfOutput, taskCount, validApp, type App } from '../topology/app.ts';
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
/** Of a task that reads only from outside, once per idle wait, while the log is overfull. */
const overfullRecordsPerTurn = 16;

export class EmbeddedRuntime {
  readonly #options: EmbeddedRuntimeOptions;
  readonly #runners: readonly TaskRunner[];
  /** Those that read a topic that a task of this app writes. */
  readonly #downstream: ReadonlySet<TaskRunner>;
  readonly #commitIntervalMs: number;
  readonly #tickIntervalMs: number;
  readonly #reported = new Set<string>();
  #stopping = false;
  #wake: (() => void) | undefined;
  #lastTickMs = -Infinity;
  /** Whose turn it is: tasks are served in turn, also when a slice ends early. */
  #turn = 0;
  #loop: Promise<void> | undefined;

  /** Validates the app and makes its tasks, and those topics that the log does not have yet, the dead letters' too. */
  constructor(options: EmbeddedRuntimeOptions) {
    this.#options = options;
    this.#commitIntervalMs = options.commitIntervalMs ?? 100;
    this.#tickIntervalMs = options.tickIntervalMs ?? 100;
    const { app, log, writers } = options;
    validApp(app);
    for (const { topic, partitions } of app.streams) log.createTopic(topic, partitions);
    if (!log.topics.includes(deadLetters.topic)) log.createTopic(deadLetters.topic, deadLetters.partitions);
    this.#runners = app.processors.flatMap((processor) =>
      Array.from({ length: taskCount(processor) }, (_, partition) => {
        const parameters = options.parameters?.[processor.name] ?? {};
        const core = new TaskCore({ processor, partition, writers, parameters });
        return new TaskRunner(core, app.name, log, options.onCommit);
      }),
    );
    const written = new Set(
      app.processors.flatMap((p) => Object.values(p.outputs).map((output) => streamOfOutput(output).topic)),
    );
    this.#downstream = new Set(
      this.#runners.filter(({ core }) => core.sources.some((source) => written.has(source.topic))),
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
   * Resolves true once the tasks have taken all that is in the log and committed, outputs that feed other tasks included;
   * false if `timeoutMs` passed first. Tasks go on afterwards.
   */
  async drain(timeoutMs: number): Promise<boolean> {
    const { clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    for (;;) {
      const nowMs = clock.monotonicMs();
      this.#tickIfDue(nowMs);
      // Commits come first: what they make visible is fed in the same turn, so a turn that feeds nothing leaves nothing.
      for (const runner of this.#runners) runner.commit(nowMs);
      let fed = 0;
      for (const runner of this.#runners) fed += runner.pump(recordsPerTurn, nowMs);
      this.#report();
      if (fed === 0) return true;
      if (nowMs > deadlineMs) return false;
      await giveWay();
    }
  }

  /** Ends the loop after a `drain`. What was committed until then stands. */
  async stop(timeoutMs: number): Promise<boolean> {
    this.#stopping = true;
    this.#wake?.();
    await this.#loop;
    return this.drain(timeoutMs);
  }

  async #run(): Promise<void> {
    const { log, clock } = this.#options;
    const unlisten = log.onAppend(() => this.#wake?.());
    while (!this.#stopping) {
      const startMs = clock.monotonicMs();
      this.#tickIfDue(startMs);
      let fed = 0;
      for (let turn = 0; turn < this.#runners.length; turn += 1) {
        const runner = this.#runners[this.#turn]!;
        if (log.isOverfull && !this.#downstream.has(runner)) runner.pump(overfullRecordsPerTurn, startMs);
        else fed += runner.pump(recordsPerTurn, startMs);
        this.#turn = (this.#turn + 1) % this.#runners.length;
        if (clock.monotonicMs() - startMs > sliceMs) break;
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
    const wallMs = Math.floor(this.#options.clock.wallMs());
    for (const runner of this.#runners) runner.tick(wallMs, nowMs);
  }

  /** Waits for an append, at most until the next tick or commit. */
  async #idle(): Promise<void> {
    const abort = new AbortController();
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    let dueMs = this.#lastTickMs + this.#tickIntervalMs;
    for (const runner of this.#runners) dueMs = Math.min(dueMs, runner.commitDueMs(this.#commitIntervalMs));
    const { clock } = this.#options;
    await Promise.race([woken, clock.sleep(Math.max(0, dueMs - clock.monotonicMs()), abort.signal)]);
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
