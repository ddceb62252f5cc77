/**
 * Writes that wait for the store's thread: one transaction at a time, and what comes meanwhile goes together into the next.
 *
 * I1  Each write is in one transaction as a whole, and the transactions are in the order of the writes: at any time the file
 *     has a prefix of them, with the newest offset that came with one of these.
 * I2  After a failure nothing is written any more, and every write is refused with that failure.
 * I3  Building a transaction takes the main thread some 1 us for each entry; no transaction joins writes beyond
 *     `joinedEntries` (a larger single write is one all the same).
 */
import type { EngineError } from '../../engine-error.ts';
import type { ChangelogEntry } from '../../task/task-io.ts';

const joinedEntries = 4_000;
const joinedBytes = 4 * 1024 * 1024;

/** Writes that go into one transaction. */
export interface Joined {
  /** The last entry of each key, by the key as latin1. */
  readonly entries: ReadonlyMap<string, ChangelogEntry>;
  /** Undefined when no write of it brought one. */
  readonly offset: number | undefined;
  /** The newest that came with one of its writes: in milliseconds since 1970; undefined as with the offset. */
  readonly completeAtMs: number | undefined;
}

class Group implements Joined {
  readonly entries = new Map<string, ChangelogEntry>();
  offset: number | undefined;
  completeAtMs: number | undefined;
  bytes = 0;
  readonly done: Promise<void>;
  resolve!: () => void;
  reject!: (error: EngineError) => void;

  constructor() {
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Who does not wait for a write learns of a failure by the next one.
    this.done.catch(() => undefined);
  }

  add(
    entries: readonly ChangelogEntry[],
    offset: number | undefined,
    completeAtMs: number | undefined,
  ): void {
    for (const entry of entries) {
      this.entries.set(entry.key.toString('latin1'), entry);
      this.bytes += entry.key.length + (entry.value?.length ?? 0);
    }
    this.offset = offset ?? this.offset;
    this.completeAtMs = completeAtMs ?? this.completeAtMs;
  }

  get isFull(): boolean {
    return this.entries.size >= joinedEntries || this.bytes >= joinedBytes;
  }
}

export class WriteQueue {
  /** How long a write may wait for others to join it, unless somebody asks for `flushed`. */
  joinMs = 0;
  readonly #commit: (joined: Joined) => Promise<void>;
  readonly #groups: Group[] = [];
  #running = false;
  #hurried = false;
  #timer: NodeJS.Timeout | undefined;
  #failure: EngineError | undefined;

  /** @param commit rejects with an EngineError only */
  constructor(commit: (joined: Joined) => Promise<void>) {
    this.#commit = commit;
  }

  get failure(): EngineError | undefined {
    return this.#failure;
  }

  /** Not yet in the file, oldest first. */
  get waiting(): readonly Joined[] {
    return this.#groups;
  }

  /** Entries are kept as they are until they are written: do not change them. */
  write(
    entries: readonly ChangelogEntry[],
    offset: number | undefined,
    completeAtMs?: number,
  ): Promise<void> {
    if (this.#failure !== undefined) return refused(this.#failure);
    let group = this.#groups.at(-1);
    // The first one may be with the store already.
    if (group === undefined || group.isFull || (this.#running && this.#groups.length === 1)) {
      group = new Group();
      this.#groups.push(group);
    }
    group.add(entries, offset, completeAtMs);
    this.#schedule();
    return group.done;
  }

  /** Resolves when all that was written before is in the file. */
  flushed(): Promise<void> {
    if (this.#failure !== undefined) return refused(this.#failure);
    const last = this.#groups.at(-1);
    if (last === undefined) return Promise.resolve();
    this.#hurried = true;
    this.#schedule();
    return last.done;
  }

  #schedule(): void {
    if (this.#running || this.#groups.length === 0) return;
    if (this.joinMs === 0 || this.#hurried || this.#groups.length > 1 || this.#groups[0]!.isFull) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      void this.#run();
    } else {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        if (!this.#running && this.#groups.length > 0) void this.#run();
      }, this.joinMs).unref();
    }
  }

  /** Commits the oldest group. */
  async #run(): Promise<void> {
    this.#running = true;
    const [group] = this.#groups as [Group, ...Group[]];
    try {
      await this.#commit(group);
      this.#groups.shift();
      group.resolve();
    } catch (error) {
      this.#failure = error as EngineError;
      for (const each of this.#groups.splice(0)) each.reject(this.#failure);
    }
    this.#running = false;
    if (this.#groups.length === 0) this.#hurried = false;
    this.#schedule();
  }
}

function refused(failure: EngineError): Promise<never> {
  const refusal = Promise.reject(failure);
  refusal.catch(() => undefined);
  return refusal;
}
