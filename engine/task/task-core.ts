/**
 * The task core: the whole semantics of a processor's task, synchronous and without I/O. Kafka, the embedded run and
 * replays drive the same core.
 *
 * I1  What `step` does follows from the core's state and the input alone. Wall time comes in as ticks.
 * I2  Every input that `step` took is in the order journal of the same commit as its effects.
 * I3  Event-time timers at or before the new watermark fire, in (time, key, name) order, before the record that moved it.
 * I4  A record that cannot be decoded, timed, keyed or accepted becomes one dead letter with its original bytes and
 *     position; it is counted as read. A throw of a handler stops the core: nothing of the open transaction may commit.
 * I5  `prepare` gives all that must commit with the outputs since the last commit; `committed` says that it has. Between the two there
 *     is no step. Where it has not, the core is at its end: another is restored from what is committed.
 * I6  A core restored from the changelog of its commits goes on exactly as the core that wrote it.
 */
import { avroType } from '../codec/avro-type.ts';
import type { WriterSchemas } from '../codec/writer-schemas.ts';
import { EngineError } from '../engine-error.ts';
import { recordKeyIs } from '../log/record-key.ts';
import { journalChunkSchema } from '../records/generated.ts';
import { xxHash64Hex } from '../functions/xxhash64.ts';
import type { ErasedResult, Parameters, Processor } from '../topology/processor.ts';
import { eventTimeMsOf, keyOf } from '../topology/stream.ts';
import { refusalOf } from './admission.ts';
import { CallContext } from './call-context.ts';
import { identityOf } from './cloud-events.ts';
import { deepFreeze } from './freeze.ts';
import type { Clock, KeyEntry, KeyStore } from './key-store.ts';
import { bitmap, OrderJournal } from './order-journal.ts';
import { OutputBuffer } from './output-buffer.ts';
import type {
  ChangelogEntry,
  Commit,
  Effects,
  RecordInput,
  Source,
  TaskCounters,
  TaskInput,
  TickInput,
} from './task-io.ts';
import { taskPlan, type InputPlan, type TaskPlan } from './task-plan.ts';
import { TaskState } from './task-state.ts';
import type { Watermark } from './watermark.ts';

export interface TaskCoreOptions {
  readonly processor: Processor;
  /** The task's number: the partition of every input that it reads. */
  readonly partition: number;
  readonly writers: WriterSchemas;
  /** Values that replace the processor's parameters. */
  readonly parameters?: Parameters;
  /** Freezes states and events, and checks every new state at once: for tests and replays. */
  readonly strict?: boolean;
}

/** A timer handler may set its own timer again; this many firings in one step can only be a loop. */
const maxFiringsPerStep = 10_000_000;
const journalType = avroType(journalChunkSchema.schema);
const noEffects: Effects = { outputs: [], urgent: false };

export class TaskCore {
  readonly processor: Processor;
  readonly partition: number;
  readonly sources: readonly Source[];
  readonly counters: TaskCounters = {
    records: 0,
    deadLetters: 0,
    late: 0,
    duplicates: 0,
    timersFired: 0,
    outputs: 0,
  };
  readonly #plan: TaskPlan;
  readonly #strict: boolean;
  readonly #state: TaskState;
  readonly #store: KeyStore;
  readonly #watermark: Watermark;
  readonly #journal = new OrderJournal();
  readonly #output: OutputBuffer;
  readonly #at: CallContext;
  #phase: 'open' | 'preparing' | 'stopped' = 'open';

  constructor(options: TaskCoreOptions) {
    this.processor = options.processor;
    this.partition = options.partition;
    this.#strict = options.strict ?? false;
    this.#plan = taskPlan(options.processor, options.writers, options.parameters ?? {});
    this.#state = new TaskState(this.#plan, options.partition, this.#strict);
    this.#store = this.#state.keys;
    this.#watermark = this.#state.watermark;
    this.sources = this.#state.sources;
    this.#at = new CallContext(options.processor.name, this.#plan.parameters, this.#state.tableViews());
    this.#at.partition = options.partition;
    this.#output = new OutputBuffer(this.#plan, options.partition, options.writers);
  }

