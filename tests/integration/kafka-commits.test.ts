/** When a task on Kafka commits, and when it must not step: what happened between two commits of a runtime. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it, vi } from 'vitest';
import { KafkaEdge } from '#client/kafka-edge.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import type { EngineError } from '#engine/engine-error.ts';
import { clusterIdOf } from '#engine/kafka/cluster-id.ts';
import { KafkaRuntime } from '#engine/kafka/driver/kafka-runtime.ts';
import { OffsetsHandle } from '#engine/kafka/driver/offsets-handle.ts';
import { TransactionalProducer } from '#engine/kafka/driver/transactional-producer.ts';
import { changelogTopic, offsetsGroup, transactionalId } from '#engine/kafka/names.ts';
import { createCluster } from '#engine/kafka/reader/kafkajs-cluster.ts';
import { openTaskStore } from '#engine/kafka/store/task-store.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { topicIdOf } from '#engine/kafka/topic-id.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import type { App } from '#engine/topology/app.ts';
import { processor, urgent } from '#engine/topology/processor.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { decidedEnds } from './decided-ends.fixture.ts';
import { foldingApp, type Folding } from './folding.fixture.ts';
import { kafkaForFile } from './kafka.fixture.ts';

/** Longer than anything takes: a machine that is slow fails no test. */
const longMs = 120_000;
/** What a task gives back in less is noted for certain: it has 1.5 s for that. */
const notedMs = 1_400;

const local = kafkaForFile();
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Each item sets a timer of wall time, which tells of it urgently. */
function beatingApp(name: string, { items, urgentFolds }: Folding): App {
  const beating = processor({
    name: 'folding.beating',
    inputs: { items },
    outputs: { beats: urgent(urgentFolds) },
    state: {
      schema: {
        name: 'beating.Last',
        schema: {
          type: 'record',
          name: 'Last',
          namespace: 'beating',
          fields: [{ name: 'id', type: 'string' }],
        },
      },
      version: 1,
      initial: () => ({ id: '' }),
    },
    on: {
      items: (_, { id }, at) => ({ state: { id }, timers: [{ set: 'beat', atMs: at.wallMs + 1 }] }),
    },
    timers: {
      beat: {
        clock: 'wall',
        fire: ({ id }, at) => ({
          emit: [{ to: 'beats', value: { thing: at.key, at: at.wallMs, count: 1, digest: '', last: id } }],
        }),
      },
    },
    late: 'handle',
  });
  return { name, streams: [items, urgentFolds], processors: [beating] };
}

async function run(
  kafka: LocalKafka,
  app: App,
  options: { readonly stateDir?: string } = {},
): Promise<{ runtime: KafkaRuntime; errors: string[]; troubles: EngineError[] }> {
  const connection = { brokers: kafka.bootstrapServers.split(',') };
  await ensureTopics(connection, plannedTopics(app));
  const errors: string[] = [];
  const troubles: EngineError[] = [];
  const runtime = await KafkaRuntime.start({
    app,
    connection,
    writers: new WriterSchemas(),
    tickIntervalMs: 10,
    ...options,
    onTaskError: (task, error) => errors.push(`${task}: ${String(error)}`),
    onTrouble: (_, error) => troubles.push(error),
  });
  closing.push(() => runtime.stop(5_000));
  return { runtime, errors, troubles };
}

it('a task takes no record while the urgent output of a timer is being committed', async (context) => {
  const kafka = local.of(context);
  const folding = foldingApp('beating', 1);
  const { runtime, errors } = await run(kafka, beatingApp('beating', folding));
  const edge = await KafkaEdge.start({
    client: { brokers: kafka.bootstrapServers.split(','), source: '/tests/commits' },
    group: 'none',
    onFailure: () => undefined,
  });
  closing.push(() => edge.stop(5_000));
  const fired = (): number => runtime.status().reduce((sum, { counters }) => sum + counters.timersFired, 0);
  const giveUpAtMs = performance.now() + longMs;
  for (let i = 0; fired() < 50 && errors.length === 0; i += 1) {
    expect(performance.now()).toBeLessThan(giveUpAtMs);
    await edge.publish(folding.items, { id: `${i}`, thing: `thing-${i % 3}`, at: Date.now() });
    await sleep(1);
  }
  expect(errors).toEqual([]);
});

it('a runtime that is stopped while its tasks are taken over stops in order', async (context) => {
  const kafka = local.of(context);
  const { runtime, errors } = await run(kafka, foldingApp('hasty').app);
  while (runtime.status().length === 0) await sleep(1);
  expect(runtime.status().map(({ phase }) => phase)).not.toContain('running');
  expect(await runtime.stop(longMs)).toBe(true);
  expect(errors).toEqual([]);
});

