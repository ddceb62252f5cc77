/** Workers that come and go in order, under load. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { kafkaForFile } from '../integration/kafka.fixture.ts';
import { ItemLoad } from './item-load.fixture.ts';
import { foldingOn, proveExactlyOnce, untilFolded } from './proof.fixture.ts';
import { type Worker, Workers } from './workers.fixture.ts';

const allTasks = 8;
const phaseMs = 3_000;

const local = kafkaForFile();
let workers: Workers | undefined;

afterEach(async () => {
  await workers?.killAll();
});

/** Resolves when the tasks run on exactly these workers, each with its share. */
async function untilShared(all: readonly Worker[]): Promise<void> {
  const least = Math.floor(allTasks / all.length);
  const running = (worker: Worker): number => worker.tasks.filter(({ phase }) => phase === 'running').length;
  const isSo = (): boolean =>
    all.every((worker) => running(worker) >= least) &&
    all.reduce((sum, worker) => sum + running(worker), 0) === allTasks;
  for (const worker of all) {
    while (!isSo()) {
      worker.throwIfFailed();
      await worker.until(isSo, 'is to have its share');
    }
  }
}

it('from one to three and back to two lose nothing and repeat nothing', async (context) => {
  const kafka = local.of(context);
  const folding = await foldingOn(kafka, 'scaling');
  workers = new Workers({ bootstrapServers: kafka.bootstrapServers, app: 'scaling', partitions: 4 });
  const first = workers.start();
  await first.ready(allTasks);
  const load = await ItemLoad.start({ kafka, folding, perSecond: 1_000 });
  await sleep(phaseMs);
  const [second, third] = [workers.start(), workers.start()];
  await untilShared([first, second, third]);
  await sleep(phaseMs);
  await first.stop();
  await untilShared([second, third]);
  await sleep(phaseMs);
  const acknowledged = await load.stop();
  await untilFolded(kafka, folding, acknowledged.size);
  for (const worker of [second, third])
    await worker.until(
      () => worker.tasks.length > 0 && worker.tasks.every(({ records }) => records > 0),
      'is to have taken records of each of its tasks',
    );
  await workers.stopAll();
  const proof = await proveExactlyOnce({ kafka, folding, acknowledged });
  expect(proof.items).toBe(acknowledged.size);
});
