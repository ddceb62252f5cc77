/** Workers that are killed at any moment, again and again, under load: nothing is lost, nothing happens twice. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { seededRandom } from '#engine/replay/variation.ts';
import { kafkaForFile } from '../integration/kafka.fixture.ts';
import { ItemLoad } from './item-load.fixture.ts';
import { foldingOn, proveExactlyOnce, untilFolded } from './proof.fixture.ts';
import { abortedTransactions } from './transactions.fixture.ts';
import { type Worker, Workers } from './workers.fixture.ts';

/** More, a few at a time, until the moments were met. */
const [kills, killsMore, mostKills] = [33, 6, 63];
const [leastInRestore, leastInCommit] = [5, 3];
/** From when a worker tells of something to when it is heard here, about. */
const spokenMs = 1;
const commitIntervalMs = 50;
// The group forgets a killed worker after its session time-out; a broker does not grant a shorter one by default.
const local = kafkaForFile({ properties: { 'group.min.session.timeout.ms': '1000' } });

let workers: Workers | undefined;
let stateRoot: string | undefined;

afterEach(async () => {
  await workers?.killAll();
  if (stateRoot !== undefined) await rm(stateRoot, { recursive: true, force: true });
});

const isRestoring = ({ tasks }: Worker): boolean =>
  tasks.some(({ phase }) => phase === 'restoring' || phase === 'taking-over');

/** Kills in the middle of a commit: at some time within what the last one took, from when the worker tells that one begins. */
async function killInCommit(worker: Worker, random: () => number): Promise<void> {
  await worker.ready();
  const before = worker.commitsBegun;
  await worker.until(() => worker.commitsBegun > before, 'is to commit');
  const lastMs = Math.max(...worker.tasks.map(({ commitMs }) => commitMs));
  const waitMs = random() * lastMs - spokenMs;
  if (waitMs > 0) await sleep(waitMs);
  await worker.kill();
}

async function killInRestore(worker: Worker, random: () => number): Promise<void> {
  await worker.until(() => isRestoring(worker) || worker.isReady, 'is to restore');
  if (random() < 0.5) await sleep(random() * 30);
  await worker.kill();
}

/** Kills one of the workers, in a way that depends on `turn`. @returns it */
async function killOne({ running }: Workers, turn: number, random: () => number): Promise<Worker> {
  const newest = running.at(-1)!;
  const any = running[Math.floor(random() * running.length)]!;
  const victim = turn % 3 === 0 ? newest : any;
  if (turn % 3 === 0) await killInRestore(victim, random);
  else if (turn % 3 === 1) await killInCommit(victim, random);
  else {
    await sleep(random() * 2_000);
    await victim.kill();
  }
  return victim;
}

it('that are killed while they restore, commit or do anything else lose nothing and repeat nothing', async (context) => {
  const kafka = local.of(context);
  const folding = await foldingOn(kafka, 'killed');
  stateRoot = await mkdtemp(join(tmpdir(), 'weir-killed-'));
  workers = new Workers({
    bootstrapServers: kafka.bootstrapServers,
    app: 'killed',
    partitions: 4,
    stateRoot,
    commitIntervalMs,
    sessionTimeoutMs: 1_500,
    tellCommits: true,
  });
  const random = seededRandom(4, 'killed workers');
  const acknowledged = new Set<string>();
  let [killed, inRestore, inCommit] = [0, 0, 0];
  // What cannot be foretold is done more often, until the moments were met.
  while (killed < kills || (killed < mostKills && (inRestore < leastInRestore || inCommit < leastInCommit))) {
    for (const number of [0, 1, 2]) workers.start(number);
    const load = await ItemLoad.start({ kafka, folding, perSecond: 300, firstId: acknowledged.size });
    for (const end = killed === 0 ? kills : killed + killsMore; killed < end; killed += 1) {
      const victim = await killOne(workers, killed, random);
      if (isRestoring(victim)) inRestore += 1;
      workers.start(victim.number);
    }
    for (const id of await load.stop()) acknowledged.add(id);
    await untilFolded(kafka, folding, acknowledged.size);
    await Promise.all(workers.running.map((worker) => worker.ready()));
    await workers.stopAll();
    inCommit = await abortedTransactions(kafka, folding.app);
  }
  const proof = await proveExactlyOnce({ kafka, folding, acknowledged });
  process.stdout.write(
    `killed ${killed} workers, ${inRestore} while they restored; ${inCommit} commits were cut off; ${proof.items} items\n`,
  );
  expect(proof.items).toBe(acknowledged.size);
  // The moments were met: without that the test would prove nothing about them.
  expect(inRestore).toBeGreaterThanOrEqual(leastInRestore);
  expect(inCommit).toBeGreaterThanOrEqual(leastInCommit);
}, 900_000);
