/** A worker that stands still for longer than its session, and goes on: its tasks are others' by then. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { seededRandom } from '#engine/replay/variation.ts';
import { kafkaForFile } from '../integration/kafka.fixture.ts';
import { ItemLoad } from './item-load.fixture.ts';
import { foldingOn, proveExactlyOnce, untilFolded } from './proof.fixture.ts';
import { type CommitCall, commitCalls } from './worker-protocol.ts';
import { Workers } from './workers.fixture.ts';

/** Each worker before each call of a commit; then at any moment, when others may hear first that their tasks are gone. */
const [freezesInCommit, freezesAnywhen] = [9, 3];
const sessionTimeoutMs = 1_500;
const commitIntervalMs = 50;
const allTasks = 8;

const local = kafkaForFile({ properties: { 'group.min.session.timeout.ms': '1000' } });
let workers: Workers | undefined;

afterEach(async () => {
  await workers?.killAll();
});

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
  /** Of the commits in which workers were frozen. */
  const outcomes: string[] = [];
  for (let turn = 0; turn < freezesInCommit + freezesAnywhen; turn += 1) {
    const zombie = all[turn % all.length]!;
    const others = all.filter((worker) => worker !== zombie);
    const running = (): number =>
      others.flatMap(({ tasks }) => tasks).filter(({ phase }) => phase === 'running').length;
    let before: CommitCall | undefined;
    if (turn < freezesInCommit) before = await zombie.freezeInCommit();
    else {
      // It may have lost its session meanwhile, where the machine stood still.
      await zombie.ready();
      await sleep(commitIntervalMs * random());
      zombie.freeze();
    }
    const had = zombie.tasks.length;
    expect(had, 'tasks of the worker that is frozen').toBeGreaterThan(0);
    const takenOver = others.map((worker) => worker.until(() => running() === allTasks, 'is to take over'));
    await Promise.any(takenOver);
    await Promise.allSettled(takenOver);
    await sleep(200 * random());
    zombie.thaw();
    // What it tells of before it hears that its tasks are gone is old: it has to give them up and to be given its share.
    const takesPart = (): boolean => zombie.isReady && zombie.tasks.length > 0;
    if (before !== undefined) outcomes.push(`${before}: ${await zombie.outcome()}`);
    await zombie.until(() => takesPart() && running() + zombie.tasks.length === allTasks, 'is to take part');
  }
  const acknowledged = await load.stop();
  await untilFolded(kafka, folding, acknowledged.size);
  await workers.stopAll();
  const proof = await proveExactlyOnce({ kafka, folding, acknowledged });
  process.stdout.write(`${proof.items} items; ${outcomes.join(', ')}\n`);
  expect(proof.items).toBe(acknowledged.size);
  const fenced = (before: CommitCall): number => outcomes.filter((one) => one === `${before}: fenced`).length;
  // The brokers have to refuse it what comes last. Before that it may hear first that its tasks are gone, and drop what it has begun.
  expect(fenced('commitTransaction')).toBe(freezesInCommit / commitCalls.length);
  expect(outcomes.filter((one) => !/: (fenced|log-closed|transaction-aborted)$/.test(one))).toEqual([]);
  expect(outcomes).toHaveLength(freezesInCommit);
});
