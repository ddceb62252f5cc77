/**
 * Which recorded outputs of a task belong to its window: those that were caused in it. A window recorded from a live Kafka has
 * others too, of commits before and after it.
 *
 * The `ce_id` of an output names its cause (engine/task/call-context.ts): the position of a record, or a timer and what let it
 * fire, which is the position of a record or the number of a tick. The state at the start says which positions and ticks were
 * taken before the window, the journal which were taken in it.
 *
 * I1  An id that names no cause counts as in the window: what cannot be understood must not go unseen.
 */
import { decodeMeta, metaKey } from '../task/state-codec.ts';
import type { TaskRecording } from './recording-reader.ts';

interface Span {
  from: number;
  end: number;
}

/** Tells by its `ce_id` whether an output is of the window. `inputs`: topics of the processor's inputs, then of its tables. */
export function recordedWindow(
  { partition, state, journal }: TaskRecording,
  inputs: readonly string[],
): (id: string) => boolean {
  const meta = state.find(({ key }) => key.equals(metaKey))?.value;
  const start = meta === undefined || meta === null ? undefined : decodeMeta(meta);
  const ticks: Span = { from: start?.ticks ?? 0, end: start?.ticks ?? 0 };
  const spans = new Map<string, Span>();
  for (const { topic, partition: p, next_offset } of start?.partitions ?? [])
    spans.set(`${topic}/${p}`, { from: next_offset, end: next_offset });
  for (const { kind, input, partition: p, offset, count } of journal) {
    if (kind === 'tick') {
      ticks.end += 1;
      continue;
    }
    const place = `${inputs[input] ?? ''}/${p}`;
    const span = spans.get(place);
    if (span === undefined) spans.set(place, { from: offset, end: offset + count });
    else span.end = Math.max(span.end, offset + count);
  }
  return (id) => {
    const cause = causeOf(id);
    if (cause === undefined) return true;
    if (cause.kind === 'tick') return isIn(ticks, cause.number);
    const span = spans.get(`${cause.topic}/${cause.partition ?? partition}`);
    return span !== undefined && isIn(span, cause.offset);
  };
}

const isIn = ({ from, end }: Span, number: number): boolean => number >= from && number < end;

type Cause =
  | { readonly kind: 'tick'; readonly number: number }
  /** Without a partition it is that of the task. */
  | { readonly kind: 'record'; readonly topic: string; readonly partition?: number; readonly offset: number };

/** A timer's id has its processor, partition, key (which may hold anything) and time before what let it fire. */
const ofTick = /^[^/]+\/\d+\/.*\/tick-(\d+)$/s;
const ofTimer = /^[^/]+\/\d+\/.*\/([^/]+)\/(\d+)$/s;
const ofRecord = /^([^/]+)\/(\d+)\/(\d+)$/;

function causeOf(id: string): Cause | undefined {
  const cause = id.replace(/#\d+$/, '');
  const record = ofRecord.exec(cause);
  if (record !== null)
    return { kind: 'record', topic: record[1]!, partition: Number(record[2]), offset: Number(record[3]) };
  const tick = ofTick.exec(cause);
  if (tick !== null) return { kind: 'tick', number: Number(tick[1]) };
  const timer = ofTimer.exec(cause);
  if (timer !== null) return { kind: 'record', topic: timer[1]!, offset: Number(timer[2]) };
  return undefined;
}
