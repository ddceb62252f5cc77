/**
 * The data directory: its layout, and the lock that keeps a second server out.
 *
 *     <dataDir>/engine/   the engine's own files
 *     <dataDir>/config/   configuration files for the engine, written at every start
 *     <dataDir>/spool/    data on its way in or out; emptied at every start
 *     <dataDir>/lock      who has it: a process id and that process's start time
 *
 * I1. A lock left behind by a dead process is taken over; a process id that was given to another program
 *     since does not count as alive (its start time differs; on Linux only).
 * I2. Two servers that start at once cannot both get through: the engine locks its own directory as well.
 */
import { readFileSync } from 'node:fs';
import { link, mkdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EmbeddedServerError } from './embedded-server-error.ts';

export interface DataDir {
  readonly enginePath: string;
  readonly configPath: string;
  readonly spoolPath: string;
  /** Give the lock back. */
  release(): Promise<void>;
}

interface Lock {
  readonly pid: number;
  readonly startedAt: string;
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** Start time of a process in clock ticks since boot; empty where /proc does not tell. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(errorCode(error))) return '';
    throw error;
  }
}

function isAlive(lock: Lock): boolean {
  try {
    process.kill(lock.pid, 0);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
  }
  const startedAt = startOf(lock.pid);
  return startedAt === '' || lock.startedAt === '' || startedAt === lock.startedAt;
}

async function readLock(path: string): Promise<Lock | undefined> {
  try {
    const [pid, startedAt] = (await readFile(path, 'utf8')).trim().split(' ');
    return pid !== undefined && /^\d+$/.test(pid)
      ? { pid: Number(pid), startedAt: startedAt ?? '' }
      : undefined;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Sees to it that the lock file appears with its content or not at all. */
async function tryLock(path: string): Promise<boolean> {
  const own = `${path}.${process.pid}`;
  await writeFile(own, `${process.pid} ${startOf(process.pid)}\n`);
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await unlink(own);
  }
}

/** The error for a directory that another process uses. */
export function lockedBy(dataDir: string, pid: number | undefined): EmbeddedServerError {
  const who = pid === undefined ? 'another process' : `process ${pid}`;
  return new EmbeddedServerError(
    'data-dir-locked',
    `the ClickHouse data directory ${dataDir} is in use by ${who}: stop it, or choose another directory`,
  );
}

/** The process that the engine's own lock file names, if it does. */
export async function engineHolder(dataDir: string): Promise<number | undefined> {
  try {
    const status = await readFile(join(dataDir, 'engine', 'status'), 'utf8');
    const pid = /^PID: (\d+)$/m.exec(status)?.[1];
    return pid === undefined ? undefined : Number(pid);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function lock(dataDir: string, path: string): Promise<void> {
  for (let attempt = 0; attempt < 3; attempt++) {
    if (await tryLock(path)) return;
    const holder = await readLock(path);
    if (holder !== undefined && isAlive(holder)) throw lockedBy(dataDir, holder.pid);
    await rm(path, { force: true });
  }
  throw lockedBy(dataDir, undefined);
}

function unusable(dataDir: string, error: unknown): unknown {
  if (error instanceof EmbeddedServerError) return error;
  const code = errorCode(error);
  const reason = error instanceof Error ? error.message : String(error);
  if (code === 'ENOTDIR' || code === 'EEXIST') {
    return new EmbeddedServerError(
      'data-dir-not-a-directory',
      `the ClickHouse data directory ${dataDir} is not a directory: choose another path (${reason})`,
    );
  }
  if (['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT'].includes(code)) {
    return new EmbeddedServerError(
      'data-dir-not-writable',
      `the ClickHouse data directory ${dataDir} cannot be written: give this user write access and free space, ` +
        `or choose another directory (${reason})`,
    );
  }
  return error;
}

/** Make the directory usable and lock it for this process. Throws an EmbeddedServerError that says what is wrong. */
export async function openDataDir(dataDir: string): Promise<DataDir> {
  const lockPath = join(dataDir, 'lock');
  const paths = {
    enginePath: join(dataDir, 'engine'),
    configPath: join(dataDir, 'config'),
    spoolPath: join(dataDir, 'spool'),
  };
  try {
    await mkdir(dataDir, { recursive: true });
    await lock(dataDir, lockPath);
    await rm(paths.spoolPath, { recursive: true, force: true });
    for (const path of Object.values(paths)) await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unusable(dataDir, error);
  }
  return { ...paths, release: () => rm(lockPath, { force: true }) };
}
