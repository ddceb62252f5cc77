/** Whether a disk has room for Kafka and ClickHouse. */
import { statfs } from 'node:fs/promises';
import { LocalError } from '../local-error.ts';

const mebibyte = 1024 * 1024;
/** Kafka maps index files of 10 MB for each partition before it writes: on a full disk its process ends by a signal. */
const leastFreeBytes = 256 * mebibyte;

/** @throws LocalError `disk-full`, naming the directory and how much is missing */
export async function requireRoom(directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const freeBytes = bavail * bsize;
  if (freeBytes >= leastFreeBytes) return;
  throw new LocalError(
    'disk-full',
    `the disk of ${directory} has ${Math.floor(freeBytes / mebibyte)} MiB left, and Kafka and ClickHouse need ` +
      `${leastFreeBytes / mebibyte} MiB to start: free some space, or name another data directory`,
  );
}
