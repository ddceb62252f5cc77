/**
 * Where a task's state lies on this host between its lives, as the driver needs it. The changelog is what counts; a store only
 * saves reading it again.
 */
import type { ChangelogEntry } from '../../task/task-io.ts';

export interface StateStore {
  /** Everything in the changelog before this offset is in the store; more may be. 0 when it is new. */
  readonly offset: number;
  /** Each key once, in no particular order. */
  entries(): Iterable<ChangelogEntry>;
  /**
   * Applies entries (null deletes) in order, all or none, together with an offset that holds from then on. `completeAtMs`: a time
   * (of `Date.now()`) whose changelog is then in the store as a whole; without one a store grows old.
   * Rejects when the store is broken; it then keeps what it had, and refuses all later writes.
   */
  write(entries: readonly ChangelogEntry[], offset?: number, completeAtMs?: number): Promise<void>;
  /** Says that it now has all of the changelog, and that what follows are this task's own commits. */
  restored(): void;
  /** Begins again with nothing in it. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

/**
 * For tasks that keep nothing on disk: it holds entries until they are loaded, and forgets what comes after.
 *
 * I1  What it holds are copies: a key's state lives as long as the task, and what is written is a part of a batch of the changelog,
 *     of which nothing else may be of use any more.
 */
export class VolatileStore implements StateStore {
  readonly offset = 0;
  /** Values by key, each byte of it a character. */
  #entries: Map<string, Buffer> | undefined = new Map();

  *entries(): Generator<ChangelogEntry> {
    const loaded = this.#entries ?? [];
    this.#entries = undefined;
    // Copied again: what is left may be a small part of the memory that it was copied into among what is gone.
    for (const [key, value] of loaded) yield { key: Buffer.from(key, 'latin1'), value: Buffer.from(value) };
  }

  write(entries: readonly ChangelogEntry[]): Promise<void> {
    if (this.#entries !== undefined) {
      for (const entry of entries) {
        const key = entry.key.toString('latin1');
        if (entry.value === null) this.#entries.delete(key);
        else this.#entries.set(key, Buffer.from(entry.value));
      }
    }
    return Promise.resolve();
  }

  restored(): void {
    // Nothing is kept from here on.
  }

  clear(): Promise<void> {
    this.#entries = new Map();
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
