/** Local stores on a disk that is full, or whose files are damaged: the changelog is what counts, and nothing is lost. */
import { mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { seededRandom } from '#engine/replay/variation.ts';
import { kafkaForFile } from '../integration/kafka.fixture.ts';
import { fill, smallDisk } from '../support/small-disk.ts';
import { ItemLoad } from './item-load.fixture.ts';
import { foldingOn, proveExactlyOnce, untilFolded } from './proof.fixture.ts';
import { type Worker, Workers } from './workers.fixture.ts';

const local = kafkaForFile();
const allTasks = 8;
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function directoryOf(name: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), `weir-${name}-`));
  undo.push(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

const workersOf = (config: ConstructorParameters<typeof Workers>[0]): Workers => {
  const workers = new Workers(config);
  undo.push(() => workers.killAll());
  return workers;
};

const troublesOf = ({ troubles }: Worker, code: string): string[] =>
  troubles.filter((trouble) => trouble.code === code).map(({ message }) => message);
const toRestoreOf = ({ tasks }: Worker): number[] => tasks.map(({ toRestore }) => toRestore);
/** Every task some 20 times: each store has something of the load. */
const haveCommitted = ({ tasks }: Worker): boolean => tasks.every(({ commits }) => commits >= 20);
const commitsOf = ({ tasks }: Worker): number => tasks.reduce((sum, { commits }) => sum + commits, 0);

/** A store's offset is a lower bound: the brokers' end may be behind the last commit when a task is given back. */
const oneCommit = 60;

describe('a full disk', () => {
  it('keeps no task from going on without its store, which is brought up to date later', async (context) => {
    const kafka = local.of(context);
    const folding = await foldingOn(kafka, 'full');
    const stateRoot = await smallDisk(context, 8 * 1_024);
    const { bootstrapServers } = kafka;
    const workers = workersOf({ bootstrapServers, app: 'full', partitions: 4, stateRoot });
    const first = workers.start();
    await first.ready(allTasks);
    const load = await ItemLoad.start({ kafka, folding, perSecond: 500, things: 2_000 });
    await first.until(() => haveCommitted(first), 'is to commit');
    expect(troublesOf(first, 'disk-full')).toEqual([]);
    const filler = join(stateRoot, 'filler');
    await fill(filler);
    await first.until(() => troublesOf(first, 'disk-full').length > 0, 'is to tell of the full disk');
    expect(troublesOf(first, 'disk-full')[0]).toContain(stateRoot);
    const commits = commitsOf(first);
    await first.until(() => commitsOf(first) > commits + 50, 'is to go on committing');
    await first.kill();

    // The disk is full still: what is there is read, the rest comes from the changelog.
    const second = workers.start(first.number);
    await second.ready(allTasks);
    await second.until(() => troublesOf(second, 'disk-full').length > 0, 'is to tell of the full disk');
    const again = commitsOf(second);
    await second.until(() => commitsOf(second) > again + 20, 'is to go on committing');
    await second.kill();
    await rm(filler);

    const third = workers.start(first.number);
    await third.ready(allTasks);
    expect(Math.max(...toRestoreOf(third)), 'offsets of a changelog read again').toBeGreaterThan(0);
    const acknowledged = await load.stop();
    await untilFolded(kafka, folding, acknowledged.size);
    await third.stop();
    expect(troublesOf(third, 'disk-full')).toEqual([]);
    // With space again the stores are whole: nothing is to be read for the next.
    const fourth = workers.start(first.number);
    await fourth.ready(allTasks);
    expect(Math.max(...toRestoreOf(fourth))).toBeLessThan(oneCommit);
    await workers.stopAll();
    const proof = await proveExactlyOnce({ kafka, folding, acknowledged });
    expect(proof.items).toBe(acknowledged.size);
  });
});

const pageBytes = 4_096;

/** Each way makes the file unusable; how much of it is hit follows from the seed. */
const damages: Readonly<Record<string, (path: string, random: () => number) => Promise<void>>> = {
  'pages overwritten': async (path, random) => {
    const { size } = await stat(path);
    const file = await open(path, 'r+');
    // Both meta pages are left: the damage is in what they lead to.
    for (let page = 2; page < size / pageBytes; page += 1)
      await file.write(
        Buffer.from(Array.from({ length: pageBytes }, () => random() * 256)),
        0,
        pageBytes,
        page * pageBytes,
      );
    await file.close();
  },
  truncated: async (path) => truncate(path, pageBytes * 2 + 100),
  zeroed: async (path) => writeFile(path, Buffer.alloc((await stat(path)).size)),
  'cut to nothing but a byte': async (path) => truncate(path, 1),
  'one bit flipped in each page': async (path, random) => {
    const bytes = await readFile(path);
    // As above; and in the number that a page has of itself, for other bits may be of no account.
    for (let page = 2; page * pageBytes < bytes.length; page += 1) {
      const at = page * pageBytes + Math.floor(random() * 8);
      bytes[at] = bytes[at]! ^ (1 << Math.floor(random() * 8));
    }
    await writeFile(path, bytes);
  },
  'another task has it': async (path) =>
    writeFile(path, await readFile(path.replace(/\d+\/data\.mdb$/, '3/data.mdb'))),
};

describe('damaged stores', () => {
  it('are thrown away with a word, and built anew from the changelog', async (context) => {
    const kafka = local.of(context);
    const folding = await foldingOn(kafka, 'damaged');
    const stateRoot = await directoryOf('damaged');
    const { bootstrapServers } = kafka;
    const workers = workersOf({ bootstrapServers, app: 'damaged', partitions: 4, stateRoot });
    const first = workers.start();
    await first.ready(allTasks);
    const load = await ItemLoad.start({ kafka, folding, perSecond: 500 });
    await first.until(() => haveCommitted(first), 'is to commit');
    await first.stop();
    const random = seededRandom(6, 'damaged stores');
    const damaged: string[] = [];
    for (const [i, damage] of Object.values(damages).entries()) {
      const [processor, partition] = [i % 2 === 0 ? 'folding.first' : 'folding.second', i >> 1];
      await damage(join(stateRoot, 'worker-0', 'damaged', processor, String(partition), 'data.mdb'), random);
      damaged.push(`${processor}-${partition}`);
    }
    const second = workers.start(first.number);
    await second.ready(allTasks);
    for (const { task, toRestore } of second.tasks) {
      const said = second.troubles.filter((trouble) => trouble.task === task);
      if (damaged.includes(task)) {
        expect(toRestore, `${task}: offsets of its changelog read again`).toBeGreaterThan(0);
        const reasons = said.filter(({ code }) => code === 'store-failed').map(({ message }) => message);
        expect(reasons, task).toHaveLength(1);
        expect(reasons[0]).toContain('thrown away and read again from the changelog');
      } else {
        expect(toRestore, `${task}: its store is whole`).toBeLessThan(oneCommit);
        // Of Kafka it may have this and that to tell, on a machine that stands still.
        expect(said.filter(({ code }) => code.startsWith('store-') || code === 'disk-full')).toEqual([]);
      }
    }
    const acknowledged = await load.stop();
    await untilFolded(kafka, folding, acknowledged.size);
    await workers.stopAll();
    const proof = await proveExactlyOnce({ kafka, folding, acknowledged });
    expect(proof.items).toBe(acknowledged.size);
  });
});
