/**
 * Whether a decoded record may reach its handler. What may not becomes a dead letter: a bad record never stops a task.
 *
 * I1  An admitted event has a key equal to the record's and an event time that a date can hold, not far ahead of the clock.
 */
import type { LogRecord } from '../log/log.ts';
import { recordKeyIs } from '../log/record-key.ts';
import { eventTimeMsOf, keyOf } from '../topology/stream.ts';
import type { InputPlan } from './task-plan.ts';

export interface Refusal {
  readonly code: 'bad-key' | 'key-mismatch' | 'bad-time' | 'time-ahead';
  readonly reason: string;
}

/** ECMA-262, "Time Values and Time Range": a Date holds this many milliseconds either side of the epoch. */
const maxTimeMs = 8.64e15;

/** Why an event is refused; undefined when it is not. `wallMs` is -Infinity before the task's first tick. */
export function refusalOf(
  plan: InputPlan,
  event: object,
  record: LogRecord,
  wallMs: number,
): Refusal | undefined {
  const { stream, maxAheadMs } = plan;
  let eventKey: string;
  try {
    eventKey = keyOf(stream, event);
  } catch (error) {
    return { code: 'bad-key', reason: error instanceof Error ? error.message : String(error) };
  }
  if (!recordKeyIs(record, eventKey)) {
    return {
      code: 'key-mismatch',
      reason: `the record's key is '${record.key?.toString('utf8') ?? ''}', its field '${stream.key.field}' says '${eventKey}'`,
    };
  }
  const time = (event as Record<string, unknown>)[stream.time.field];
  const eventTimeMs = eventTimeMsOf(stream, event);
  if (typeof time !== 'number' || !(Math.abs(eventTimeMs) <= maxTimeMs)) {
    return { code: 'bad-time', reason: `field '${stream.time.field}' (${String(time)}) is no time` };
  }
  if (eventTimeMs > wallMs + maxAheadMs) {
    return {
      code: 'time-ahead',
      reason: `field '${stream.time.field}' (${new Date(eventTimeMs).toISOString()}) is more than ${maxAheadMs} ms ahead of the clock`,
    };
  }
  return undefined;
}
