/**
 * What a task keeps of its changelog on this host: its state, and up to which offset. Only a saving: the changelog is what counts,
 * and whatever is odd about a store, it is thrown away and read again from there.
 *
 * I1  At any time, SIGKILL included, the file has a prefix of the writes, and the offset of one of these (write-queue.ts, and
 *     LMDB's transactions). A reader of the changelog from that offset on, over the content, comes to the right state.
 * I2  No file is given to LMDB, or believed, that has not been walked through (verify-lmdb.ts), that another store's identity
 *     is in, that may have lost pages in a crash of the machine (shutdown-mark.ts), or that is too old.
 * I3  Too old: deletions stay in the changelog for some days only. An entry that was deleted after the store was last known to be
 *     complete would be kept for ever once the deletion is gone. So the age counts from then: the writer says when that was, or
 *     it is when the store began. It is never when a write reaches the file, for a process may be frozen before.
 * I4  One process at a time (directory-claim.ts).
 * I5  A store that fails stays as it was, refuses further writes with the same error, and keeps nobody from going on without it.
 *
 * Files in the directory: `data.mdb`, `data.mdb-lock` (LMDB's), `synced` (shutdown-mark.ts), `owner-<n>` (directory-claim.ts).
 *
 * Measured, 1,000,000 entries of 16 + 40 bytes in random order, 5,000 a write: written at 208,000/s (400,000/s where nobody waits for
 * each write) for 5 s of the CPU, most of it on LMDB's thread; verified and opened for 0.4 s; loaded for 0.3 s. On a machine
 * under load 5 to 10 times the time: tests/integration/task-store.test.ts prints both.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../engine-error.ts';
import type { ChangelogEntry } from '../../task/task-io.ts';
import { bootId } from './boot-id.ts';
import { claimDirectory, type DirectoryClaim } from './directory-claim.ts';
import { LmdbDatabase, storeError } from './lmdb-database.ts';
import { markSynced, removeMark } from './shutdown-mark.ts';
import { examine, leaveBehind, newestTransaction, removeFiles, type Discard } from './store-files.ts';
import { formatRecord, type StoreIdentity } from './store-record.ts';
import { WriteQueue, type Joined } from './write-queue.ts';

const day = 86_400_000;
/** How long a commit's entries may wait for those of the next: a key that changes in each is then written once. */
const joinMs = 500;

export interface TaskStoreConfig {
  /** Made if missing; the store's alone. On a local disk: LMDB does not work on network file systems. */
  readonly directory: string;
  readonly identity: StoreIdentity;
  /**
   * How long ago a store may have been complete. Must be well below the changelog's `delete.retention.ms`, by more than a
   * restore takes. 3 days.
   */
  readonly maxAgeMs?: number;
  /** Told why what was there is thrown away. */
  readonly onDiscard?: (discard: Discard) => void;
}

/**
 * Opens a task's store, or an empty one where none is or where what is there cannot be used.
 * @throws EngineError `store-in-use` (retryable: another process has it), `disk-full`, `store-failed` (the directory is of no use)
 */
export async function openTaskStore(config: TaskStoreConfig): Promise<TaskStore> {
  const { directory, identity, maxAgeMs = 3 * day, onDiscard } = config;
  let claim: DirectoryClaim | undefined;
  try {
    await mkdir(directory, { recursive: true });
    claim = await claimDirectory(directory);
    if (claim.mayLinger) await leaveBehind(directory);
    const found = await examine(directory, identity, maxAgeMs);
    await removeMark(directory);
    const content = found.kind === 'usable' ? found : { offset: 0, completeAtMs: Date.now() };
    if (found.kind === 'discard') onDiscard?.(found);
    if (found.kind !== 'usable') await removeFiles(directory);
    const database = new LmdbDatabase(dataPath(directory));
    return new TaskStore(directory, identity, claim, database, content);
  } catch (error) {
    await claim?.release();
    throw storeError(error, directory, 'opened');
  }
}

const dataPath = (directory: string): string => join(directory, 'data.mdb');

interface Content {
  readonly offset: number;
  readonly completeAtMs: number;
}

export class TaskStore {
  readonly #directory: string;
  readonly #identity: StoreIdentity;
  readonly #claim: DirectoryClaim;
  readonly #queue: WriteQueue;
  #database: LmdbDatabase;
  #offset: number;
  #completeAtMs: number;
  #closed: Promise<void> | undefined;

