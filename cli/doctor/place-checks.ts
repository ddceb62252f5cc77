/** Where an embedded run puts things: the data directory, its disk, a port on the loopback address. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { reasonOf } from '#sinks/clickhouse/error.ts';
import { runningEndpoint } from '../endpoint.ts';
import type { Check } from './check.ts';

const mebibyte = 1024 * 1024;
/** A demo of a minute takes some 50 MB; ClickHouse refuses to merge on a full disk. */
const leastFreeBytes = 512 * mebibyte;

/** The directory itself, or what is there of the path to it. */
function existingPart(directory: string): string {
  let path = resolve(directory);
  while (!existsSync(path)) path = dirname(path);
  return path;
}

/** Whether the data directory can be made and written, by writing a file that is removed again. */
export async function dataDirCheck(dataDir: string): Promise<Check> {
  const base = { name: 'data directory', neededFor: 'the embedded ClickHouse' };
  const place = existingPart(dataDir);
  try {
    const draft = await mkdtemp(join(place, '.weir-doctor-'));
    try {
      await writeFile(join(draft, 'file'), 'x');
    } finally {
      await rm(draft, { recursive: true });
    }
    const running = await runningEndpoint(dataDir);
    const use = running === undefined ? '' : `, in use by process ${running.pid} at ${running.url}`;
    return { ...base, state: 'ok', found: `${dataDir} can be written${use}` };
  } catch (error) {
    const remedy = `give this user write access to ${place}, or choose another: --data <directory>`;
    return { ...base, state: 'missing', found: reasonOf(error), remedy };
  }
}

/** Whether the disk of the data directory has room. */
export async function diskSpaceCheck(dataDir: string): Promise<Check> {
  const base = { name: 'disk space', neededFor: 'the embedded ClickHouse' };
  const place = existingPart(dataDir);
  try {
    const { bavail, bsize } = await statfs(place);
    const found = `${Math.floor((bavail * bsize) / mebibyte)} MiB free in ${place}`;
    if (bavail * bsize >= leastFreeBytes) return { ...base, state: 'ok', found };
    const remedy = `free ${leastFreeBytes / mebibyte} MiB there, or choose another disk: --data <directory>`;
    return { ...base, state: 'missing', found, remedy };
  } catch (error) {
    return {
      ...base,
      state: 'missing',
      found: reasonOf(error),
      remedy: 'choose another disk: --data <directory>',
    };
  }
}

/** Whether a port on 127.0.0.1 can be had. */
export function loopbackCheck(): Promise<Check> {
  const base = { name: 'loopback port', neededFor: "the embedded ClickHouse's HTTP interface" };
  return new Promise((resolvePromise) => {
    const server = createServer();
    server.once('error', (error) => {
      const remedy = 'allow this process to listen on 127.0.0.1 (a sandbox or container may forbid it)';
      resolvePromise({ ...base, state: 'missing', found: error.message, remedy });
    });
    server.listen(0, '127.0.0.1', () => {
      server.close(() => {
        resolvePromise({ ...base, state: 'ok', found: '127.0.0.1 can be listened on' });
      });
    });
  });
}
