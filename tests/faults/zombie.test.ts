/** A worker that stands still for longer than its session, and goes on: its tasks are others' by then. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { seededRandom } from '#engine/replay/variation.ts';
import { kafkaForFile } from '../integration/kafka.fixture.ts';
import { ItemLoad } from './item-load.fixture.ts';
import { foldingOn, proveExactlyOnce, untilFolded } from './proof.fixture.ts';
import { type Worker, Workers } from './workers.fixture.ts';

/** More until a zombie was fenced in the middle of a commit; others hear first that their tasks are gone, and drop them. */
const [freezes, mostFreezes] = [6, 20];
const sessionTimeoutMs = 1_500;
const commitIntervalMs = 50;
const allTasks = 8;

const local = kafkaForFile({ properties: { 'group.min.session.timeout.ms': '1000' } });
let workers: Workers | undefined;

afterEach(async () => {
  await workers?.killAll();
});

/** Freezes it when it is likely to be in a commit: what it had begun then is the zombie's last word. */
async function freezeInCommit(worker: Worker, random: () => number): Promise<void> {
  const commits = (): number => worker.tasks.reduce((sum, task) => sum + task.commits, 0);
  const before = commits();
  await worker.until(() => commits() > before, 'is to commit');
  await sleep(commitIntervalMs * random());
  worker.freeze();
}

it('is fenced: nothing of what it had begun counts, and it takes part again', async (context) => {
  const kafka = local.of(context);
  const folding = await foldingOn(kafka, 'zombie');
  const { bootstrapServers } = kafka;
  workers = new Workers({
    bootstrapServers,
    app: 'zombie',
    partitions: 4,
    sessionTimeoutMs,
    commitIntervalMs,
  });
  const all = [workers.start(), workers.start(), workers.start()];
  await Promise.all(all.map((worker) => worker.ready()));
  const load = await ItemLoad.start({ kafka, folding, perSecond: 300 });
  const random = seededRandom(5, 'zombies');
  const fenced = (): number =>
    all.flatMap(({ troubles }) => troubles).filter(({ code }) => code === 'fenced').length;
  let frozen = 0;
  for (; frozen < freezes || (fenced() === 0 && frozen < mostFreezes); frozen += 1) {
    const zombie = all[frozen % all.length]!;
    const others = all.filter((worker) => worker !== zombie);
    const running = (): number =>
      others.flatMap(({ tasks }) => tasks).filter(({ phase }) => phase === 'running').length;
    await freezeInCommit(zombie, random);
    const had = zombie.tasks.length;
    expect(had, 'tasks of the worker that is frozen').toBeGreaterThan(0);
    const takenOver = others.map((worker) => worker.until(() => running() === allTasks, 'is to take over'));
    await Promise.any(takenOver);
    await Promise.allSettled(takenOver);
    await sleep(200 * random());
    zombie.thaw();
    // What it tells of before it hears that its tasks are gone is old: it has to give them up and to be given its share.
    const takesPart = (): boolean => zombie.isReady && zombie.tasks.length > 0;
    await zombie.until(() => takesPart() && running() + zombie.tasks.length === allTasks, 'is to take part');
  }
  const acknowledged = await load.stop();
  await untilFolded(kafka, folding, acknowledged.size);
  await workers.stopAll();
  const proof = await proveExactlyOnce({ kafka, folding, acknowledged });
  process.stdout.write(`froze ${frozen} workers; ${fenced()} tasks were fenced; ${proof.items} items\n`);
  expect(proof.items).toBe(acknowledged.size);
  expect(fenced()).toBeGreaterThan(0);
});
