/** The local store in a process that is killed, and in a file that is damaged: as often as a test asks for. */
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import {
  contentAfter,
  contentOf,
  identity,
  inDirectory,
  numbers,
  opened,
  writeNumber,
} from '#engine/kafka/store/store.fixture.ts';
import { startScript, type Started } from './cli-process.fixture.ts';

/** A process that opens the store and writes numbers on from its offset, without waiting, until it is killed. */
export function writer(directory: string, restored: boolean): Started {
  // The fixture is not in `dist`: its text goes along.
  const script = `
    import { openTaskStore } from '$DIST/engine/kafka/store/task-store.js';
    ${numbers.toString()}
    ${writeNumber.toString()}
    const store = await openTaskStore({ directory: ${JSON.stringify(directory)}, identity: ${JSON.stringify(identity)},
      onDiscard: ({ message }) => console.log('DISCARDED ' + message) });
    console.log('opened at ' + store.offset);
    ${restored ? 'store.restored();' : ''}
    for (let n = store.offset + 1; ; n += 1) {
      void store.write(writeNumber(n, 3000), n);
      if (n % 10 === 0) await new Promise(setImmediate);
      if (n % 500 === 0) await store.flushed();
      if (n === 500) console.log('flushed');
    }`;
  return startScript(script);
}

/**
 * SIGKILL at any time leaves what the first writes gave, with the offset of the last of them: so many kills, and more where a slow
 * machine writes little between them.
 */
export function surviveKills(kills: number): Promise<void> {
  return inDirectory(async (directory) => {
    const seed = Date.now();
    const random = numbers(seed);
    let reached = 0;
    let kill = 0;
    /** Kills between two of the points at which the writer waits. */
    let amidst = 0;
    for (; kill < kills || reached <= 30 * kills; kill += 1) {
      const { child, ended, seen } = writer(directory, kill % 2 === 0);
      // Some before it has opened the store.
      if (kill % 6 !== 5) await seen('opened at ');
      await sleep(random(kill % 6 === 5 ? 150 : 250));
      child.kill('SIGKILL');
      const { signal, stdout, stderr } = await ended;
      expect({ signal, stderr }, `seed ${seed}`).toEqual({ signal: 'SIGKILL', stderr: '' });
      expect(stdout).not.toContain('DISCARDED');
      const { store, discarded } = await opened(directory);
      expect(discarded).toEqual([]);
      expect(store.offset).toBeGreaterThanOrEqual(reached);
      reached = store.offset;
      if (reached % 500 !== 0) amidst += 1;
      expect(contentOf(store.entries())).toEqual(contentAfter(reached, 3_000));
      await store.close();
    }
    console.log(`task store: ${kill} kills, ${amidst} of them amidst writes, ${reached} writes`);
  });
}

/** Damages a file in one of the ways that disks, people and programs do. */
async function damage(path: string, random: (below: number) => number): Promise<string> {
  const file = await readFile(path);
  const pages = file.length / 4096;
  const page = 4096 * random(pages);
  const other = 4096 * random(pages);
  const at = page + (random(2) === 0 ? random(64) : random(4096));
  const kind = random(8);
  if (kind === 0) file[at] = file[at]! ^ (1 << random(8));
  else if (kind === 1) file[at] = random(256);
  else if (kind === 2) file.writeUInt32LE(random(0x100000000), Math.min(at, file.length - 4));
  else if (kind === 3) for (let i = page; i < page + 4096; i += 1) file[i] = random(256);
  else if (kind === 4) file.fill(0, page, Math.min(file.length, page + 4096 * (1 + random(4))));
  else if (kind === 5) file.copy(file, other, page, page + 4096);
  else if (kind === 6) for (let i = 0; i < 8; i += 1) file[page + 8 * random(20)] = random(256);
  await writeFile(path, kind === 7 ? file.subarray(0, random(file.length)) : file);
  return `kind ${kind} at ${at} (page ${page / 4096}, other ${other / 4096})`;
}

/** A file that is damaged anywhere is thrown away, or was not hurt. */
export function surviveDamages(damages: number): Promise<void> {
  return inDirectory(async (directory) => {
    const [path, sound] = [join(directory, 'data.mdb'), join(directory, 'sound')];
    const first = await opened(directory);
    for (let n = 1; n <= 120; n += 1) await first.store.write(writeNumber(n), n);
    await first.store.close();
    await copyFile(path, sound);
    const expected = contentAfter(120);
    const afterMore = contentAfter(140);
    const seed = Date.now();
    const random = numbers(seed);
    let thrownAway = 0;
    for (let i = 0; i < damages; i += 1) {
      await copyFile(sound, path);
      const what = `${await damage(path, random)}, damage ${i} of seed ${seed}`;
      const { store, discarded } = await opened(directory);
      thrownAway += discarded.length;
      if (discarded.length === 0) {
        expect(contentOf(store.entries()), what).toEqual(expected);
        for (let n = 121; n <= 140; n += 1) await store.write(writeNumber(n), n);
        expect(contentOf(store.entries()), what).toEqual(afterMore);
      } else {
        expect([...store.entries()], what).toEqual([]);
        for (let n = 1; n <= 3; n += 1) await store.write(writeNumber(n), n);
      }
      await store.close();
    }
    console.log(`task store: of ${damages} damages ${thrownAway} mattered`);
    expect(thrownAway).toBeGreaterThan(0.3 * damages);
  });
}
