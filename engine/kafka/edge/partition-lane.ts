/**
 * One partition as a subscription hears it: event after event, committed after they were handled.
 *
 * I1  One event is handled at a time; the next waits for its promise.
 * I2  What is committed was handled, so every event is heard at least once. Commits are at most `commitIntervalMs` behind
 *     while events come, and up to date when there are none.
 * I3  An unreachable broker is nothing but a delay. A handler that fails, or bytes that are no event, are reported and
 *     passed: an actuator answers for its commands itself.
 * I4  After `stop` has resolved no handler runs; what was handled is committed, unless the partition was lost.
 */
import { EngineError } from '../../engine-error.ts';
import { systemClock } from '../../log/clock.ts';
import type { LogRecord } from '../../log/log.ts';
import type { GroupMember } from '../reader/group-member.ts';
import type { KafkaReader } from '../reader/kafka-reader.ts';
import type { PartitionReader } from '../reader/partition-reader.ts';

export interface LaneConfig {
  readonly reader: KafkaReader;
  readonly member: Pick<GroupMember, 'committed' | 'commit'>;
  readonly topic: string;
  readonly partition: number;
  /** Where a group begins that has committed nothing. */
  readonly from: 'start' | 'end';
  readonly commitIntervalMs: number;
  /** Handles one record; a rejection is reported to `onFailure`. `signal` aborts when the lane is stopped. */
  readonly handle: (record: LogRecord, signal: AbortSignal) => Promise<void>;
  /** With `<topic>/<partition>/<offset>`. */
  readonly onFailure: (place: string, error: unknown) => void;
  readonly onTrouble: (error: EngineError) => void;
}

const batch = 100;
const retryPauseMs = 200;

export class PartitionLane {
  readonly #config: LaneConfig;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #isLost = false;
  /** After the last record that was handled, and what comes then and is no record; -1 before the first look. */
  #handled = -1;
  #committed = -1;
  #committedAtMs = 0;

  /** @param after what must have ended before: another lane of the partition */
  constructor(config: LaneConfig, after: Promise<void>) {
    this.#config = config;
    this.#running = after.then(() => this.#run());
  }

  /** Resolves when the lane has ended. Never rejects. */
  get ended(): Promise<void> {
    return this.#running;
  }

  /** Ends after the event under way, and commits. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** Ends after the event under way; the partition is another's, so nothing is committed. */
  lose(): void {
    this.#isLost = true;
    this.#stopping.abort();
  }

  #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #run(): Promise<void> {
    const { topic, partition } = this.#config;
    while (!this.#isStopping()) {
      try {
        await this.#read();
      } catch (error) {
        const isOutOfRange = error instanceof EngineError && error.code === 'offset-out-of-range';
        const isFinal = error instanceof EngineError && !error.retryable && !isOutOfRange;
        this.#config.onTrouble(asEngineError(`${topic}-${partition}`, error));
        // Retention was faster. What is left is heard; what is gone was told.
        if (isOutOfRange) await this.#forget();
        if (isFinal) return;
        await systemClock.sleep(retryPauseMs, this.#stopping.signal);
      }
    }
  }

  async #read(): Promise<void> {
    const { reader, topic, partition } = this.#config;
    const { signal } = this.#stopping;
    const reading = await reader.assign(topic, partition, await this.#startOffset());
    try {
      while (!this.#isStopping()) {
        await reading.waitForProgress(reading.position, signal);
        await this.#handleWhatIsHere(reading);
        await this.#commit();
      }
    } finally {
      reader.unassign(reading);
    }
  }

  async #startOffset(): Promise<number> {
    const { reader, member, topic, partition, from } = this.#config;
    if (this.#handled >= 0) return this.#handled;
    const committed = await member.committed(topic, partition);
    if (committed !== undefined) return committed.offset;
    return reader.offsetOf(topic, partition, from);
  }

  async #handleWhatIsHere(reading: PartitionReader): Promise<void> {
    const { topic, partition, commitIntervalMs, onFailure } = this.#config;
    for (const record of reading.take(batch)) {
      if (this.#isStopping()) return;
      try {
        if (record.value !== null) await this.#config.handle(record, this.#stopping.signal);
      } catch (error) {
        // Not heard: the next owner of the partition hears it.
        if (error === stopped) return;
        onFailure(`${topic}/${partition}/${record.offset}`, error);
      }
      this.#handled = record.offset + 1;
      if (performance.now() - this.#committedAtMs > commitIntervalMs) await this.#commit();
    }
    // Also past what is no record (markers, aborted ones): retention may remove it before the next one comes.
    this.#handled = reading.position;
  }

  async #commit(): Promise<void> {
    const { member, topic, partition } = this.#config;
    const offset = this.#handled;
    if (this.#isLost || offset <= this.#committed) return;
    this.#committedAtMs = performance.now();
    try {
      await member.commit(topic, partition, offset, '');
      this.#committed = offset;
    } catch (error) {
      // The next commit covers it; without one the events are heard again.
      this.#config.onTrouble(asEngineError(`${topic}-${partition}`, error));
    }
  }

  /** Goes on with the first record that is kept. */
  async #forget(): Promise<void> {
    const { reader, topic, partition, onTrouble } = this.#config;
    try {
      this.#handled = await reader.offsetOf(topic, partition, 'start');
    } catch (error) {
      onTrouble(asEngineError(`${topic}-${partition}`, error));
    }
  }
}

/** Thrown by a handler that gave a record up because its lane was stopped. */
export const stopped = new Error('the subscription was stopped');

function asEngineError(place: string, error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new EngineError('kafka-unreachable', `${place}: ${why}`, { cause: error, retryable: true });
}
