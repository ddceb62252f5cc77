/**
 * Since when schemas are missing that events were written with: they are announced beside the events, and two topics are read at two
 * paces. A schema that does not come in time is waited for once, not for each of its events.
 *
 * I1  Memory is bounded: beyond so many schemas the one that was missed first is forgotten, and waited for once more.
 */
import { SINGLE_OBJECT_HEADER_BYTES } from './framing.ts';

const CONFLUENT_HEADER_BYTES = 5;

export class MissingSchemas {
  readonly #waitMs: number;
  readonly #maxMissing: number;
  /** By the frame of the events. */
  readonly #sinceMs = new Map<string, number>();

  /** @param maxMissing above the number of events of which each has to wait before the first of them is looked at again */
  constructor(waitMs: number, maxMissing: number) {
    this.#waitMs = waitMs;
    this.#maxMissing = maxMissing;
  }

  /** Whether the schema of these bytes, which are an event's with its frame, was missed `waitMs` ago first. `nowMs` never goes back. */
  isOverdue(value: Buffer, nowMs: number): boolean {
    const bytes = value[0] === 0 ? CONFLUENT_HEADER_BYTES : SINGLE_OBJECT_HEADER_BYTES;
    const id = value.toString('latin1', 0, bytes);
    const sinceMs = this.#sinceMs.get(id);
    if (sinceMs !== undefined) return nowMs - sinceMs >= this.#waitMs;
    if (this.#sinceMs.size >= this.#maxMissing) this.#sinceMs.delete(this.#sinceMs.keys().next().value!);
    this.#sinceMs.set(id, nowMs);
    return this.#waitMs <= 0;
  }
}
