/**
 * The note beside a store that everything up to a transaction has reached the disk.
 *
 * The store is written without waiting for the disk, so a crash of the machine leaves an unknown mix of old and new pages. Each
 * record in the store names the boot that it was written in: in the same boot the page cache is whole, whatever happened to
 * the process. In another boot the file is believed only if this note, which is written after an fsync and removed
 * before the next write, names its newest transaction. It is a symbolic link, which is there as a whole or not at all, also on
 * a full disk.
 */
import { open, readlink, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';

const markPath = (directory: string): string => join(directory, 'synced');

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Brings a closed store to the disk, then says so. @throws the system's errors */
export async function markSynced(directory: string, file: string, transaction: number): Promise<void> {
  await sync(file);
  await symlink(String(transaction), markPath(directory));
  await sync(directory);
}

/** The transaction up to which the store is on the disk; undefined when it was not closed. */
export async function syncedTransaction(directory: string): Promise<number | undefined> {
  try {
    const text = await readlink(markPath(directory));
    return /^\d+$/.test(text) ? Number(text) : undefined;
  } catch (error) {
    // EINVAL: not a link, so not from here.
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'EINVAL'))
      return undefined;
    throw error;
  }
}

/** To be done, and on the disk, before the store is written again. @throws the system's errors */
export async function removeMark(directory: string): Promise<void> {
  await rm(markPath(directory), { force: true, recursive: true });
  await sync(directory);
}
