import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { contentAfter, contentOf, identity, inDirectory, opened, writeNumber } from './store.fixture.ts';
import type { ChangelogEntry } from '../../task/task-io.ts';
import { bootId } from './boot-id.ts';
import { LmdbDatabase } from './lmdb-database.ts';

const entry = (key: string | Buffer, value: string | null): ChangelogEntry => ({
  key: Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
});
const hour = 3_600_000;

describe('a store', () => {
  test('is empty at offset 0 when new, and has what was written when it is opened again', () =>
    inDirectory(async (directory) => {
      const first = await opened(join(directory, 'deep', 'store'));
      expect([first.store.offset, [...first.store.entries()]]).toEqual([0, []]);
      await first.store.write([entry('a', '1'), entry('b', '2')], 10);
      await first.store.write([entry('a', null), entry('b', '3'), entry('c', '')], 20);
      expect(contentOf(first.store.entries())).toEqual(
        new Map([
          ['b', '3'],
          ['c', ''],
        ]),
      );
      await first.store.close();
      const again = await opened(join(directory, 'deep', 'store'));
      expect(again.discarded).toEqual([]);
      expect(again.store.offset).toBe(20);
      expect(contentOf(again.store.entries())).toEqual(
        new Map([
          ['b', '3'],
          ['c', ''],
        ]),
      );
      await again.store.close();
    }));

  test('takes keys of any bytes and length, and no two of them for one', () =>
    inDirectory(async (directory) => {
      const { store } = await opened(directory);
      const long = 'k'.repeat(5_000);
      const keys = [
        '',
        '\0',
        '\x01',
        '\x02',
        'k',
        'k\0',
        'k'.repeat(400),
        'k'.repeat(401),
        long,
        `${long}!`,
        '\xff'.repeat(600),
      ];
      const entries = keys.map((key) => ({
        key: Buffer.from(key, 'latin1'),
        value: Buffer.from(`of ${key.length}`),
      }));
      await store.write(entries, 1);
      const expected = new Map(keys.map((key) => [key, `of ${key.length}`]));
      expect(contentOf(store.entries())).toEqual(expected);
      await store.write([{ key: Buffer.from(long), value: null }]);
      expected.delete(long);
      await store.close();
      const again = await opened(directory);
      expect(again.discarded).toEqual([]);
      expect(contentOf(again.store.entries())).toEqual(expected);
      await again.store.close();
    }));

  test('keeps its offset with a write that has none, and takes an offset with no entries', () =>
    inDirectory(async (directory) => {
      const { store } = await opened(directory);
      await store.write([entry('a', '1')], 5);
      await store.write([entry('b', '1')]);
      expect(store.offset).toBe(5);
      await store.write([], 9);
      await store.close();
      const again = await opened(directory);
      expect(again.store.offset).toBe(9);
      await again.store.close();
    }));

  test('applies many writes that nobody waits for in their order', () =>
    inDirectory(async (directory) => {
      for (const restored of [false, true]) {
        const { store } = await opened(join(directory, String(restored)));
        if (restored) store.restored();
        for (let n = 1; n <= 600; n += 1) void store.write(writeNumber(n), n);
        expect(contentOf(store.entries())).toEqual(contentAfter(600));
        await store.flushed();
        expect(store.offset).toBe(600);
        expect(contentOf(store.entries())).toEqual(contentAfter(600));
        await store.close();
        const again = await opened(join(directory, String(restored)));
        expect(again.discarded).toEqual([]);
        expect(contentOf(again.store.entries())).toEqual(contentAfter(600));
        await again.store.close();
      }
    }));

  test('joins writes once it is restored, and writes them within a second though nobody asks', () =>
    inDirectory(async (directory) => {
      const { store } = await opened(directory);
      store.restored();
      void store.write([entry('a', '1')], 1);
      const second = store.write([entry('a', '2')], 2);
      expect(store.offset).toBe(0);
      await second;
      expect(store.offset).toBe(2);
      await store.close();
    }));

  test('can be emptied, and goes on from there', () =>
    inDirectory(async (directory) => {
      const { store } = await opened(directory);
      await store.write([entry('a', '1')], 5);
      void store.write([entry('b', '1')], 6);
      await store.clear();
      expect([store.offset, [...store.entries()]]).toEqual([0, []]);
      await store.write([entry('c', '1')], 2);
      await store.close();
      const again = await opened(directory);
      expect([again.store.offset, contentOf(again.store.entries())]).toEqual([2, new Map([['c', '1']])]);
      await again.store.close();
    }));

  test('that is closed takes nothing more, and leaves the directory free', () =>
    inDirectory(async (directory) => {
      const { store } = await opened(directory);
      void store.write([entry('a', '1')], 5);
      await Promise.all([store.close(), store.close()]);
      await expect(store.write([entry('b', '1')], 6)).rejects.toMatchObject({ code: 'store-failed' });
      const again = await opened(directory);
      expect(again.store.offset).toBe(5);
      await again.store.close();
    }));

  test('is in use by one at a time', () =>
    inDirectory(async (directory) => {
      const { store } = await opened(directory);
      await expect(opened(directory)).rejects.toMatchObject({
        code: 'store-in-use',
        retryable: true,
        message: expect.stringContaining(`${directory} is in use by process ${process.pid}`) as string,
      });
      await store.write([entry('a', '1')], 1);
      await store.close();
      await (await opened(directory)).store.close();
    }));

  test('cannot be opened where no directory can be: the error names the place', () =>
    inDirectory(async (directory) => {
      await writeFile(join(directory, 'file'), '');
      await expect(opened(join(directory, 'file', 'store'))).rejects.toMatchObject({
        code: 'store-failed',
        message: expect.stringMatching(
          /file\/store could not be opened: ENOTDIR.*name another state directory/,
        ) as string,
      });
    }));
});

