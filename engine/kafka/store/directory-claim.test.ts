import { lutimes, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { claimDirectory, type DirectoryClaim } from './directory-claim.ts';
import { inDirectory } from './store.fixture.ts';

/** What a holder's link says, with some of it replaced. */
async function holderLike(
  directory: string,
  changes: Partial<Record<0 | 1 | 2 | 3, string>>,
): Promise<string> {
  const claim = await claimDirectory(directory);
  const [name = ''] = await readdir(directory);
  const parts = (await readlink(join(directory, name))).split(' ');
  await claim.release();
  for (const each of await readdir(directory)) await rm(join(directory, each));
  return parts.map((part, i) => changes[i as 0] ?? part).join(' ');
}

/** The clock stands still meanwhile, as this process may not. */
async function claimOver(directory: string, target: string, touchedSecondsAgo = 0): Promise<DirectoryClaim> {
  const path = join(directory, 'owner-41');
  await symlink(target, path);
  vi.useFakeTimers({ toFake: ['Date'] });
  try {
    const touched = Date.now() / 1_000 - touchedSecondsAgo;
    await lutimes(path, touched, touched);
    return await claimDirectory(directory);
  } finally {
    vi.useRealTimers();
  }
}

test.each([
  ['a process that is gone', { 0: '4194304' }],
  ['a process whose id another has now', { 1: '1' }],
  ['a process of an earlier boot', { 3: 'earlier' }],
])('the claim of %s is free, and nothing lingers', (_, changes) =>
  inDirectory(async (directory) => {
    const claim = await claimOver(directory, await holderLike(directory, changes));
    expect(claim.mayLinger).toBe(false);
    expect(await readdir(directory)).toEqual(['owner-42']);
    await claim.release();
  }),
);

test('a claim that says nothing sensible is free', () =>
  inDirectory(async (directory) => {
    const claim = await claimOver(directory, 'what');
    await claim.release();
  }));

test('the claim of another container holds while it is touched; after that its holder may linger', () =>
  inDirectory(async (directory) => {
    const holder = await holderLike(directory, { 0: '7', 2: 'pid:[1]' });
    await expect(claimOver(directory, holder, 8)).rejects.toMatchObject({ code: 'store-in-use' });
    await rm(join(directory, 'owner-41'));
    const claim = await claimOver(directory, holder, 12);
    expect(claim.mayLinger).toBe(true);
    await claim.release();
  }));

test('of many that find a dead holder at once, one gets the directory', () =>
  inDirectory(async (directory) => {
    const dead = await holderLike(directory, { 0: '4194304' });
    for (let round = 0; round < 30; round += 1) {
      for (const name of await readdir(directory)) await rm(join(directory, name));
      await symlink(dead, join(directory, 'owner-5'));
      const claims = await Promise.allSettled(Array.from({ length: 12 }, () => claimDirectory(directory)));
      const got = claims.flatMap((claim) => (claim.status === 'fulfilled' ? [claim.value] : []));
      for (const claim of claims) {
        if (claim.status === 'rejected') expect(claim.reason).toMatchObject({ code: 'store-in-use' });
      }
      expect(got).toHaveLength(1);
      await expect(claimDirectory(directory)).rejects.toMatchObject({ code: 'store-in-use' });
      await got[0]?.release();
    }
  }));