  /** Use openTaskStore. */
  constructor(
    directory: string,
    identity: StoreIdentity,
    claim: DirectoryClaim,
    database: LmdbDatabase,
    content: Content,
  ) {
    this.#directory = directory;
    this.#identity = identity;
    this.#claim = claim;
    this.#database = database;
    this.#offset = content.offset;
    this.#completeAtMs = content.completeAtMs;
    this.#queue = new WriteQueue((joined) => this.#commit(joined));
  }

  /** Everything in the changelog before this offset is in the file; more may be. 0 when it is new. */
  get offset(): number {
    return this.#offset;
  }

  /**
   * Each key once, in no particular order, writes that still wait included. Go through it in one go, without waiting in between.
   * Measured: 1,000,000 entries for 0.3 s of the CPU. @throws EngineError `store-failed`
   */
  *entries(): Generator<ChangelogEntry> {
    const waiting = new Map<string, ChangelogEntry>();
    for (const { entries } of this.#queue.waiting)
      for (const [key, entry] of entries) waiting.set(key, entry);
    try {
      for (const entry of this.#database.entries()) {
        if (waiting.size === 0 || !waiting.has(entry.key.toString('latin1'))) yield entry;
      }
    } catch (error) {
      throw storeError(error, this.#directory, 'read');
    }
    for (const entry of waiting.values()) if (entry.value !== null) yield entry;
  }

  /**
   * Applies entries (null deletes), all or none and in the order of the calls, with an offset that holds from then on. They are
   * kept as they are until they are written: do not change them. Before `restored` it is written at once; after, writes of
   * half a second are joined, unless `flushed` is called. Nobody needs to wait for it; while restoring, do, or memory fills.
   * `completeAtMs` (by the clock of `Date.now()`): with these entries the store has all that the changelog had then (I3).
   * @throws EngineError `disk-full`, `store-failed`: the store has a prefix of what was written, and takes no more
   */
  write(entries: readonly ChangelogEntry[], offset?: number, completeAtMs?: number): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closedError());
    return this.#queue.write(entries, offset, completeAtMs);
  }

  /** Resolves when all that was given to `write` is in the file, and hurries it. @throws as write */
  flushed(): Promise<void> {
    return this.#queue.flushed();
  }

  /**
   * Says that the store now has all of the changelog, and that this process alone writes it: from here writes may wait for one
   * another.
   */
  restored(): void {
    this.#queue.joinMs = joinMs;
  }

  /** Begins again with nothing in it, restoring. @throws as openTaskStore */
  async clear(): Promise<void> {
    if (this.#closed !== undefined) throw this.#closedError();
    await this.#queue.flushed();
    try {
      await this.#database.close();
      await removeFiles(this.#directory);
      this.#database = new LmdbDatabase(dataPath(this.#directory));
    } catch (error) {
      throw storeError(error, this.#directory, 'emptied');
    }
    this.#offset = 0;
    this.#completeAtMs = Date.now();
    this.#queue.joinMs = 0;
  }

  /**
   * Writes what waits and brings it to the disk, so that it outlives a restart of the machine. Takes as long as the disk does.
   * @throws EngineError `disk-full`, `store-failed` when that fails; it is closed all the same
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const alreadyFailed = this.#queue.failure !== undefined;
    try {
      if (!alreadyFailed) await this.#queue.flushed();
    } finally {
      try {
        await this.#database.close();
        if (this.#queue.failure === undefined) {
          const path = dataPath(this.#directory);
          await markSynced(this.#directory, path, newestTransaction(path));
        }
      } catch (error) {
        // Without the mark a restart of the machine costs the store, and nothing else.
        if (!alreadyFailed) throw storeError(error, this.#directory, 'closed');
      } finally {
        await this.#claim.release();
      }
    }
  }

  #closedError(): EngineError {
    return new EngineError('store-failed', `the local store ${this.#directory} is closed`);
  }

  async #commit({
    entries,
    offset = this.#offset,
    completeAtMs = this.#completeAtMs,
  }: Joined): Promise<void> {
    const record = formatRecord({ identity: this.#identity, offset, completeAtMs, boot: bootId() });
    await this.#database.write(entries.values(), record);
    this.#offset = offset;
    this.#completeAtMs = completeAtMs;
  }
}
