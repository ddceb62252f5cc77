/** Brokers of three that are killed under load, one after the other: leaders, and both kinds of coordinators, move. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it, vi } from 'vitest';
import { membershipGroup, transactionalId } from '#engine/kafka/names.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { clientOf, kafkaForFile } from '../integration/kafka.fixture.ts';
import { ItemLoad } from './item-load.fixture.ts';
import { foldingOn, proveExactlyOnce, untilFolded } from './proof.fixture.ts';
import { Workers } from './workers.fixture.ts';

const local = kafkaForFile({ nodes: 3, heapMib: 256 });
const allTasks = 8;
const withoutMs = 3_000;
/** Much longer than anything takes: a machine that is slow fails no test. */
const longMs = 180_000;
let workers: Workers | undefined;

afterEach(async () => {
  await workers?.killAll();
});

/** Java's String.hashCode, by which a coordinator's partition is chosen. */
function javaHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i += 1) hash = (Math.imul(31, hash) + text.charCodeAt(i)) | 0;
  return hash;
}

/** The broker that leads a coordinator's partition of this id. */
async function coordinatorOf(
  kafka: LocalKafka,
  topic: '__transaction_state' | '__consumer_offsets',
  id: string,
): Promise<number> {
  const admin = clientOf(kafka).admin();
  await admin.connect();
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const { partitions } = topics[0]!;
    const number = (javaHash(id) & 0x7fffffff) % partitions.length;
    return partitions.find(({ partitionId }) => partitionId === number)!.leader;
  } finally {
    await admin.disconnect();
  }
}

it('cost no event and repeat none, whichever coordinator they are', async (context) => {
  const kafka = local.of(context);
  const folding = await foldingOn(kafka, 'brokers');
  const { bootstrapServers } = kafka;
  workers = new Workers({ bootstrapServers, app: 'brokers', partitions: 4, sessionTimeoutMs: 6_000 });
  const all = [workers.start(), workers.start()];
  await Promise.all(all.map((worker) => worker.ready()));
  const startedMs = performance.now();
  const load = await ItemLoad.start({ kafka, folding, perSecond: 200 });
  await sleep(2_000);
  const task = transactionalId('brokers', 'folding.first', 0);
  const coordinators = [
    () => coordinatorOf(kafka, '__transaction_state', task),
    () => coordinatorOf(kafka, '__consumer_offsets', membershipGroup('brokers')),
  ];
  const killed = new Set<number>();
  const running = (): number =>
    all.flatMap(({ tasks }) => tasks).filter(({ phase }) => phase === 'running').length;
  while (killed.size < kafka.brokers.length || coordinators.length > 0) {
    const next = coordinators.shift();
    const id = next === undefined ? kafka.brokers.find((broker) => !killed.has(broker.id))!.id : await next();
    const broker = kafka.brokers.find((one) => one.id === id)!;
    killed.add(id);
    const { size } = load.acknowledged;
    await broker.kill();
    await sleep(withoutMs);
    await broker.restart();
    await untilInSync(kafka);
    await vi.waitUntil(() => load.acknowledged.size > size, longMs);
  }
  await Promise.all(all.map((worker) => worker.until(() => running() === allTasks, 'is to have its tasks')));
  const acknowledged = await load.stop();
  await untilFolded(kafka, folding, acknowledged.size);
  await workers.stopAll();
  const seconds = (performance.now() - startedMs) / 1_000;
  const proof = await proveExactlyOnce({ kafka, folding, acknowledged });
  const notes = all.flatMap(({ troubles }) => troubles);
  // librdkafka hangs for ever in a call when a group's coordinator goes at the wrong moment; transactional-producer.ts, I6.
  const hung = notes.filter(({ message }) => message.includes('has not come back')).length;
  process.stdout.write(
    `killed ${killed.size} brokers; ${proof.items} items; ${notes.length} notes, ${hung} of calls that hung\n`,
  );
  // It takes a minute and a half; on a slow machine brokers are away for longer, and more is told.
  expect(notes.length, 'notes of both workers').toBeLessThan(Math.max(1_000, 10 * seconds));
  expect(proof.items).toBe(acknowledged.size);
});

/** Every replica has caught up: the next kill leaves enough of them. */
async function untilInSync(kafka: LocalKafka): Promise<void> {
  const admin = clientOf(kafka).admin();
  await admin.connect();
  try {
    for (const giveUpAtMs = performance.now() + longMs; ;) {
      // kafkajs takes a partition without a leader for a failure.
      const metadata = await admin.fetchTopicMetadata().catch(() => undefined);
      const partitions = metadata?.topics.flatMap((topic) => topic.partitions) ?? [];
      if (partitions.length > 0 && partitions.every(({ isr, replicas }) => isr.length === replicas.length))
        return;
      if (performance.now() > giveUpAtMs)
        throw new Error(`replicas are not in sync after ${longMs / 1_000} s`);
      await sleep(200);
    }
  } finally {
    await admin.disconnect();
  }
}