  /** `<processor>-<partition>`: names the transactional id and the metrics. */
  get id(): string {
    return `${this.processor.name}-${this.partition}`;
  }

  get watermarkMs(): number {
    return this.#watermark.currentMs;
  }

  get keyCount(): number {
    return this.#store.size;
  }

  /** Entries of the order journal since the last commit: a driver bounds the chunk's size by it. */
  get journalLength(): number {
    return this.#journal.length;
  }

  /** Time of the earliest wall-clock timer; Infinity when there is none. The driver ticks no later than this. */
  get nextWallTimerMs(): number {
    return this.#store.wallTimers.nextTimeMs;
  }

  /**
   * Whether a tick now would do more than note the time: fire a timer, or find an input that is not read to its end. A
   * driver whose ticks cost a commit may leave out those that do not matter, except the one before it feeds records.
   */
  tickMatters(wallMs: number, caughtUp: (source: number) => boolean): boolean {
    return (
      wallMs >= this.#store.wallTimers.nextTimeMs ||
      this.#watermark.tickMatters(wallMs, caughtUp, this.#store.eventTimers.nextTimeMs)
    );
  }

  /** Next offset to read of a source; undefined before its first record. */
  nextOffset(source: number): number | undefined {
    return this.#state.nextOffset(source);
  }

  /** Takes one input. The effects belong to the open transaction; the caller keeps them until it commits. */
  step(input: TaskInput): Effects {
    if (this.#phase !== 'open') {
      throw new EngineError(
        'task-stopped',
        `task ${this.id}: no step can be taken while it is ${this.#phase}`,
      );
    }
    try {
      if (input.kind === 'record') this.#record(input);
      else this.#tick(input);
    } catch (error) {
      this.#phase = 'stopped';
      throw error instanceof EngineError ? error : this.#bug(error);
    }
    return this.#output.isEmpty ? noEffects : this.#output.take();
  }

