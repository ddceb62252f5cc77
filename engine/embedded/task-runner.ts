/**
 * Drives one task core over the in-memory log: fetches, feeds, commits.
 *
 * I1  Outputs are appended, and input positions moved, only in `commit`, in one synchronous go: readers see all or none.
 * I2  What was fed since the last commit is dropped if the core stops on a bug; its inputs are then read by nobody, so the
 *     group gives up its place and the log can go on. Nothing is fetched, fed or committed after that.
 */
import type { LogRecord } from '../log/log.ts';
import type { MemoryLog } from '../log/memory-log.ts';
import { nextSource, SourceBuffer } from '../task/input-merge.ts';
import type { TaskCore } from '../task/task-core.ts';
import type { Commit, OutputRecord, RecordInput, Source } from '../task/task-io.ts';

/** Sees every commit of every task, in order, before the next step of that task. For recordings and metrics. */
export type CommitListener = (core: TaskCore, commit: Commit, outputs: readonly OutputRecord[]) => void;

const fetchRecords = 512;

export class TaskRunner {
  readonly core: TaskCore;
  readonly #log: MemoryLog;
  readonly #groups: readonly string[];
  readonly #onCommit: CommitListener | undefined;
  readonly #buffers: readonly SourceBuffer[];
  readonly #fetchFrom: number[];
  readonly #input: { kind: 'record'; input: number; partition: number; record: LogRecord };
  #pending: OutputRecord[] = [];
  /** Whether an input was taken since the last commit. */
  #uncommitted = false;
  #lastCommitMs = 0;
  #error: unknown;

  constructor(core: TaskCore, app: string, log: MemoryLog, onCommit?: CommitListener) {
    this.core = core;
    this.#log = log;
    this.#onCommit = onCommit;
    this.#groups = core.sources.map((source) =>
      source.table ? `${app}.${core.id}` : `${app}.${core.processor.name}`,
    );
    core.sources.forEach((source, i) => {
      log.subscribe(this.#groups[i]!, source.topic);
    });
    this.#buffers = core.sources.map(() => new SourceBuffer());
    this.#fetchFrom = core.sources.map(
      (source, i) => log.committed(this.#groups[i]!, source.topic, source.partition)?.offset ?? 0,
    );
    this.#input = { kind: 'record', input: 0, partition: 0, record: unread };
  }

  /** The error that stopped this task, if one did. */
  get error(): unknown {
    return this.#error;
  }

  /** Feeds up to `maxRecords` records; commits at once after an urgent output. Returns how many it fed. */
  pump(maxRecords: number, nowMs: number): number {
    if (this.#error !== undefined) return 0;
    let fed = 0;
    try {
      for (; fed < maxRecords; fed += 1) {
        if (this.#stopped()) break; // an urgent commit may have failed
        this.#fetch();
        const index = nextSource(this.#buffers);
        if (index < 0) break;
        this.#feed(index, nowMs);
      }
    } catch (error) {
      this.#fail(error);
    }
    return fed;
  }

  tick(wallMs: number, nowMs: number): void {
    if (this.#error !== undefined) return;
    try {
      this.#fetch();
      this.#uncommitted = true;
      const effects = this.core.step({
        kind: 'tick',
        wallMs,
        caughtUp: (source) => this.#buffers[source]!.isEmpty,
      });
      for (const output of effects.outputs) this.#pending.push(output);
      if (effects.urgent) this.commit(nowMs);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** When the next commit is due, on the clock of `nowMs`; Infinity while there is nothing to commit. */
  commitDueMs(intervalMs: number): number {
    return this.#uncommitted ? this.#lastCommitMs + intervalMs : Infinity;
  }

  /** Commits if the interval has passed since the last commit. */
  commitIfDue(nowMs: number, intervalMs: number): void {
    if (nowMs >= this.commitDueMs(intervalMs)) this.commit(nowMs);
  }

  commit(nowMs: number): void {
    if (this.#error !== undefined) return;
    this.#lastCommitMs = nowMs;
    this.#uncommitted = false;
    try {
      const commit = this.core.prepare();
      if (commit === null) return;
      const outputs = this.#pending;
      this.#pending = [];
      this.#log.append(outputs);
      this.core.sources.forEach((source, i) => {
        const next = this.core.nextOffset(i);
        if (next !== undefined) this.#log.commit(this.#groups[i]!, source.topic, source.partition, next);
      });
      this.core.committed();
      this.#onCommit?.(this.core, commit, outputs);
    } catch (error) {
      this.#fail(error);
    }
  }

  #stopped(): boolean {
    return this.#error !== undefined;
  }

  #feed(index: number, nowMs: number): void {
    const source = this.core.sources[index]!;
    this.#input.input = source.input;
    this.#input.partition = source.partition;
    this.#input.record = this.#buffers[index]!.take();
    this.#uncommitted = true;
    const effects = this.core.step(this.#input satisfies RecordInput);
    if (effects.outputs.length === 0) return;
    for (const output of effects.outputs) this.#pending.push(output);
    if (effects.urgent) this.commit(nowMs);
  }

  #fetch(): void {
    for (let i = 0; i < this.#buffers.length; i += 1) {
      const buffer = this.#buffers[i]!;
      if (!buffer.isEmpty) continue;
      const source: Source = this.core.sources[i]!;
      if (this.#log.endOffset(source.topic, source.partition) <= this.#fetchFrom[i]!) continue;
      const records = this.#log.read(source.topic, source.partition, this.#fetchFrom[i]!, fetchRecords);
      buffer.fill(records);
      this.#fetchFrom[i] = records[records.length - 1]!.offset + 1;
    }
  }

  /** Stops this task for good. A group that several tasks share is left by giving up this task's partitions only. */
  #fail(error: unknown): void {
    this.#error = error;
    this.#pending = [];
    this.#uncommitted = false;
    this.core.sources.forEach((source, i) => {
      this.#log.abandon(this.#groups[i]!, source.topic, source.partition);
    });
  }
}

const unread: LogRecord = { offset: -1, key: null, value: null, timestampMs: 0, headers: {} };
