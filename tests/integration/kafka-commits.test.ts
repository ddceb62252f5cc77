/** When a task on Kafka commits, and when it must not step: what happened between two commits of a runtime. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { KafkaEdge } from '#client/kafka-edge.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { KafkaRuntime } from '#engine/kafka/driver/kafka-runtime.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import type { App } from '#engine/topology/app.ts';
import { processor, urgent } from '#engine/topology/processor.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { foldingApp, type Folding } from './folding.fixture.ts';
import { kafkaForFile } from './kafka.fixture.ts';

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

async function run(kafka: LocalKafka, app: App): Promise<{ runtime: KafkaRuntime; errors: string[] }> {
  const connection = { brokers: kafka.bootstrapServers.split(',') };
  await ensureTopics(connection, plannedTopics(app));
  const errors: string[] = [];
  const runtime = await KafkaRuntime.start({
    app,
    connection,
    writers: new WriterSchemas(),
    tickIntervalMs: 10,
    onTaskError: (task, error) => errors.push(`${task}: ${String(error)}`),
  });
  closing.push(() => runtime.stop(5_000));
  return { runtime, errors };
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
  const giveUpAtMs = performance.now() + 30_000;
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
  expect(await runtime.stop(5_000)).toBe(true);
  expect(errors).toEqual([]);
});
