/**
 * The task core: the whole semantics of a processor's task, synchronous and without I/O. Kafka, the embedded run and
 * replays drive the same core.
 *
 * I1  What `step` does follows from the core's state and the input alone. Wall time comes in as ticks.
 * I2  Every input that `step` took is in the order journal of the same commit as its effects.
 * I3  Event-time timers at or before the new watermark fire, in (time, key, name) order, before the record that moved it.
 * I4  A record that cannot be decoded, timed, keyed or accepted becomes one dead letter with its original bytes and
 *     position; it is counted as read. A throw of a handler stops the core: nothing of the open transaction may commit.
 * I5  `prepare` gives all that must commit with the outputs since the last commit; `committed` makes it the base,
 *     `rollback` drops it. Between `prepare` and either of them there is no step.
 * I6  A core restored from the changelog of its commits goes on exactly as the core that wrote it.
 */
import type { WriterSchemas } from '../codec/writer-schemas.ts';
import { EngineError } from '../engine-error.ts';
import { journalChunkSchema, type TaskMeta } from '../records/generated.ts';
import { avroType } from '../codec/avro-type.ts';
import type { ErasedResult, Parameters, Processor } from '../topology/processor.ts';
import { eventTimeMsOf } from '../topology/stream.ts';
import { refusalOf } from './admission.ts';
import { BroadcastTable } from './broadcast-table.ts';
import { CallContext } from './call-context.ts';
import { identityOf } from './cloud-events.ts';
import { deepFreeze } from './freeze.ts';
import { KeyStore, type Clock, type KeyEntry } from './key-store.ts';
import { bitmap, OrderJournal } from './order-journal.ts';
import { OutputBuffer } from './output-buffer.ts';
import {
  decodeMeta,
  encodeMeta,
  keyEntryKey,
  metaKey,
  parseChangelogKey,
  StateCodec,
  tableRowKey,
} from './state-codec.ts';
import type {
  ChangelogEntry,
  Commit,
  Effects,
  Position,
  RecordInput,
  Source,
  TaskCounters,
  TaskInput,
  TickInput,
} from './task-io.ts';
import { taskPlan, type InputPlan, type TaskPlan } from './task-plan.ts';
import { Watermark, type PartitionClock } from './watermark.ts';

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
  readonly #states: StateCodec;
  readonly #store: KeyStore;
  readonly #tables: readonly BroadcastTable[];
  readonly #watermark = new Watermark();
  readonly #journal = new OrderJournal();
  readonly #output: OutputBuffer;
  readonly #at: CallContext;
  /** Next offset by source index; -1 before the first record. */
  readonly #next: number[];
  /** Source index of (input, partition). */
  readonly #sourceIndex: readonly (readonly number[])[];
  #schemaWritten = false;
  /** The states restored are of an older schema: all go into the next commit. */
  #rewriting = false;
  #journalSeq = 0;
  #lateCount = 0;
  #base: TaskMeta;
  #phase: 'open' | 'preparing' | 'stopped' = 'open';

  constructor(options: TaskCoreOptions) {
    this.processor = options.processor;
    this.partition = options.partition;
    this.#strict = options.strict ?? false;
    this.#plan = taskPlan(options.processor, options.writers, options.parameters ?? {});
    this.#states = new StateCodec(options.processor.name, options.processor.state);
    this.#store = new KeyStore((timer) => this.#clockOf(timer));
    const tables = this.#plan.inputs.filter((input) => input.handler === undefined);
    this.#tables = tables.map(() => new BroadcastTable());
    this.sources = this.#plan.inputs.flatMap((input, index) => sourcesOf(input, index, options.partition));
    this.#sourceIndex = this.#plan.inputs.map((_, index) => {
      const at: number[] = [];
      this.sources.forEach((source, i) => {
        if (source.input === index) at[source.partition] = i;
      });
      return at;
    });
    for (const input of this.#plan.inputs) {
      if (input.handler !== undefined) this.#watermark.add(input.allowedLatenessMs, input.idleAfterMs);
    }
    this.#next = this.sources.map(() => -1);
    const views = Object.fromEntries(tables.map((table, i) => [table.name, this.#tables[i]!]));
    this.#at = new CallContext(options.processor.name, this.#plan.parameters, views);
    this.#at.partition = options.partition;
    this.#output = new OutputBuffer(this.#plan, options.partition, options.writers);
    this.#base = this.#meta();
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

  /** Time of the earliest wall-clock timer; Infinity when there is none. The driver ticks no later than this. */
  get nextWallTimerMs(): number {
    return this.#store.wallTimers.nextTimeMs;
  }

  /** Next offset to read of a source; undefined before its first record. */
  nextOffset(source: number): number | undefined {
    const next = this.#next[source];
    return next === undefined || next < 0 ? undefined : next;
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
    const journal = journalType.toBuffer(this.#journal.chunk(this.#journalSeq));
    this.#journalSeq += 1;
    return { changelog: this.#changelog(), journal, positions: this.#positions() };
  }

  /** The prepared commit is durable: it is the base from now on. */
  committed(): void {
    this.#expectPreparing();
    this.#store.commit();
    for (const table of this.#tables) table.commit();
    this.#schemaWritten = true;
    this.#rewriting = false;
    this.#journal.clear();
    this.#base = this.#meta();
    this.#phase = 'open';
  }

  /** Drops everything since the last commit, prepared or not. The driver goes back to the offsets of that commit. */
  rollback(): void {
    this.#store.rollback();
    for (const table of this.#tables) table.rollback();
    this.#journal.clear();
    this.#output.clear();
    this.#useMeta(this.#base);
    if (this.#rewriting) this.#touchAll();
    this.#phase = 'open';
  }

  /** Loads a changelog, oldest entry first; before the first step. */
  restore(entries: Iterable<ChangelogEntry>): void {
    const latest = new Map<string, ChangelogEntry>();
    for (const entry of entries) latest.set(entry.key.toString('latin1'), entry);
    for (const { key, value } of latest.values()) {
      if (value !== null && parseChangelogKey(key).kind === 'schema')
        this.#rewriting = this.#states.useWriter(value);
    }
    for (const { key, value } of latest.values()) {
      if (value !== null) this.#load(key, value);
    }
    this.#store.loaded();
    this.#schemaWritten = latest.size > 0 && !this.#rewriting;
    if (this.#rewriting) this.#touchAll();
    this.#base = this.#meta();
  }

  /** The committed state as changelog entries in the order of their keys. There must be no open transaction. */
  snapshot(): readonly ChangelogEntry[] {
    if (!this.#journal.isEmpty)
      throw new EngineError('task-stopped', `task ${this.id}: a snapshot needs a committed state`);
    const entries: ChangelogEntry[] = [
      this.#states.schemaEntry(),
      { key: metaKey, value: encodeMeta(this.#meta()) },
    ];
    for (const content of this.#store.contents()) {
      entries.push({ key: keyEntryKey(content.key), value: this.#states.encode(content) });
    }
    this.#tables.forEach((table, i) => {
      const plan = this.#plan.inputs[Object.keys(this.processor.inputs).length + i]!;
      for (const [key, row] of table.entries()) {
        entries.push({ key: tableRowKey(plan.name, key), value: plan.codec.encode(row) });
      }
    });
    return entries.sort((a, b) => a.key.compare(b.key));
  }

  #record({ input, partition, record }: RecordInput): void {
    const plan = this.#plan.inputs[input];
    const source = this.#sourceIndex[input]?.[partition];
    if (plan === undefined || source === undefined) {
      throw new EngineError(
        'out-of-order',
        `task ${this.id} has no input ${input} of partition ${partition}`,
      );
    }
    if (record.offset < this.#next[source]!) {
      throw new EngineError(
        'out-of-order',
        `task ${this.id}: ${plan.stream.topic}/${partition} offset ${record.offset} came after ${this.#next[source]! - 1}`,
      );
    }
    this.#next[source] = record.offset + 1;
    this.#journal.record(input, partition, record.offset);
    this.counters.records += 1;
    const at = this.#at;
    at.topic = plan.stream.topic;
    at.partition = partition;
    at.offset = record.offset;
    at.timer = '';
    if (plan.handler === undefined) this.#tableRecord(plan, input, record);
    else this.#streamRecord(plan, input, record);
    at.partition = this.partition;
  }

  #streamRecord(plan: InputPlan, input: number, record: RecordInput['record']): void {
    if (record.value === null || record.key === null) {
      this.#watermark.touch(input);
      this.#deadLetter(
        record,
        record.value === null ? 'tombstone' : 'no-key',
        `the record has no ${record.value === null ? 'value' : 'key'}`,
      );
      return;
    }
    let event: object;
    try {
      event = plan.codec.decode(record.value) as object;
    } catch (error) {
      this.#watermark.touch(input);
      this.#deadLetter(record, codeOf(error), messageOf(error));
      return;
    }
    const key = record.key.toString('utf8');
    const refusal = refusalOf(plan, event, key, this.#watermark.wallMs);
    if (refusal !== undefined) {
      this.#watermark.touch(input);
      this.#deadLetter(record, refusal.code, refusal.reason);
      return;
    }
    const eventTimeMs = eventTimeMsOf(plan.stream, event);
    const watermarkMs = this.#watermark.record(input, eventTimeMs);
    if (watermarkMs >= this.#store.eventTimers.nextTimeMs) {
      this.#fire('event', watermarkMs);
      this.#at.topic = plan.stream.topic;
      this.#at.offset = record.offset;
      this.#at.timer = '';
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
    const late = eventTimeMs < watermarkMs;
    if (late) {
      this.counters.late += 1;
      this.#lateCount += 1;
      const policy = this.processor.late;
      if (policy === 'drop') return;
      if (policy !== 'handle') {
        const note = policy.as(event, { input: plan.name, eventTimeMs, watermarkMs, cause: at.cause });
        this.#output.emit({ to: policy.to, value: note }, at);
        return;
      }
    }
    const entry = this.#store.entry(key);
    if (plan.deduplicateLast > 0 && this.#isDuplicate(plan, entry, record)) return;
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
    const prefix = `${plan.name}\n`;
    const seen = prefix + identity;
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
    const table = this.#tables[input - Object.keys(this.processor.inputs).length]!;
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
    this.#fire('event', watermarkMs);
    this.#fire('wall', this.#watermark.wallMs);
  }

  #fire(clock: Clock, limitMs: number): void {
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
      if (this.#strict) this.#states.encodeState(entry.key, state);
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

  #clockOf(timer: string): Clock {
    return this.processor.timers[timer]?.clock ?? 'event';
  }

  #deadLetter(record: RecordInput['record'], code: string, reason: string): void {
    this.counters.deadLetters += 1;
    this.#output.deadLetter(record, code, reason, this.#at, this.#watermark.wallMs);
  }

  #changelog(): ChangelogEntry[] {
    const entries: ChangelogEntry[] = [];
    if (!this.#schemaWritten) entries.push(this.#states.schemaEntry());
    for (const entry of this.#store.touched) {
      entries.push({ key: keyEntryKey(entry.key), value: this.#states.encode(entry) });
    }
    this.#tables.forEach((table, i) => {
      const plan = this.#plan.inputs[Object.keys(this.processor.inputs).length + i]!;
      for (const key of table.changedKeys()) {
        const row = table.get(key);
        entries.push({
          key: tableRowKey(plan.name, key),
          value: row === undefined ? null : plan.codec.encode(row),
        });
      }
    });
    entries.push({ key: metaKey, value: encodeMeta(this.#meta()) });
    return entries;
  }

  #positions(): Position[] {
    const positions: Position[] = [];
    this.sources.forEach((source, i) => {
      const offset = this.#next[i]!;
      if (!source.table && offset >= 0)
        positions.push({ topic: source.topic, partition: source.partition, offset });
    });
    return positions;
  }

  #meta(): TaskMeta {
    return {
      wall_ms: finiteOrNull(this.#watermark.wallMs),
      watermark_ms: finiteOrNull(this.#watermark.currentMs),
      journal_seq: this.#journalSeq,
      state_version: this.processor.state.version,
      late_count: this.#lateCount,
      partitions: this.sources.map((source, i) => {
        const clock = this.#watermark.partitions[i];
        return {
          input: source.input,
          partition: source.partition,
          max_event_time_ms: finiteOrNull(clock?.maxEventTimeMs ?? -Infinity),
          last_active_wall_ms: finiteOrNull(clock?.lastActiveWallMs ?? -Infinity),
          idle: clock?.idle ?? false,
          next_offset: this.#next[i]!,
        };
      }),
    };
  }

  #useMeta(meta: TaskMeta): void {
    this.#journalSeq = meta.journal_seq;
    this.#lateCount = meta.late_count;
    const clocks: PartitionClock[] = [];
    this.sources.forEach((source, i) => {
      const saved = meta.partitions.find((p) => p.input === source.input && p.partition === source.partition);
      this.#next[i] = saved?.next_offset ?? -1;
      const clock = this.#watermark.partitions[i];
      if (clock === undefined) return;
      clocks.push({
        allowedLatenessMs: clock.allowedLatenessMs,
        idleAfterMs: clock.idleAfterMs,
        maxEventTimeMs: saved?.max_event_time_ms ?? -Infinity,
        lastActiveWallMs: saved?.last_active_wall_ms ?? -Infinity,
        idle: saved?.idle ?? false,
      });
    });
    this.#watermark.restore(meta.watermark_ms ?? -Infinity, meta.wall_ms ?? -Infinity, clocks);
  }

  #load(key: Buffer, value: Buffer): void {
    const parsed = parseChangelogKey(key);
    switch (parsed.kind) {
      case 'key':
        this.#store.load(parsed.key, this.#states.decode(parsed.key, value));
        return;
      case 'row': {
        const offset = Object.keys(this.processor.inputs).length;
        const index = this.#plan.inputs.findIndex((input, i) => i >= offset && input.name === parsed.table);
        if (index < 0) return; // A table of an older version of the processor.
        const row = this.#plan.inputs[index]!.codec.decode(value);
        this.#tables[index - offset]!.load(parsed.key, this.#strict ? deepFreeze(row) : row);
        return;
      }
      case 'meta':
        this.#useMeta(decodeMeta(value));
        return;
      case 'schema':
        return;
    }
  }

  /** After a change of the state's schema every state is written again, under the new one. */
  #touchAll(): void {
    for (const content of [...this.#store.contents()]) {
      const entry = this.#store.entry(content.key);
      this.#store.setState(entry, entry.state);
    }
  }

  #expectPreparing(): void {
    if (this.#phase !== 'preparing')
      throw new EngineError('task-stopped', `task ${this.id}: there is no prepared commit`);
  }
}

function sourcesOf(input: InputPlan, index: number, partition: number): Source[] {
  const { topic } = input.stream;
  if (input.handler !== undefined) return [{ input: index, topic, partition, table: false }];
  return Array.from({ length: input.stream.partitions }, (_, p) => ({
    input: index,
    topic,
    partition: p,
    table: true,
  }));
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'undecodable';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
