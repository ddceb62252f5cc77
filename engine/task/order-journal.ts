/**
 * The order journal: in what sequence a task took its inputs. With the inputs it makes a replay exact.
 *
 * I1  Every record and every tick that `TaskCore.step` took is in the journal, in that sequence, and nothing else.
 * I2  Runs of adjacent offsets of one partition are one entry, so a task with one input costs a few bytes a batch.
 */
import type { JournalChunk, JournalEntry } from '../records/generated.ts';

export class OrderJournal {
  #entries: MutableEntry[] = [];
  #wallMs = 0;

  record(input: number, partition: number, offset: number): void {
    const last = this.#entries[this.#entries.length - 1];
    if (
      last?.kind === 'records' &&
      last.input === input &&
      last.partition === partition &&
      last.offset + last.count === offset
    ) {
      last.count += 1;
      return;
    }
    this.#entries.push({
      kind: 'records',
      input,
      partition,
      offset,
      count: 1,
      wall_ms: this.#wallMs,
      caught_up: noBits,
    });
  }

  tick(wallMs: number, caughtUp: Buffer): void {
    this.#wallMs = wallMs;
    this.#entries.push({
      kind: 'tick',
      input: -1,
      partition: -1,
      offset: -1,
      count: 0,
      wall_ms: wallMs,
      caught_up: caughtUp,
    });
  }

  get length(): number {
    return this.#entries.length;
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** The entries since the last `clear`, as a chunk with this sequence number. */
  chunk(seq: number): JournalChunk {
    return { seq, entries: this.#entries };
  }

  clear(): void {
    this.#entries = [];
  }
}

type MutableEntry = { -readonly [K in keyof JournalEntry]: JournalEntry[K] };

const noBits = Buffer.alloc(0);

/** One bit for each source, least significant first. */
export function bitmap(count: number, bit: (index: number) => boolean): Buffer {
  const bytes = Buffer.alloc((count + 7) >> 3);
  for (let i = 0; i < count; i += 1) {
    if (bit(i)) bytes[i >> 3]! |= 1 << (i & 7);
  }
  return bytes;
}

export function bitOf(bytes: Buffer, index: number): boolean {
  return ((bytes[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
}
