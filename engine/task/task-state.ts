/**
 * All that a task keeps between inputs: states and timers of its keys, rows of its broadcast tables, watermark, positions.
 * What of it changed since the last commit, and all of it, as changelog entries.
 *
 * I1  What `changelog` gives since the last commit, applied to what `snapshot` gave then, is what `snapshot` gives now.
 * I2  `restore` of a task's changelog gives a state from which it goes on exactly as before.
 */
import { EngineError } from '../engine-error.ts';
import type { PartitionMeta, TaskMeta } from '../records/generated.ts';
import type { TableView } from '../topology/processor.ts';
import { BroadcastTable } from './broadcast-table.ts';
import { deepFreeze } from './freeze.ts';
import { KeyStore } from './key-store.ts';
import {
  decodeMeta,
  encodeMeta,
  hasTimers,
  keyEntryKey,
  metaKey,
  parseChangelogKey,
  schemaKey,
  StateCodec,
  tableRowKey,
} from './state-codec.ts';
import type { ChangelogEntry, Position, Source } from './task-io.ts';
import type { InputPlan, TaskPlan } from './task-plan.ts';
import { Watermark, type PartitionClock } from './watermark.ts';

/** Between pauses of a restore: some 5 ms. */
const entriesPerStep = 1_000;

export class TaskState {
  readonly keys: KeyStore;
  readonly watermark = new Watermark();
  /** One for each input, with the same index as the input and its clock in the watermark; then those of the tables. */
  readonly sources: readonly Source[];
  /** Ticks taken so far, by this task in all its lives. */
  ticks = 0;
  readonly #plan: TaskPlan;
  readonly #partition: number;
  readonly #freezes: boolean;
  readonly #codec: StateCodec;
  readonly #inputCount: number;
  readonly #tables: readonly BroadcastTable[];
  /** Next offset by source index; -1 before the first record. */
  readonly #next: number[];
  /** Source index of (input, partition). */
  readonly #sourceIndex: readonly (readonly number[])[];
  #schemaWritten = false;
  #journalSeq = 0;

