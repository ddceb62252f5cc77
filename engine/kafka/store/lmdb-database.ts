/**
 * The one place that calls lmdb. It must be given only files that verify-lmdb.ts has passed, or that are not there.
 *
 * Options, as measured with 1,000,000 entries of 60 bytes in random order, 5,000 in a transaction:
 * - `noSync`: nobody waits for the disk; shutdown-mark.ts tells after a crash of the machine what to believe.
 * - pages of 4 KiB: 8 KiB and 16 KiB write 5 to 10 % slower at 20 to 50 % more bytes.
 * - no `useWritemap`: on a full disk a write to the map is a SIGBUS, a write to the file an error.
 * - no `eventTurnBatching`: with it, a failed transaction of more than 1,000 entries rejects a promise that nobody can get at, which
 *   ends the process.
 * - writes by lmdb's own thread (`batch`): 1 us of the main thread for each entry, where its synchronous way takes 5.
 * - no readers while it is written: lmdb-js's lists of free pages have come apart where old read transactions stay open
 *   (kriszyp/lmdb-js#321, HarperFast/harper#689).
 */
import { rmSync, writeFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { EngineError } from '../../engine-error.ts';
import type { ChangelogEntry } from '../../task/task-io.ts';
import { pageBytes } from './lmdb-format.ts';
import { packEntry, packRecord, recordKey, sumBytes, unpackEntry, type Packed } from './record-format.ts';

/** More than the lock table for `maxReaders` takes, in whole pages of any system. */
const lockFileBytes = 16_384;
/** How long lmdb may take to say why a write failed. */
const reasonWithinMs = 1_000;
/** errno of ENOSPC, EDQUOT (Linux, macOS), EFBIG. */
const fullDiskErrors: ReadonlySet<unknown> = new Set([28, 122, 69, 27]);
const inputOutputError = 5;
const nearlyFullBytes = 1024 * 1024;
const fullDiskCodes: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** What an error of the file system or of lmdb means for a store. `doing`: what failed, for the message. */
export function storeError(error: unknown, path: string, doing: string): EngineError {
  if (error instanceof EngineError) return error;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const reason = error instanceof Error ? error.message : String(error);
  const full = fullDiskErrors.has(code) || fullDiskCodes.has(code);
  const remedy = full ? 'make room on its disk' : 'see that its disk and its permissions are in order';
  return new EngineError(
    full ? 'disk-full' : 'store-failed',
    `the local store ${path} could not be ${doing}: ${reason}; ${remedy}, or name another state directory`,
    { cause: error },
  );
}

/** Keys of record-format.ts. Read without their tag, which lies in `tag` meanwhile. */
class KeyEncoder {
  tag = 0;

  readonly writeKey = (key: Buffer, target: Buffer, start: number): number => {
    target.set(key, start);
    return start + key.length;
  };

  readonly readKey = (source: Buffer, start: number, end: number): Buffer => {
    this.tag = source[start]!;
    return copied(source, start + 1, end);
  };
}

/** Values of record-format.ts. Read without their checksum. */
class ValueEncoder {
  readonly encode = (value: Buffer): Buffer => value;

  /** lmdb's ranges give the size as a number. */
  readonly decode = (source: Buffer, size: number): Buffer => copied(source, 0, size - sumBytes);
}

/** A Buffer of its own. Taking `subarray` of lmdb's small copies costs four times as much: 1 us an entry. */
function copied(source: Buffer, start: number, end: number): Buffer {
  return Uint8Array.prototype.slice.call(source, start, end) as Buffer;
}

class FullDisk extends Error {
  readonly code = 'ENOSPC';

  constructor(cause: unknown) {
    super('no space left on device', { cause });
  }
}

/** LMDB calls a write that went in only in part an input/output error. */
async function isFull(path: string, error: unknown): Promise<boolean> {
  if (!(error instanceof Error) || !('code' in error) || error.code !== inputOutputError) return false;
  const { bavail, bsize } = await statfs(dirname(path));
  return bavail * bsize < nearlyFullBytes;
}

export class LmdbDatabase {
  readonly #path: string;
  readonly #keys = new KeyEncoder();
  readonly #values = new ValueEncoder();
  readonly #database: RootDatabase<Buffer, Buffer>;

  /** Opens or creates the file. @throws EngineError `disk-full`, `store-failed` */
  constructor(path: string) {
    this.#path = path;
    try {
      makeLockFile(`${path}-lock`);
      this.#database = open<Buffer, Buffer>({
        path,
        noSubdir: true,
        encoder: this.#values,
        keyEncoder: this.#keys,
        noSync: true,
        eventTurnBatching: false,
        overlappingSync: false,
        cache: false,
        compression: false,
        pageSize: pageBytes,
        maxDbs: 1,
        maxReaders: 8,
      });
    } catch (error) {
      throw storeError(error, path, 'opened');
    }
  }

  /**
   * All or none of it, in order, on lmdb's thread. One call at a time.
   * @throws EngineError `disk-full`, `store-failed`: then the file has what it had, and this object is of no more use
   */
  async write(entries: Iterable<ChangelogEntry>, record: string): Promise<void> {
    try {
      await this.#database.batch(() => {
        // Many share one promise, which is not always that of the batch but tells the same.
        let last: Promise<boolean> | undefined;
        const put = ({ key, value }: Packed): void => {
          const promise = value === undefined ? this.#database.remove(key) : this.#database.put(key, value);
          if (promise !== last) promise.catch(() => undefined);
          last = promise;
        };
        for (const entry of entries) put(packEntry(entry));
        put(packRecord(record));
      });
    } catch (error) {
      const reason = await reasonOf(error);
      throw storeError(
        (await isFull(this.#path, reason)) ? new FullDisk(reason) : reason,
        this.#path,
        'written',
      );
    }
  }

  /** Everything in it, by key. To be gone through in one go: an open reader keeps pages from being used again. */
  *entries(): Generator<ChangelogEntry> {
    for (const { key, value } of this.#database.getRange({ start: recordKey })) {
      const entry = unpackEntry(this.#keys.tag, key, value);
      if (entry !== undefined) yield entry;
    }
  }

  async close(): Promise<void> {
    await this.#database.close();
  }
}

/**
 * LMDB maps its lock file and writes to the map: with no room for it on the disk that is a SIGBUS, where a write is an error.
 * LMDB begins it anew when nobody else has it open, and nobody may (directory-claim.ts).
 */
function makeLockFile(path: string): void {
  rmSync(path, { force: true, recursive: true });
  writeFileSync(path, Buffer.alloc(lockFileBytes));
}

/** lmdb gives the reason in a promise on its error, which rejects by itself and would end the process (kriszyp/lmdb-js#368). */
async function reasonOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error) || !(error.commitError instanceof Promise))
    return error;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<unknown>((resolve) => {
    timer = setTimeout(resolve, reasonWithinMs, error);
  });
  try {
    return await Promise.race([late, error.commitError.catch((reason: unknown) => reason)]);
  } finally {
    clearTimeout(timer);
  }
}
