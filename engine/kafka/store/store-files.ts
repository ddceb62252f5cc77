/** The files of a store before it is opened: whether they can be used, and their removal. Whoever calls holds the directory's claim. */
import { copyFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { bootId } from './boot-id.ts';
import { LmdbFile, readAhead } from './lmdb-file.ts';
import { Damage } from './lmdb-format.ts';
import { unpackRecord } from './record-format.ts';
import { syncedTransaction } from './shutdown-mark.ts';
import { difference, parseRecord, type StoreIdentity, type StoreRecord } from './store-record.ts';
import { verifyLmdb, type Verified } from './verify-lmdb.ts';

/**
 * Why a store is thrown away:
 * - `damaged`: pages or entries are not as they were written; `unreadable`: the system does not let it be read
 * - `other-identity`: it is of another cluster, topic, partition or format
 * - `not-on-disk`: the machine restarted before it was closed, so pages may be missing
 * - `too-old`: it could have entries whose deletion is in the changelog no more
 */
export type DiscardReason = 'damaged' | 'unreadable' | 'other-identity' | 'not-on-disk' | 'too-old';

export interface Discard {
  readonly kind: 'discard';
  readonly reason: DiscardReason;
  /** Names the place, and what follows. */
  readonly message: string;
}

export type Found =
  | { readonly kind: 'none' }
  | { readonly kind: 'usable'; readonly offset: number; readonly completeAtMs: number }
  | Discard;

/** A clock that was set back by more than this makes a store's age unknown. */
const clockSlackMs = 3_600_000;

const files = ['data.mdb', 'data.mdb-lock', 'data.mdb.new', 'synced'] as const;

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Walks through what is there. Throws nothing that has to do with the state of the files. */
export async function examine(directory: string, identity: StoreIdentity, maxAgeMs: number): Promise<Found> {
  const path = join(directory, 'data.mdb');
  const discard = (reason: DiscardReason, what: string): Discard => ({
    kind: 'discard',
    reason,
    message: `the local store ${directory} is thrown away and read again from the changelog: ${what}`,
  });
  try {
    await readAhead(path);
    const verified = await verifyLmdb(path);
    if (verified.record === undefined)
      return verified.entries === 0 ? { kind: 'none' } : discard('damaged', 'it has no record');
    const record = parseRecord(unpackRecord(verified.record));
    if (record === undefined) return discard('other-identity', 'another version of Weir wrote it');
    const fault = await faultOf(directory, record, verified, identity, maxAgeMs);
    return fault === undefined ? { kind: 'usable', ...record } : discard(...fault);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { kind: 'none' };
    if (error instanceof Damage) return discard('damaged', error.message);
    return discard('unreadable', error instanceof Error ? error.message : String(error));
  }
}

async function faultOf(
  directory: string,
  record: StoreRecord,
  { transaction }: Verified,
  identity: StoreIdentity,
  maxAgeMs: number,
): Promise<readonly [DiscardReason, string] | undefined> {
  const field = difference(record.identity, identity);
  if (field !== undefined)
    return ['other-identity', `its ${field} is '${record.identity[field]}', not '${identity[field]}'`];
  if (record.boot !== bootId() && (await syncedTransaction(directory)) !== transaction)
    return ['not-on-disk', 'the machine restarted before it was closed'];
  const ageMs = Date.now() - record.completeAtMs;
  if (ageMs > maxAgeMs || ageMs < -clockSlackMs)
    return ['too-old', `it was last complete at ${new Date(record.completeAtMs).toISOString()}`];
  return undefined;
}

/** The newest transaction in a file that was closed just now. @throws Damage; the system's errors */
export function newestTransaction(path: string): number {
  const file = new LmdbFile(path);
  try {
    return file.snapshot().transaction;
  } finally {
    file.close();
  }
}

/** @throws the system's errors */
export async function removeFiles(directory: string): Promise<void> {
  for (const name of files) await rm(join(directory, name), { force: true, recursive: true });
}

/** Puts copies in the place of files that a former holder may have open still: what it does to them then is lost with them. */
export async function leaveBehind(directory: string): Promise<void> {
  const path = join(directory, 'data.mdb');
  await rm(`${path}-lock`, { force: true, recursive: true });
  if (!(await isFile(path))) return;
  await copyFile(path, `${path}.new`);
  await rename(`${path}.new`, path);
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}
