/** One partition that a task reads: what is at hand of it, and whether there is more to come. */
import type { LogRecord } from '../../log/log.ts';
import type { PartitionReader } from '../reader/partition-reader.ts';
import type { PartitionGate } from './partition-gate.ts';

const fetchRecords = 512;

export class TaskInput {
  readonly reader: PartitionReader;
  /** Where reading began. */
  readonly start: number;
  readonly #gate: PartitionGate;
  #records: readonly LogRecord[] = [];
  #index = 0;
  /** Records before this one may be taken; those after it wait for their schema. */
  #ready = 0;
  #wasBehind = false;

  readonly #staleMs: number;

  /** @param staleMs a broker that has not answered for so long cannot say that the partition has nothing left */
  constructor(reader: PartitionReader, gate: PartitionGate, staleMs: number) {
    this.#staleMs = staleMs;
    this.reader = reader;
    this.start = reader.position;
    this.#gate = gate;
  }

  /** The record to be taken next, of those at hand. */
  get head(): LogRecord | undefined {
    return this.#index < this.#ready ? this.#records[this.#index] : undefined;
  }

  /** The offset to read from when nothing was to be kept: past all that was taken, and past what comes then and is no record. */
  get position(): number {
    return this.#records[this.#index]?.offset ?? this.reader.position;
  }

  take(): LogRecord {
    const record = this.#records[this.#index]!;
    this.#index += 1;
    return record;
  }

  /**
   * Puts records at hand when none are.
   *
   * @throws EngineError of the reader, once all before the failure is taken
   */
  refill(nowMs: number): void {
    if (this.#index < this.#ready) return;
    if (this.#index === this.#records.length) {
      this.#records = this.reader.take(fetchRecords);
      this.#index = 0;
      this.#ready = 0;
      if (this.#records.length === 0) return;
    }
    const held = this.#gate.firstHeld(this.#records, this.#index, nowMs);
    this.#ready = held < 0 ? this.#records.length : held;
  }

  /** Nothing is left to take, and the broker has said so a moment ago. */
  get isAtEnd(): boolean {
    return (
      this.#index === this.#records.length &&
      this.reader.available === 0 &&
      this.reader.isAtEnd &&
      performance.now() - this.reader.answeredAtMs < this.#staleMs
    );
  }

  /** To be called between ticks: an input found behind counts as behind at the next tick. Returns `isAtEnd`. */
  look(): boolean {
    const isAtEnd = this.isAtEnd;
    if (!isAtEnd) this.#wasBehind = true;
    return isAtEnd;
  }

  /** Whether the tick that is made now may take this input for read to its end. */
  caughtUpAtTick(): boolean {
    const isCaughtUp = this.isAtEnd && !this.#wasBehind;
    this.#wasBehind = false;
    return isCaughtUp;
  }
}
