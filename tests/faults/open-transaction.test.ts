/** Workers that are killed in a commit, and leave a transaction open: the successor ends it, and nobody ever sees its records. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { changelogTopic } from '#engine/kafka/names.ts';
import { WindowClient } from '#engine/kafka/recorder/window-client.ts';
import { taskCount, type App } from '#engine/topology/app.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { kafkaForFile } from '../integration/kafka.fixture.ts';
import { readWithLibrdkafka } from '../integration/librdkafka.fixture.ts';
import { ItemLoad } from './item-load.fixture.ts';
import { connectionTo, foldingOn, proveExactlyOnce, untilFolded } from './proof.fixture.ts';
import { type Worker, Workers } from './workers.fixture.ts';

const wanted = 3;
const maxKills = 25;
/** A commit whose last request had reached the broker is finished by the broker alone; what is open twice, so long apart, stays so. */
const settleMs = 400;
const local = kafkaForFile({
  properties: {
    'group.min.session.timeout.ms': '1000',
    // Brokers themselves would end an abandoned transaction after 30 s: whoever ends one here is a successor.
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': '86400000',
  },
});
let workers: Workers | undefined;

afterEach(async () => {
  await workers?.killAll();
});

/** Offsets from `from` to before `to` of a changelog, which one task alone writes, belong to a transaction that is open. */
interface Open {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/** The changelogs that end in an open transaction. */
async function openTransactions(kafka: LocalKafka, app: App): Promise<Open[]> {
  const client = await WindowClient.connect(connectionTo(kafka), () => undefined);
  try {
    const open: Open[] = [];
    for (const processor of app.processors) {
      const topic = changelogTopic(app.name, processor.name);
      for (let partition = 0; partition < taskCount(processor); partition += 1) {
        const from = await client.offset(topic, partition, 'end');
        const to = await client.offset(topic, partition, 'written');
        if (from < to) open.push({ topic, partition, from, to });
      }
    }
    return open;
  } finally {
    await client.close();
  }
}

/** Those that are open still, from the same offset on. */
const stillOpen = (open: readonly Open[], later: readonly Open[]): Open[] =>
  later.filter(({ topic, partition, from }) =>
    open.some((one) => one.topic === topic && one.partition === partition && one.from === from),
  );

/** The transactions that stay open. */
async function leftOpen(kafka: LocalKafka, app: App): Promise<Open[]> {
  await sleep(settleMs);
  const open = await openTransactions(kafka, app);
  if (open.length === 0) return open;
  await sleep(settleMs);
  return stillOpen(open, await openTransactions(kafka, app));
}

async function killInCommit(worker: Worker): Promise<void> {
  await worker.ready(8);
  const commits = (): number => worker.tasks.reduce((sum, task) => sum + task.commits, 0);
  const before = commits();
  await worker.until(() => commits() > before, 'is to commit');
  await sleep(Math.random() * 50);
  await worker.kill();
}

/** Offsets of records in the range. */
async function offsetsIn(
  kafka: LocalKafka,
  { topic, partition, from, to }: Open,
  isolation: 'read_committed' | 'read_uncommitted',
): Promise<number[]> {
  const records = await readWithLibrdkafka(kafka.bootstrapServers, topic, partition, isolation);
  return records.map(({ offset }) => offset).filter((offset) => offset >= from && offset < to);
}

it('are ended by the successor at once, and none of their records is ever read', async (context) => {
  const kafka = local.of(context);
  const folding = await foldingOn(kafka, 'left-open');
  const { bootstrapServers } = kafka;
  workers = new Workers({
    bootstrapServers,
    app: 'left-open',
    partitions: 4,
    commitIntervalMs: 20,
    sessionTimeoutMs: 1_500,
  });
  const load = await ItemLoad.start({ kafka, folding, perSecond: 400 });
  const left: Open[] = [];
  let kills = 0;
  for (let worker = workers.start(); left.length < wanted && kills < maxKills; kills += 1) {
    await killInCommit(worker);
    const open = await leftOpen(kafka, folding.app);
    for (const one of open)
      expect(await offsetsIn(kafka, one, 'read_committed'), 'read while open').toEqual([]);
    worker = workers.start();
    await worker.ready(8);
    const still = stillOpen(open, await openTransactions(kafka, folding.app));
    expect(still, 'transactions that the successor did not end').toEqual([]);
    left.push(...open);
  }
  expect(left.length, `transactions left open by ${kills} kills`).toBeGreaterThanOrEqual(wanted);
  const acknowledged = await load.stop();
  await untilFolded(kafka, folding, acknowledged.size);
  await workers.stopAll();
  const proof = await proveExactlyOnce({ kafka, folding, acknowledged });
  expect(proof.items).toBe(acknowledged.size);
  for (const one of left) {
    // Compaction waits for ten minutes, so they are there still.
    expect((await offsetsIn(kafka, one, 'read_uncommitted')).length, 'records left behind').toBeGreaterThan(
      0,
    );
    expect(await offsetsIn(kafka, one, 'read_committed'), `${one.topic}/${one.partition}`).toEqual([]);
  }
  process.stdout.write(`${kills} kills left ${left.length} transactions open; ${proof.items} items\n`);
});