describe('a store is thrown away', () => {
  /** A directory with a closed store at offset 7. */
  async function withStore(use: (directory: string) => Promise<void>): Promise<void> {
    await inDirectory(async (directory) => {
      const { store } = await opened(directory);
      for (let n = 1; n <= 50; n += 1) void store.write(writeNumber(n), 7);
      await store.close();
      await use(directory);
    });
  }

  /** Opens it, expects it to be empty for this reason, and usable. */
  async function expectDiscarded(
    directory: string,
    reason: string,
    config: Parameters<typeof opened>[1] = {},
  ): Promise<void> {
    const { store, discarded } = await opened(directory, config);
    expect(discarded).toEqual([
      expect.stringMatching(new RegExp(`^${reason}: the local store ${directory} `)),
    ]);
    expect([store.offset, [...store.entries()]]).toEqual([0, []]);
    await store.write(writeNumber(1), 3);
    await store.close();
    const again = await opened(directory, config);
    expect([again.store.offset, again.discarded]).toEqual([3, []]);
    await again.store.close();
  }

  test.each(['clusterId', 'changelogTopic', 'topicId', 'partition', 'format'] as const)(
    'when its %s is another',
    (field) =>
      withStore((directory) =>
        expectDiscarded(directory, 'other-identity', { identity: { ...identity, [field]: 'x' } }),
      ),
  );

  test('when it does not say of which topic of that name it is, as those of older builds', () =>
    inDirectory(async (directory) => {
      const { clusterId, changelogTopic, partition, format } = identity;
      const older = { clusterId, changelogTopic, partition, format };
      const database = new LmdbDatabase(join(directory, 'data.mdb'));
      const record = { layout: 1, identity: older, offset: 7, completeAtMs: Date.now(), boot: bootId() };
      await database.write([entry('a', '1')], JSON.stringify(record));
      await database.close();
      await expectDiscarded(directory, 'other-identity');
    }));

  test('when it is too old, or from the future', () =>
    withStore(async (directory) => {
      for (const shiftMs of [73 * hour, -2 * hour]) {
        vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + shiftMs });
        await expectDiscarded(directory, 'too-old').finally(() => vi.useRealTimers());
      }
    }));

  test('when it was not closed before the machine restarted, and only then', () =>
    withStore(async (directory) => {
      // As after a restart: every record names another boot.
      const asOfAnotherBoot = async (target: string): Promise<void> => {
        vi.resetModules();
        vi.doMock('./boot-id.ts', () => ({ bootId: () => 'an earlier boot' }));
        const { openTaskStore } = await import('./task-store.ts');
        const store = await openTaskStore({ directory: target, identity });
        await store.write(writeNumber(2), 8);
        await store.close();
        vi.doUnmock('./boot-id.ts');
      };
      await asOfAnotherBoot(directory);
      const closed = await opened(directory);
      expect([closed.store.offset, closed.discarded]).toEqual([8, []]);
      await closed.store.close();

      await asOfAnotherBoot(directory);
      await rm(join(directory, 'synced'));
      await expectDiscarded(directory, 'not-on-disk');

      for (const mark of [
        () => symlink('1', join(directory, 'synced')),
        () => writeFile(join(directory, 'synced'), '2'),
      ]) {
        await asOfAnotherBoot(directory);
        await rm(join(directory, 'synced'));
        await mark();
        await expectDiscarded(directory, 'not-on-disk');
      }
    }));

  test.each([
    ['is empty', () => Buffer.alloc(0)],
    ['is cut off in its first page', (file: Buffer) => file.subarray(0, 100)],
    ['is cut off after the meta pages', (file: Buffer) => file.subarray(0, 8_192)],
    ['is cut off at its last page', (file: Buffer) => file.subarray(0, file.length - 4_096)],
    ['is cut off within its last page', (file: Buffer) => file.subarray(0, file.length - 1)],
    ['is text', () => Buffer.from('this is not a store\n'.repeat(5_000))],
    ['is all zeros', (file: Buffer) => Buffer.alloc(file.length)],
    ['is all ones', (file: Buffer) => Buffer.alloc(file.length, 0xff)],
    ['has lost one meta page', (file: Buffer) => file.fill(0, 4_096, 8_192)],
  ])('when its file %s', (_, damaged) =>
    withStore(async (directory) => {
      const path = join(directory, 'data.mdb');
      await writeFile(path, damaged(await readFile(path)));
      await expectDiscarded(directory, 'damaged');
    }),
  );

  test('when its file is a directory', () =>
    withStore(async (directory) => {
      await rm(join(directory, 'data.mdb'));
      await mkdir(join(directory, 'data.mdb', 'more'), { recursive: true });
      await expectDiscarded(directory, 'unreadable');
    }));

  test('but not when only the files beside it are damaged', () =>
    withStore(async (directory) => {
      await writeFile(join(directory, 'data.mdb-lock'), Buffer.alloc(20_000, 0xab));
      await rm(join(directory, 'synced'));
      await writeFile(join(directory, 'synced'), 'x');
      await writeFile(join(directory, 'owner-x'), 'x');
      const { store, discarded } = await opened(directory);
      expect([store.offset, discarded, contentOf(store.entries())]).toEqual([7, [], contentAfter(50)]);
      await store.write(writeNumber(51), 8);
      await store.close();
    }));

  test('when it became complete too long ago, though it was written since', () =>
    withStore(async (directory) => {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 48 * hour });
      try {
        // A restore that does not come to its end.
        const restoring = await opened(directory);
        await restoring.store.write(writeNumber(51), 8);
        await restoring.store.close();
        await cp(directory, `${directory}-copy`, { recursive: true, verbatimSymlinks: true });
        const whole = await opened(directory);
        whole.store.restored();
        await whole.store.write(writeNumber(52), 9, Date.now());
        await whole.store.close();
        vi.setSystemTime(Date.now() + 48 * hour);
        const young = await opened(directory);
        expect([young.store.offset, young.discarded]).toEqual([9, []]);
        await young.store.close();
        await expectDiscarded(`${directory}-copy`, 'too-old');
      } finally {
        vi.useRealTimers();
        await rm(`${directory}-copy`, { recursive: true, force: true });
      }
    }));

  test('when what was written long ago came to the file just now, as in a process that was frozen between', () =>
    withStore(async (directory) => {
      const { store } = await opened(directory);
      store.restored();
      void store.write(writeNumber(51), 8, Date.now());
      void store.write(writeNumber(52), 9);
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 73 * hour });
      try {
        await store.close();
        await expectDiscarded(directory, 'too-old');
      } finally {
        vi.useRealTimers();
      }
    }));

  test('leaving no old files behind', () =>
    withStore(async (directory) => {
      for (let i = 0; i < 3; i += 1)
        await expectDiscarded(directory, 'other-identity', { identity: { ...identity, format: `${i}` } });
      expect((await readdir(directory)).map((name) => name.replace(/\d+$/, ''))).toEqual([
        'data.mdb',
        'data.mdb-lock',
        'owner-',
        'synced',
      ]);
    }));
});
