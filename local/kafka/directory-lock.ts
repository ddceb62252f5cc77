/**
 * One process at a time, by a file that names its holder. It saves double work and is no guarantee: two processes that
 * find a dead holder at the same moment may both go on. What it protects must itself be safe to do twice.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const pollMs = 100;

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}

async function holderOf(path: string): Promise<number | undefined> {
  try {
    const pid = Number(await readFile(path, 'utf8'));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether the file is now ours. */
async function take(path: string): Promise<boolean> {
  try {
    await writeFile(path, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    return false;
  }
}

/**
 * Do `work` while holding the lock at `path`. After `timeoutMs` of waiting it is done without. Rejects when `signal` is aborted
 * while it waits.
 */
export async function withLock<T>(
  path: string,
  timeoutMs: number,
  work: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const giveUpAtMs = performance.now() + timeoutMs;
  let unreadable = 0;
  while (!(await take(path)) && performance.now() < giveUpAtMs) {
    const holder = await holderOf(path);
    // A file without a number is one that its holder is just writing, unless it stays so.
    unreadable = holder === undefined ? unreadable + 1 : 0;
    const dead = holder === undefined ? unreadable > 20 : !isAlive(holder);
    if (dead) await rm(path, { force: true });
    else await sleep(pollMs, undefined, signal === undefined ? {} : { signal });
  }
  try {
    return await work();
  } finally {
    if ((await holderOf(path)) === process.pid) await rm(path, { force: true });
  }
}