  /** What must commit together with the outputs since the last commit; null when there was no input since. */
  prepare(): Commit | null {
    if (this.#phase !== 'open')
      throw new EngineError('task-stopped', `task ${this.id}: cannot commit while it is ${this.#phase}`);
    if (this.#journal.isEmpty) return null;
    this.#phase = 'preparing';
    const journal = journalType.toBuffer(this.#journal.chunk(this.#state.takeJournalSeq()));
    return { changelog: this.#state.changelog(), journal, positions: this.#state.positions() };
  }

  /** The prepared commit is durable. */
  committed(): void {
    if (this.#phase !== 'preparing')
      throw new EngineError('task-stopped', `task ${this.id}: there is no prepared commit`);
    this.#state.commit();
    this.#journal.clear();
    this.#phase = 'open';
  }

  /** Loads a changelog, oldest entry first; before the first step. */
  restore(entries: Iterable<ChangelogEntry>): void {
    this.#state.restore(entries);
  }

  /**
   * As `restore`, of a changelog that has each key once, in any order: to be gone through to its end before the first step. It pauses
   * after some milliseconds of work, so that a driver can let others run.
   */
  restoring(entries: readonly ChangelogEntry[]): Generator<undefined, void> {
    return this.#state.restoring(entries);
  }

  /** The committed state as changelog entries in the order of their keys. There must be no open transaction. */
  snapshot(): readonly ChangelogEntry[] {
    if (!this.#journal.isEmpty)
      throw new EngineError('task-stopped', `task ${this.id}: a snapshot needs a committed state`);
    return this.#state.snapshot();
  }

  #record({ input, partition, record }: RecordInput): void {
    const plan = this.#plan.inputs[input];
    if (plan === undefined) throw new EngineError('out-of-order', `task ${this.id} has no input ${input}`);
    if (this.#watermark.wallMs === -Infinity)
      throw new EngineError('out-of-order', `task ${this.id}: a driver has to tick before the first record`);
    this.#state.take(input, partition, record.offset);
    this.#journal.record(input, partition, record.offset);
    this.counters.records += 1;
    const at = this.#at;
    at.topic = plan.stream.topic;
    at.partition = partition;
    at.offset = record.offset;
    at.timer = '';
    this.#output.begin();
    if (plan.handler === undefined) this.#tableRecord(plan, input, record);
    else this.#streamRecord(plan, input, record);
    at.partition = this.partition;
  }

  #streamRecord(plan: InputPlan, input: number, record: RecordInput['record']): void {
    const { value } = record;
    if (value === null || recordKeyIs(record, null)) {
      this.#watermark.touch(input);
      this.#deadLetter(
        record,
        value === null ? 'tombstone' : 'no-key',
        `the record has no ${value === null ? 'value' : 'key'}`,
      );
      return;
    }
    let event: object;
    try {
      event = plan.codec.decode(value) as object;
    } catch (error) {
      this.#watermark.touch(input);
      this.#deadLetter(record, codeOf(error), messageOf(error));
      return;
    }
    const refusal = refusalOf(plan, event, record, this.#watermark.wallMs);
    if (refusal !== undefined) {
      this.#watermark.touch(input);
      this.#deadLetter(record, refusal.code, refusal.reason);
      return;
    }
    const key = keyOf(plan.stream, event);
    const eventTimeMs = eventTimeMsOf(plan.stream, event);
    const watermarkMs = this.#watermark.record(input, eventTimeMs);
    if (watermarkMs >= this.#store.eventTimers.nextTimeMs) {
      this.#fire('event', watermarkMs, `${plan.stream.topic}/${record.offset}`);
      this.#at.topic = plan.stream.topic;
      this.#at.offset = record.offset;
      this.#at.timer = '';
      this.#output.begin();
    }
    this.#handle(plan, record, event, key, eventTimeMs, watermarkMs);
  }

  #handle(
    plan: InputPlan,
    record: RecordInput['record'],
    event: object,
    key: string,
    eventTimeMs: number,
    watermarkMs: number,
  ): void {
    const at = this.#at;
    at.key = key;
    const entry = this.#store.entry(key);
    if (plan.deduplicateLast > 0 && this.#isDuplicate(plan, entry, record)) return;
    const late = eventTimeMs < watermarkMs;
    if (late) {
      this.counters.late += 1;
      const policy = this.processor.late;
      if (policy === 'drop') return;
      if (policy !== 'handle') {
        const note = policy.as(event, { input: plan.name, eventTimeMs, watermarkMs, cause: at.cause });
        this.#output.emit({ to: policy.to, value: note }, at);
        return;
      }
    }
    at.eventTimeMs = eventTimeMs;
    at.watermarkMs = watermarkMs;
    at.wallMs = this.#watermark.wallMs;
    at.late = late;
    if (this.#strict) deepFreeze(event);
    const state = entry.state === undefined ? this.processor.state.initial(key) : entry.state;
    let result: ErasedResult | undefined;
    try {
      result = plan.handler!(this.#strict ? deepFreeze(state) : state, event, at);
    } catch (error) {
      throw this.#bug(error);
    }
    if (result === undefined) return;
    if (result.reject !== undefined) this.#deadLetter(record, 'rejected', result.reject);
    else this.#apply(entry, result);
  }

  #isDuplicate(plan: InputPlan, entry: KeyEntry, record: RecordInput['record']): boolean {
    const identity = identityOf(record.headers);
    if (identity === undefined) return false;
    const prefix = `${plan.name}:`;
    const seen = prefix + xxHash64Hex(identity);
    if (entry.seen.includes(seen)) {
      this.counters.duplicates += 1;
      return true;
    }
    let excess = 1 - plan.deduplicateLast;
    for (const one of entry.seen) if (one.startsWith(prefix)) excess += 1;
    const kept = entry.seen.filter((one) => {
      if (excess <= 0 || !one.startsWith(prefix)) return true;
      excess -= 1;
      return false;
    });
    this.#store.setSeen(entry, [...kept, seen]);
    return false;
  }

  #tableRecord(plan: InputPlan, input: number, record: RecordInput['record']): void {
    const table = this.#state.table(input);
    if (record.key === null) {
      this.#deadLetter(record, 'no-key', 'a row of a table has no key');
      return;
    }
    if (record.value === null) {
      table.put(record.key.toString('utf8'), undefined);
      return;
    }
    try {
      const row = plan.codec.decode(record.value);
      table.put(record.key.toString('utf8'), this.#strict ? deepFreeze(row) : row);
    } catch (error) {
      this.#deadLetter(record, codeOf(error), messageOf(error));
    }
  }

  #tick({ wallMs, caughtUp }: TickInput): void {
    this.#journal.tick(wallMs, bitmap(this.sources.length, caughtUp));
    const watermarkMs = this.#watermark.tick(wallMs, caughtUp);
    const trigger = `tick-${this.#state.ticks}`;
    this.#state.ticks += 1;
    this.#fire('event', watermarkMs, trigger);
    this.#fire('wall', this.#watermark.wallMs, trigger);
  }

  /** @param trigger what let the timers fire: a record's position, or the number of a tick */
  #fire(clock: Clock, limitMs: number, trigger: string): void {
    const at = this.#at;
    let fired = 0;
    for (
      let timer = this.#store.takeDue(clock, limitMs);
      timer !== undefined;
      timer = this.#store.takeDue(clock, limitMs)
    ) {
      const { key, name, timeMs } = timer;
      fired += 1;
      if (fired > maxFiringsPerStep) {
        throw new EngineError(
          'handler-bug',
          `task ${this.id}: timer '${name}' of key '${key}' sets itself again without end at ${timeMs}`,
        );
      }
      const entry = this.#store.entry(key);
      at.key = key;
      at.eventTimeMs = timeMs;
      at.watermarkMs = this.#watermark.currentMs;
      at.wallMs = this.#watermark.wallMs;
      at.late = false;
      at.topic = '';
      at.offset = -1;
      at.timer = name;
      at.trigger = trigger;
      this.#output.begin();
      const handler = this.processor.timers[name];
      if (handler === undefined) continue; // A timer of an older version of the processor: nothing is left to run.
      const state = entry.state === undefined ? this.processor.state.initial(key) : entry.state;
      let result: ErasedResult | undefined;
      try {
        result = handler.fire(this.#strict ? deepFreeze(state) : state, at);
      } catch (error) {
        throw this.#bug(error);
      }
      if (result?.reject !== undefined) {
        throw new EngineError(
          'handler-bug',
          `task ${this.id}: timer '${name}' of key '${key}' rejects, but there is no record to reject`,
        );
      }
      if (result !== undefined) this.#apply(entry, result);
    }
    this.counters.timersFired += fired;
  }

  #bug(error: unknown): EngineError {
    return new EngineError(
      'handler-bug',
      `task ${this.id}: a handler threw at ${this.#at.cause} (key '${this.#at.key}'): ${messageOf(error)}`,
      { cause: error },
    );
  }

  #apply(entry: KeyEntry, result: ErasedResult): void {
    const { state, emit, timers } = result;
    if (state === null) this.#store.setState(entry, undefined);
    else if (state !== undefined && state !== entry.state) {
      if (this.#strict) this.#state.checkState(entry.key, state);
      this.#store.setState(entry, state);
    }
    if (timers !== undefined) {
      for (const change of timers) {
        if ('set' in change) {
          this.#store.setTimer(entry, change.set, this.#timerTime(entry, change.set, change.atMs));
        } else this.#store.clearTimer(entry, change.clear);
      }
    }
    if (emit !== undefined) {
      for (const emission of emit) {
        this.#output.emit(emission, this.#at);
        this.counters.outputs += 1;
      }
    }
  }

  #timerTime(entry: KeyEntry, name: string, atMs: number): number {
    if (this.processor.timers[name] === undefined) {
      throw new EngineError(
        'handler-bug',
        `task ${this.id}: timer '${name}' of key '${entry.key}' was set, but the processor declares no such timer`,
      );
    }
    const timeMs = Math.ceil(atMs);
    if (Number.isSafeInteger(timeMs)) return timeMs;
    throw new EngineError(
      'handler-bug',
      `task ${this.id}: timer '${name}' of key '${entry.key}' was set for ${atMs}, which is no time`,
    );
  }

  #deadLetter(record: RecordInput['record'], code: string, reason: string): void {
    this.counters.deadLetters += 1;
    this.#output.deadLetter(record, code, reason, this.#at, this.#watermark.wallMs);
  }
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'undecodable';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
