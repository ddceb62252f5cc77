/**
 * What-if replays: outputs of a changed processor in place of its recorded ones, downstream.
 *
 * I1  An output that is as recorded keeps its place and its offset; one that has only another value takes those of the
 *     recorded output of the same key and time. So what the change does not touch stays the same to the byte, as far as
 *     no output is new (a new one needs an offset of its own and moves those behind it).
 * I2  A new output comes before the first journalled record or tick that is later than it.
 */
import type { LogRecord } from '../log/log.ts';
import { partitionOf } from '../log/murmur2.ts';
import type { OutputRecord, RecordInput, TaskInput } from '../task/task-io.ts';
import { streamOfOutput } from '../topology/app.ts';
import type { Processor } from '../topology/processor.ts';
import { contentOf } from './compare-outputs.ts';
import type { Recording } from './recording-reader.ts';

/** A record of a changed topic. */
interface Substitute {
  readonly record: LogRecord;
  /** Offset of the recorded one whose place it takes; undefined for a new one. */
  readonly recordedOffset: number | undefined;
}

/** Changed topics: `<topic>/<partition>` to its records in order. */
export type Substitutes = Map<string, readonly Substitute[]>;

/**
 * Puts a changed processor's outputs in place of its recorded ones, in every topic that it writes. `isReplaced` tells which those
 * are: the processor's own of the recorded window.
 */
export async function substituteOutputs(
  recording: Recording,
  processor: Processor,
  outputs: readonly OutputRecord[],
  isReplaced: (record: LogRecord) => boolean,
  substitutes: Substitutes,
): Promise<void> {
  const isOwn = ({ record }: Substitute): boolean => isReplaced(record);
  for (const { topic, partitions } of new Set(Object.values(processor.outputs).map(streamOfOutput))) {
    for (let p = 0; p < partitions; p += 1) {
      const place = `${topic}/${p}`;
      const base = substitutes.get(place) ?? (await recording.records(topic, p)).map(asRecorded);
      const fresh = outputs.filter((o) => o.topic === topic && partitionOf(o.key, partitions) === p);
      const { paired, added } = pair(base.filter(isOwn), fresh);
      const kept = base.flatMap((entry) => {
        if (!isOwn(entry)) return [entry];
        const output = paired.get(entry);
        return output === undefined ? [] : [{ ...entry, record: { ...output, offset: entry.record.offset } }];
      });
      substitutes.set(place, renumbered(mergedByTime(kept, added), base[0]?.record.offset ?? 0));
    }
  }
}

function asRecorded(record: LogRecord): Substitute {
  return { record, recordedOffset: record.offset };
}

/** Finds for recorded outputs the fresh ones that take their places: first of the same content, then of the same key and time. */
function pair(
  recorded: readonly Substitute[],
  fresh: readonly OutputRecord[],
): { readonly paired: ReadonlyMap<Substitute, OutputRecord>; readonly added: readonly OutputRecord[] } {
  const paired = new Map<Substitute, OutputRecord>();
  let rest = fresh;
  for (const idOf of [contentOf, keyAndTimeOf]) {
    const waiting = new Map<string, OutputRecord[]>();
    for (const output of rest) {
      const id = idOf(output);
      const list = waiting.get(id);
      if (list === undefined) waiting.set(id, [output]);
      else list.push(output);
    }
    const topic = rest[0]?.topic ?? '';
    for (const entry of recorded) {
      if (paired.has(entry)) continue;
      const { key, ...record } = entry.record;
      const output = waiting.get(idOf({ ...record, topic, key: key ?? Buffer.alloc(0) }))?.shift();
      if (output !== undefined) paired.set(entry, output);
    }
    const used = new Set(paired.values());
    rest = rest.filter((output) => !used.has(output));
  }
  return { paired, added: rest };
}

function keyAndTimeOf({ key, timestampMs }: OutputRecord): string {
  return `${timestampMs} ${key.toString('latin1')}`;
}

