/** A broker that stands still: connections stay open, nothing answers. Workers wait, and take no partition for idle. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { kafkaForFile } from '../integration/kafka.fixture.ts';
import { countingOn, proveCounted, untilCounted } from './counting-proof.fixture.ts';
import { ItemLoad } from './item-load.fixture.ts';
import { type Worker, Workers } from './workers.fixture.ts';

const local = kafkaForFile();
const unreachableMs = 60_000;
/** Longer than a partition may be silent, shorter than any client gives up. */
const stallMs = 4_000;
/** Much more than the two inputs differ by: were one of them taken for idle, its next items would be late. */
const othersLagMs = 8_000;
/** Much longer than it takes: a machine that is slow fails no test. */
const backWithinMs = 120_000;
let workers: Workers | undefined;

afterEach(async () => {
  await workers?.killAll();
});

const recordsOf = ({ tasks }: Worker): number => tasks.reduce((sum, { commits }) => sum + commits, 0);

/** Milliseconds until every worker runs and commits again. */
async function untilBack(all: readonly Worker[]): Promise<number> {
  const startMs = performance.now();
  for (const worker of all) {
    const before = recordsOf(worker);
    await worker.until(() => worker.isReady && recordsOf(worker) !== before, 'is to go on', backWithinMs);
  }
  return performance.now() - startMs;
}

it('for a minute costs nothing: workers wait, close no window by it, and go on when it is back', async (context) => {
  const kafka = local.of(context);
  const broker = kafka.brokers[0]!;
  const counting = await countingOn(kafka, 'unreachable');
  const { bootstrapServers } = kafka;
  // Before the workers: to them inputs are never idle, of which the other one's first items would be late.
  const load = await ItemLoad.start({ kafka, folding: counting, perSecond: 200, othersLagMs });
  workers = new Workers({
    bootstrapServers,
    app: 'unreachable',
    kind: 'counting',
    partitions: 2,
    sessionTimeoutMs: 6_000,
  });
  const all = [workers.start(), workers.start()];
  await Promise.all(all.map((worker) => worker.ready()));
  await sleep(3_000);
  try {
    for (const downMs of [stallMs, stallMs, unreachableMs]) {
      const notesBefore = all.map(({ troubles }) => troubles.length);
      broker.pause();
      await sleep(downMs);
      broker.resume();
      const backMs = await untilBack(all);
      const notes = all.map(({ troubles }, i) => troubles.length - notesBefore[i]!);
      process.stdout.write(
        `unreachable for ${downMs / 1_000} s: back after ${Math.round(backMs)} ms, ${notes.join(' and ')} notes\n`,
      );
      for (const count of notes) expect(count, 'notes of a worker').toBeLessThan(100);
      await sleep(1_000);
    }
  } finally {
    broker.resume();
  }
  const acknowledged = await load.stop();
  // Now both inputs are idle, and all windows close.
  await untilCounted(kafka, counting);
  await workers.stopAll();
  const { items, lates, counts } = await proveCounted(kafka, counting);
  expect(items).toHaveLength(acknowledged.size);
  expect(counts.length).toBeGreaterThan(1_000);
  // Where the load itself stood still, its partitions were idle, and what it sent next of `others` was late by right.
  const isByRight = (at: number): boolean =>
    load.stalls.some((endMs) => at >= endMs - othersLagMs && at < endMs + 1_000);
  expect(
    lates.filter(({ at }) => !isByRight(at)),
    'items that were late because a partition was taken for idle',
  ).toEqual([]);
});
