/** Records of topics whose partitions are not known yet, by topic in the order of coming. */
import { ClientError } from '../client-error.ts';
import type { QueuedRecord } from './partition-queue.ts';

export class UnplacedRecords {
  readonly #byTopic = new Map<string, QueuedRecord[]>();

  get isEmpty(): boolean {
    return this.#byTopic.size === 0;
  }

  get topics(): Iterable<string> {
    return this.#byTopic.keys();
  }

  /** Returns whether it is the first of its topic. */
  add(topic: string, record: QueuedRecord): boolean {
    const records = this.#byTopic.get(topic);
    if (records === undefined) this.#byTopic.set(topic, [record]);
    else records.push(record);
    return records === undefined;
  }

  /** Those of a topic, which are no longer kept here. */
  take(topic: string): readonly QueuedRecord[] {
    const records = this.#byTopic.get(topic) ?? [];
    this.#byTopic.delete(topic);
    return records;
  }

  /** When the oldest one came, by its clock; Infinity without one. */
  oldestMs(): number {
    let oldest = Infinity;
    for (const [first] of this.#byTopic.values()) oldest = Math.min(oldest, first!.queuedAtMs);
    return oldest;
  }

  /** Rejects what has waited for `timeoutMs`. */
  expire(nowMs: number, timeoutMs: number, why: string): void {
    for (const [topic, records] of this.#byTopic) {
      const late = records.findIndex(({ queuedAtMs }) => queuedAtMs + timeoutMs > nowMs);
      for (const { reject } of records.splice(0, late < 0 ? records.length : late))
        reject(new ClientError('not-delivered', `${topic}: not sent within ${timeoutMs} ms${why}`));
      if (records.length === 0) this.#byTopic.delete(topic);
    }
  }

  rejectAll(errorOf: (topic: string) => ClientError): void {
    for (const topic of [...this.#byTopic.keys()])
      for (const { reject } of this.take(topic)) reject(errorOf(topic));
  }
}