function mergedByTime(kept: readonly Substitute[], added: readonly OutputRecord[]): readonly Substitute[] {
  const waiting = [...added].sort((a, b) => a.timestampMs - b.timestampMs);
  const merged: Substitute[] = [];
  let next = 0;
  const addUntil = (timeMs: number): void => {
    for (; next < waiting.length && waiting[next]!.timestampMs < timeMs; next += 1)
      merged.push({ record: { ...waiting[next]!, offset: -1 }, recordedOffset: undefined });
  };
  for (const entry of kept) {
    addUntil(entry.record.timestampMs);
    merged.push(entry);
  }
  addUntil(Infinity);
  return merged;
}

function renumbered(entries: readonly Substitute[], from: number): readonly Substitute[] {
  let next = from;
  return entries.map(({ record, recordedOffset }) => {
    const offset = Math.max(next, recordedOffset ?? next);
    next = offset + 1;
    return { record: { ...record, offset }, recordedOffset };
  });
}

/** The substitutes that a task takes from one of its sources: new ones, and those whose recorded ones it took. */
interface Lane {
  readonly input: number;
  readonly partition: number;
  readonly entries: readonly Substitute[];
  /** Index of an entry by its recorded offset. */
  readonly indexOf: ReadonlyMap<number, number>;
  next: number;
}

/**
 * A task's steps with the records of changed topics replaced. `topics` are the topics of its inputs, then of its tables.
 */
export function withSubstitutes(
  journalled: readonly TaskInput[],
  topics: readonly string[],
  sources: readonly { readonly input: number; readonly partition: number }[],
  substitutes: Substitutes,
): readonly TaskInput[] {
  const lanes = new Map<string, Lane>();
  for (const { input, partition } of sources) {
    const all = substitutes.get(`${topics[input]!}/${partition}`);
    if (all !== undefined) lanes.set(`${input}/${partition}`, laneOf(journalled, input, partition, all));
  }
  if (lanes.size === 0) return journalled;
  const steps: TaskInput[] = [];
  for (const step of journalled) {
    addDue(steps, lanes, timeOf(step));
    const lane = step.kind === 'record' ? lanes.get(`${step.input}/${step.partition}`) : undefined;
    if (lane === undefined || step.kind === 'tick') {
      steps.push(step);
      continue;
    }
    const index = lane.indexOf.get(step.record.offset);
    if (index === undefined) continue;
    while (lane.next <= index) steps.push(takeFrom(lane));
  }
  addDue(steps, lanes, Infinity);
  return steps;
}

function laneOf(
  journalled: readonly TaskInput[],
  input: number,
  partition: number,
  all: readonly Substitute[],
): Lane {
  const taken = new Set<number>();
  for (const step of journalled) {
    if (step.kind === 'record' && step.input === input && step.partition === partition)
      taken.add(step.record.offset);
  }
  const entries = all.filter((one) => one.recordedOffset === undefined || taken.has(one.recordedOffset));
  const indexOf = new Map<number, number>();
  entries.forEach(({ recordedOffset }, i) => {
    if (recordedOffset !== undefined) indexOf.set(recordedOffset, i);
  });
  return { input, partition, entries, indexOf, next: 0 };
}

function takeFrom(lane: Lane): RecordInput {
  const { record } = lane.entries[lane.next]!;
  lane.next += 1;
  return { kind: 'record', input: lane.input, partition: lane.partition, record };
}

/** Takes the new records that are earlier than `timeMs` and next in their lanes, in the order of time. */
function addDue(steps: TaskInput[], lanes: ReadonlyMap<string, Lane>, timeMs: number): void {
  for (;;) {
    let due: Lane | undefined;
    let dueMs = timeMs;
    for (const lane of lanes.values()) {
      const head = lane.entries[lane.next];
      if (head?.recordedOffset === undefined && head !== undefined && head.record.timestampMs < dueMs) {
        due = lane;
        dueMs = head.record.timestampMs;
      }
    }
    if (due === undefined) return;
    steps.push(takeFrom(due));
  }
}

function timeOf(step: TaskInput): number {
  return step.kind === 'tick' ? step.wallMs : step.record.timestampMs;
}
