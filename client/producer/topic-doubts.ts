/**
 * What brokers say against topics and is not believed at once: just after a topic was created, or was given more partitions, some
 * of them have not heard of it.
 */

/** How long they may take. */
const doubtMs = 1_500;

export class TopicDoubts {
  readonly #sinceMs = new Map<string, number>();

  /** Takes in what a look has shown: whether the topic is told to be less than it may be. Returns whether that is in doubt. */
  isDoubtful(topic: string, isLess: boolean, nowMs: number): boolean {
    const sinceMs = this.#sinceMs.get(topic) ?? nowMs;
    const isDoubtful = isLess && nowMs - sinceMs < doubtMs;
    if (isDoubtful) this.#sinceMs.set(topic, sinceMs);
    else this.#sinceMs.delete(topic);
    return isDoubtful;
  }
}
