/**
 * Which record a task takes next: of the records at hand, the one with the smallest time; ties go to the earlier source.
 *
 * The choice depends on what has arrived, so it is no function of the topics alone: that is why it is journalled.
 * Kafka's record timestamp stands for event time here: Weir's producers set it so, and nothing is decoded twice.
 */
import type { LogRecord } from '../log/log.ts';

/** Records of one source that were fetched and not yet taken. */
export class SourceBuffer {
  #records: readonly LogRecord[] = [];
  #index = 0;

  get head(): LogRecord | undefined {
    return this.#records[this.#index];
  }

  get isEmpty(): boolean {
    return this.#index >= this.#records.length;
  }

  /** Replaces the content; the caller makes sure that the buffer was empty. */
  fill(records: readonly LogRecord[]): void {
    this.#records = records;
    this.#index = 0;
  }

  take(): LogRecord {
    const record = this.#records[this.#index]!;
    this.#index += 1;
    return record;
  }
}

/** Index of the buffer whose head goes next; -1 when all are empty. */
export function nextSource(buffers: readonly { readonly head: LogRecord | undefined }[]): number {
  let best = -1;
  let bestTimeMs = Infinity;
  for (let i = 0; i < buffers.length; i += 1) {
    const head = buffers[i]!.head;
    if (head !== undefined && (best < 0 || head.timestampMs < bestTimeMs)) {
      best = i;
      bestTimeMs = head.timestampMs;
    }
  }
  return best;
}