  /** @param freezes whether rows that are loaded are frozen, for strict tasks */
  constructor(plan: TaskPlan, partition: number, freezes: boolean) {
    const { processor, inputs } = plan;
    this.#plan = plan;
    this.#partition = partition;
    this.#freezes = freezes;
    this.#codec = new StateCodec(processor.name, processor.state);
    this.keys = new KeyStore(
      (timer) => processor.timers[timer]?.clock ?? 'event',
      (key, bytes) => this.#codec.decode(key, bytes),
    );
    this.#inputCount = Object.keys(processor.inputs).length;
    this.#tables = inputs.slice(this.#inputCount).map(() => new BroadcastTable());
    this.sources = inputs.flatMap((input, index) => sourcesOf(input, index, partition));
    this.#sourceIndex = inputs.map((_, index) => {
      const at: number[] = [];
      this.sources.forEach((source, i) => {
        if (source.input === index) at[source.partition] = i;
      });
      return at;
    });
    for (const input of inputs.slice(0, this.#inputCount)) {
      this.watermark.add(input.allowedLatenessMs, input.idleAfterMs);
    }
    this.#next = this.sources.map(() => -1);
  }

  /** The table of an input index. */
  table(input: number): BroadcastTable {
    return this.#tables[input - this.#inputCount]!;
  }

  /** Tables by name, as handlers see them. */
  tableViews(): Readonly<Record<string, TableView<unknown>>> {
    return Object.fromEntries(this.#tablePlans().map(({ name }, i) => [name, this.#tables[i]!]));
  }

  nextOffset(source: number): number | undefined {
    const next = this.#next[source];
    return next === undefined || next < 0 ? undefined : next;
  }

  /** Notes that a record is taken. Throws `out-of-order` if it is not this task's, or comes again. */
  take(input: number, partition: number, offset: number): void {
    const source = this.#sourceIndex[input]?.[partition];
    if (source === undefined) throw this.#outOfOrder(input, partition, 'is not of those it reads');
    const next = this.#next[source]!;
    if (offset < next) throw this.#outOfOrder(input, partition, `offset ${offset} came after ${next - 1}`);
    this.#next[source] = offset + 1;
  }

  #outOfOrder(input: number, partition: number, what: string): EngineError {
    const { topic } = this.#plan.inputs[input]!.stream;
    const task = `task ${this.#plan.processor.name}-${this.#partition}`;
    return new EngineError('out-of-order', `${task}: ${topic}/${partition} ${what}`);
  }

  /** Throws, naming the key, if a state does not fit its schema. */
  checkState(key: string, state: unknown): void {
    this.#codec.checkState(key, state);
  }

  /** The number of the next journal chunk, which is used up by it. */
  takeJournalSeq(): number {
    this.#journalSeq += 1;
    return this.#journalSeq - 1;
  }

  /** What changed since the last commit. */
  changelog(): ChangelogEntry[] {
    const entries: ChangelogEntry[] = [];
    if (!this.#schemaWritten) entries.push(this.#codec.schemaEntry());
    for (const entry of this.keys.touched) {
      entries.push({ key: keyEntryKey(entry.key), value: this.#codec.encode(entry) });
    }
    this.#tablePlans().forEach(({ name, codec }, i) => {
      const table = this.#tables[i]!;
      for (const key of table.changedKeys()) {
        const row = table.get(key);
        entries.push({ key: tableRowKey(name, key), value: row === undefined ? null : codec.encode(row) });
      }
    });
    entries.push({ key: metaKey, value: encodeMeta(this.#meta()) });
    return entries;
  }

  /** Where the inputs go on; of tables the position is part of the state alone. */
  positions(): Position[] {
    const positions: Position[] = [];
    this.sources.forEach(({ topic, partition, table }, i) => {
      const offset = this.#next[i]!;
      if (!table && offset >= 0) positions.push({ topic, partition, offset });
    });
    return positions;
  }

  commit(): void {
    this.keys.commit();
    for (const table of this.#tables) table.commit();
    this.#schemaWritten = true;
  }

  /** Loads a changelog, oldest entry first, into a new state. */
  restore(entries: Iterable<ChangelogEntry>): void {
    const steps = this.restoring(newestOfEach(entries));
    while (steps.next().done !== true);
  }

  /** As `restore`, of a changelog that has each key once, with a pause after every thousand. */
  *restoring(entries: readonly ChangelogEntry[]): Generator<undefined, void> {
    const schema = entries.find(({ key }) => key.equals(schemaKey))?.value;
    // States of an older schema are all written again with the next commit.
    const isOlder = schema !== undefined && schema !== null && this.#codec.useWriter(schema);
    for (let i = 0; i < entries.length; i += 1) {
      const { key, value } = entries[i]!;
      if (value !== null) this.#load(key, value);
      if (i % entriesPerStep === entriesPerStep - 1) yield;
    }
    this.#schemaWritten = entries.length > 0 && !isOlder;
    if (isOlder) this.keys.touchAll();
  }

  /** The whole state in the order of changelog keys. */
  snapshot(): readonly ChangelogEntry[] {
    const entries: ChangelogEntry[] = [
      this.#codec.schemaEntry(),
      { key: metaKey, value: encodeMeta(this.#meta()) },
    ];
    for (const content of this.keys.contents()) {
      entries.push({ key: keyEntryKey(content.key), value: this.#codec.encode(content) });
    }
    this.#tablePlans().forEach(({ name, codec }, i) => {
      for (const [key, row] of this.#tables[i]!.entries()) {
        entries.push({ key: tableRowKey(name, key), value: codec.encode(row) });
      }
    });
    return entries.sort((a, b) => a.key.compare(b.key));
  }

  #tablePlans(): readonly InputPlan[] {
    return this.#plan.inputs.slice(this.#inputCount);
  }

  #load(key: Buffer, value: Buffer): void {
    const parsed = parseChangelogKey(key);
    switch (parsed.kind) {
      case 'key':
        if (hasTimers(value)) this.keys.load(parsed.key, this.#codec.decode(parsed.key, value));
        else this.keys.loadPacked(parsed.key, value);
        return;
      case 'row': {
        const index = this.#tablePlans().findIndex(({ name }) => name === parsed.table);
        if (index < 0) return; // A table of an older version of the processor.
        const row = this.#tablePlans()[index]!.codec.decode(value);
        this.#tables[index]!.load(parsed.key, this.#freezes ? deepFreeze(row) : row);
        return;
      }
      case 'meta':
        this.#useMeta(decodeMeta(value));
        return;
      case 'schema':
        return;
    }
  }

  #meta(): TaskMeta {
    return {
      wall_ms: finiteOrNull(this.watermark.wallMs),
      watermark_ms: finiteOrNull(this.watermark.currentMs),
      journal_seq: this.#journalSeq,
      ticks: this.ticks,
      partitions: this.sources.map((source, i) => this.#partitionMeta(source, i)),
    };
  }

  #partitionMeta({ topic, partition }: Source, index: number): PartitionMeta {
    const clock = this.watermark.partitions[index];
    return {
      topic,
      partition,
      max_event_time_ms: finiteOrNull(clock?.maxEventTimeMs ?? -Infinity),
      last_active_wall_ms: finiteOrNull(clock?.lastActiveWallMs ?? -Infinity),
      idle: clock?.idle ?? false,
      next_offset: this.#next[index]!,
    };
  }

  #useMeta(meta: TaskMeta): void {
    this.#journalSeq = meta.journal_seq;
    this.ticks = meta.ticks;
    const saved = this.sources.map((source) =>
      meta.partitions.find((p) => p.topic === source.topic && p.partition === source.partition),
    );
    saved.forEach((partition, i) => {
      this.#next[i] = partition?.next_offset ?? -1;
    });
    const clocks: PartitionClock[] = this.watermark.partitions.map(
      ({ allowedLatenessMs, idleAfterMs }, i) => ({
        allowedLatenessMs,
        idleAfterMs,
        maxEventTimeMs: saved[i]?.max_event_time_ms ?? -Infinity,
        lastActiveWallMs: saved[i]?.last_active_wall_ms ?? -Infinity,
        idle: saved[i]?.idle ?? false,
      }),
    );
    this.watermark.restore(meta.watermark_ms ?? -Infinity, meta.wall_ms ?? -Infinity, clocks);
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

function newestOfEach(entries: Iterable<ChangelogEntry>): readonly ChangelogEntry[] {
  const latest = new Map<string, ChangelogEntry>();
  for (const entry of entries) latest.set(entry.key.toString('latin1'), entry);
  return [...latest.values()];
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
