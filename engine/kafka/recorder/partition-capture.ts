/**
 * Takes one partition over, from an offset up to an end that may move on, as its records come.
 *
 * I1  Nothing beyond the end is waited for; what was fetched with the rest may be given too.
 * I2  It ends when its last end is reached, also where control records or compaction leave no record to see there.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '../../engine-error.ts';
import type { LogRecord } from '../../log/log.ts';
import type { PartitionReader } from '../reader/partition-reader.ts';

const recordsPerTurn = 1_000;
const pollMs = 20;

export class PartitionCapture {
  /** Offset that it began with. */
  readonly from: number;
  readonly #reader: PartitionReader;
  readonly #onRecords: (records: readonly LogRecord[]) => Promise<void> | void;
  #end: number;
  #isLast = false;
  /** Ends the wait at hand. */
  #wake: () => void = () => undefined;

  /** @param end offset before which records are wanted; Infinity for all as they come */
  constructor(
    reader: PartitionReader,
    end: number,
    onRecords: (records: readonly LogRecord[]) => Promise<void> | void,
  ) {
    this.#reader = reader;
    this.from = reader.position;
    this.#end = end;
    this.#onRecords = onRecords;
  }

  /** `<topic>/<partition>` */
  get name(): string {
    return `${this.#reader.topic}/${this.#reader.partition}`;
  }

  get isComplete(): boolean {
    return this.#isLast && this.#reader.position >= this.#end;
  }

  /** Wants all before `end` too. */
  extendTo(end: number): void {
    if (end <= this.#end) return;
    this.#end = end;
    this.#wake();
  }

  /** Makes `end`, or what was wanted if that is finite and later, the last end. */
  finishAt(end: number): void {
    this.#end = this.#end === Infinity ? end : Math.max(this.#end, end);
    this.#isLast = true;
    this.#wake();
  }

  /** Resolves when the last end is reached. @throws EngineError `recording`, or of the reader; the reason of `signal` */
  async run(signal: AbortSignal): Promise<void> {
    // All partitions of a window listen to it, each once: Node takes more than ten for a leak, and says so on stderr.
    setMaxListeners(0, signal);
    for (;;) {
      signal.throwIfAborted();
      if (this.isComplete) return;
      const records = this.#reader.position < this.#end ? this.#take() : [];
      if (records.length > 0) await this.#onRecords(records);
      else await this.#wait(signal);
    }
  }

  #take(): readonly LogRecord[] {
    try {
      return this.#reader.take(recordsPerTurn);
    } catch (cause) {
      if (!(cause instanceof EngineError) || cause.code !== 'offset-out-of-range') throw cause;
      throw new EngineError(
        'recording',
        `${cause.message}. The window needs them: record sooner, or have the topic keep its records longer (retention.ms)`,
        { cause },
      );
    }
  }

  /** Nothing of a wait is left behind where it was: there are many in a long window. */
  async #wait(signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    this.#wake = () => {
      over.abort();
    };
    signal.addEventListener('abort', this.#wake);
    const isWanted = this.#reader.position < this.#end;
    const waits = [isWanted ? this.#reader.waitForData(over.signal) : aborted(over.signal)];
    // What is left may be control records, which come without data.
    if (this.#isLast) waits.push(sleep(pollMs, undefined, { signal: over.signal }).catch(() => undefined));
    await Promise.race(waits);
    signal.removeEventListener('abort', this.#wake);
    over.abort();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener(
      'abort',
      () => {
        resolve();
      },
      { once: true },
    );
  });
}
