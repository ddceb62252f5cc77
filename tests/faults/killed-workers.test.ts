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

const kills = 33;
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

/** Kills in the middle of a commit, as far as its time can be foretold: commits begin at an interval, when there is work. */
async function killInCommit(worker: Worker, random: () => number): Promise<void> {
  await worker.ready();
  const commits = (): number => worker.tasks.reduce((sum, task) => sum + task.commits, 0);
  const before = commits();
  await worker.until(() => commits() > before, 'is to commit');
  const lastMs = Math.max(...worker.tasks.map(({ commitMs }) => commitMs));
  await sleep(Math.max(0, commitIntervalMs - lastMs + random() * lastMs));
  await worker.kill();
}

async function killInRestore(worker: Worker, random: () => number): Promise<void> {
  await worker.until(() => isRestoring(worker) || worker.isReady, 'is to restore');
  if (random() < 0.5) await sleep(random() * 30);
  await worker.kill();
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
  });
  for (let i = 0; i < 3; i += 1) workers.start();
  const load = await ItemLoad.start({ kafka, folding, perSecond: 300 });
  const random = seededRandom(4, 'killed workers');
  let inRestore = 0;
  for (let i = 0; i < kills; i += 1) {
    const { running } = workers;
    const newest = running.at(-1)!;
    const any = running[Math.floor(random() * running.length)]!;
    const victim = i % 3 === 0 ? newest : any;
    if (i % 3 === 0) await killInRestore(victim, random);
    else if (i % 3 === 1) await killInCommit(victim, random);
    else {
      await sleep(random() * 2_000);
      await victim.kill();
    }
    if (isRestoring(victim)) inRestore += 1;
    workers.start(victim.number);
  }
  const acknowledged = await load.stop();
  await untilFolded(kafka, folding, acknowledged.size);
  await workers.stopAll();
  const proof = await proveExactlyOnce({ kafka, folding, acknowledged });
  expect(proof.items).toBe(acknowledged.size);
  const inCommit = await abortedTransactions(kafka, folding.app);
  process.stdout.write(
    `killed ${kills} workers, ${inRestore} while they restored; ${inCommit} commits were cut off; ${proof.items} items\n`,
  );
  // The moments were met: without that the test would prove nothing about them.
  expect(inRestore).toBeGreaterThanOrEqual(5);
  expect(inCommit).toBeGreaterThanOrEqual(3);
});