it('a commit whose success is heard of when its task was given up is no trouble of its store', async (context) => {
  const kafka = local.of(context);
  const brokers = kafka.bootstrapServers.split(',');
  const folding = foldingApp('given-up', 1);
  const stateDir = await mkdtemp(join(tmpdir(), 'weir-commits-'));
  closing.push(() => rm(stateDir, { recursive: true }));
  const { prototype } = TransactionalProducer;
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called on its object
  const { commit } = prototype;
  let tell: () => void = () => undefined;
  const told = new Promise<void>((resolve) => {
    tell = resolve;
  });
  let isCommitted = false;
  prototype.commit = async function (transaction) {
    await commit.call(this, transaction);
    isCommitted = true;
    await told;
  };
  closing.push(() => {
    prototype.commit = commit;
    return Promise.resolve();
  });
  const { runtime, errors, troubles } = await run(kafka, beatingApp('given-up', folding), { stateDir });
  const edge = await KafkaEdge.start({
    client: { brokers, source: '/tests/commits' },
    group: 'none',
    onFailure: () => undefined,
  });
  closing.push(() => edge.stop(5_000));
  await edge.publish(folding.items, { id: '0', thing: 'thing', at: Date.now() });
  await vi.waitUntil(() => isCommitted, { timeout: longMs });
  // Brokers that took their time before are none of this.
  troubles.length = 0;
  await runtime.stop(500);
  tell();
  await sleep(50);
  expect(troubles.map(String)).toEqual([]);
  expect(errors).toEqual([]);
});

/** Stops it. @returns how long that took, in milliseconds */
async function stopped(runtime: KafkaRuntime): Promise<number> {
  const startedMs = performance.now();
  expect(await runtime.stop(longMs)).toBe(true);
  return performance.now() - startedMs;
}

/** What the store of the app's first task has come to. */
async function storedOffset(app: App, stateDir: string, brokers: readonly string[]): Promise<number> {
  const { name } = app.processors[0]!;
  const topic = changelogTopic(app.name, name);
  const cluster = createCluster({ brokers: [...brokers] });
  await cluster.connect();
  const topicId = (await topicIdOf(cluster, topic, 0))!;
  await cluster.disconnect();
  const clusterId = await clusterIdOf({ brokers });
  const store = await openTaskStore({
    directory: join(stateDir, app.name, name, '0'),
    identity: { clusterId, changelogTopic: topic, topicId, partition: '0', format: '1' },
  });
  const { offset } = store;
  await store.close();
  return offset;
}

it.for([
  { title: 'goes into its checkpoint', isFenced: false },
  { title: 'does not when a successor may have written there', isFenced: true },
])('the end of the changelog of a task that is given back $title', async ({ isFenced }, context) => {
  const kafka = local.of(context);
  const brokers = kafka.bootstrapServers.split(',');
  const folding = foldingApp(`ends-${isFenced ? 'fenced' : 'alone'}`, 1);
  const app = beatingApp(folding.app.name, folding);
  const { name } = app.processors[0]!;
  const topic = changelogTopic(app.name, name);
  const stateDir = await mkdtemp(join(tmpdir(), 'weir-commits-'));
  closing.push(() => rm(stateDir, { recursive: true }));
  const { runtime, errors } = await run(kafka, app, { stateDir });
  const edge = await KafkaEdge.start({
    client: { brokers, source: '/tests/commits' },
    group: 'none',
    onFailure: () => undefined,
  });
  closing.push(() => edge.stop(5_000));
  await edge.publish(folding.items, { id: '0', thing: 'thing', at: Date.now() });
  const isBeaten = (): boolean =>
    runtime.status().some(({ counters, isSettled }) => counters.timersFired === 1 && isSettled);
  while (!isBeaten()) await sleep(5);
  const end = (await decidedEnds({ brokers }, [{ topic, partitions: 1 }]))[0]!;
  if (isFenced) await writeAsSuccessor(brokers, app, topic);
  // Who is slow to give a task back may leave the end out: then it is given back once more.
  for (let tookMs = await stopped(runtime); !isFenced && tookMs > notedMs;) {
    const again = await run(kafka, app, { stateDir });
    while (!again.runtime.status().some(({ isSettled }) => isSettled)) await sleep(5);
    tookMs = await stopped(again.runtime);
    expect(again.errors).toEqual([]);
  }
  const stored = await storedOffset(app, stateDir, brokers);
  if (isFenced) expect(stored).toBeLessThanOrEqual(end);
  else expect(stored).toBe(end);
  expect(errors).toEqual([]);
});

/** What the next owner of the first task does, as soon as it has it. */
async function writeAsSuccessor(brokers: readonly string[], app: App, topic: string): Promise<void> {
  const { name } = app.processors[0]!;
  const { signal } = new AbortController();
  const connection = { brokers };
  const offsets = await OffsetsHandle.open(connection, offsetsGroup(app.name, name), signal);
  const producer = await TransactionalProducer.open(
    { connection, transactionalId: transactionalId(app.name, name, 0), offsets },
    signal,
  );
  const entry = { key: Buffer.from('k'), value: null, timestampMs: Date.now(), headers: {} };
  await producer.commit({ records: [{ topic, partition: 0, ...entry }], positions: [] });
  await producer.close(2_000);
  await offsets.close(2_000);
}
