import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withLock } from './directory-lock.ts';

describe('withLock', () => {
  let directory: string;
  let path: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'weir-lock-'));
    path = join(directory, 'lock');
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  it('lets one after the other in, and leaves nothing', async () => {
    const events: string[] = [];
    const work = (name: string) => async (): Promise<void> => {
      events.push(`${name} in`);
      await sleep(20);
      events.push(`${name} out`);
    };
    await Promise.all([withLock(path, 60_000, work('a')), withLock(path, 60_000, work('b'))]);
    const first = events[0]!.slice(0, 1);
    const second = first === 'a' ? 'b' : 'a';
    expect(events).toEqual([`${first} in`, `${first} out`, `${second} in`, `${second} out`]);
    expect(existsSync(path)).toBe(false);
  });

  it('does not wait for a holder that is dead', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    await writeFile(path, String(pid));
    expect(await withLock(path, 60_000, () => Promise.resolve('done'))).toBe('done');
  });

  it('opens when the work fails', async () => {
    await expect(withLock(path, 60_000, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(existsSync(path)).toBe(false);
  });
});
