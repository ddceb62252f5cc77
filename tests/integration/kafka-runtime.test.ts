/** Tasks on a real Kafka: taken over, fed, committed, given back, and exactly once through all of it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CompressionTypes, logLevel, Partitioners } from 'kafkajs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { KafkaRuntime } from '#engine/kafka/driver/kafka-runtime.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import type { Stream } from '#engine/topology/stream.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { foldingApp, type Fold, type Item } from './folding.fixture.ts';
import { clientOf, kafkaForFile } from './kafka.fixture.ts';
import { partitionOf } from '#engine/log/murmur2.ts';

/** Longer than anything takes: a machine that is slow fails no test. */
const longMs = 90_000;
/** What tasks give back in less they have noted for certain: they have 1.5 s for that. */
const notedMs = 1_400;

const local = kafkaForFile();

async function readAll<T>(kafka: LocalKafka, stream: Stream<T>): Promise<T[]> {
  const reader = await KafkaReader.connect({
    kafka: { brokers: kafka.bootstrapServers.split(','), logLevel: logLevel.NOTHING },
  });
  const codec = eventCodec(stream, new WriterSchemas());
  const events: T[] = [];
  const { signal } = new AbortController();
  for (let p = 0; p < stream.partitions; p += 1) {
    const end = await reader.offsetOf(stream.topic, p, 'end');
    const partition = await reader.assign(stream.topic, p, 0);
    while (partition.position < end) {
      await partition.settled(signal);
      for (const { value } of partition.take(1_000)) events.push(codec.decode(value!));
    }
  }
  await reader.close();
  return events;
}

async function produce(kafka: LocalKafka, stream: Stream<Item>, items: readonly Item[]): Promise<void> {
  const producer = clientOf(kafka).producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const codec = eventCodec(stream, new WriterSchemas());
  await producer.send({
    topic: stream.topic,
    compression: CompressionTypes.None,
    messages: items.map((item) => ({
      key: item.thing,
      value: codec.encode(item),
      timestamp: String(item.at),
      partition: partitionOf(Buffer.from(item.thing), stream.partitions),
    })),
  });
  await producer.disconnect();
}

const itemsOf = (count: number, prefix: string): Item[] =>
  Array.from({ length: count }, (_, i) => ({
    id: `${prefix}-${i}`,
    thing: `thing-${i % 17}`,
    at: Date.now() + i,
  }));

describe('a runtime on Kafka', () => {
  for (const isStored of [false, true])
    it(`goes on where it ended, ${isStored ? 'with' : 'without'} a local store`, async (context) => {
      const kafka = local.of(context);
      const { app, items, refolds } = foldingApp(`restarted-${String(isStored)}`);
      const connection = { brokers: kafka.bootstrapServers.split(',') };
      await ensureTopics(connection, plannedTopics(app));
      const stateDir = isStored ? await mkdtemp(join(tmpdir(), 'weir-state-')) : undefined;
      onTestFinished(async () => {
        if (stateDir !== undefined) await rm(stateDir, { recursive: true });
      });
      const errors: string[] = [];
      const start = (): Promise<KafkaRuntime> =>
        KafkaRuntime.start({
          app,
          connection,
          writers: new WriterSchemas(),
          ...(stateDir === undefined ? {} : { stateDir }),
          onTaskError: (task, error) => errors.push(`${task}: ${String(error)}`),
        });
      const before = (await readAll(kafka, refolds)).length;
      const first = await start();
      await produce(kafka, items, itemsOf(1_000, `${app.name}-a`));
      await until(async () => (await readAll(kafka, refolds)).length === before + 1_000);
      // Who is slow to give tasks back may leave out how far they had come: then they are given back once more.
      for (let tookMs = await stopped(first); isStored && tookMs > notedMs;) {
        const again = await start();
        await until(() => Promise.resolve(again.isReady && again.status().length === 8));
        tookMs = await stopped(again);
      }
      await produce(kafka, items, itemsOf(500, `${app.name}-b`));
      const second = await start();
      await until(async () => (await readAll(kafka, refolds)).length === before + 1_500);
      const read = second.status().reduce((sum, { toRestore }) => sum + toRestore, 0);
      if (isStored) expect(read).toBe(0);
      else expect(read).toBeGreaterThan(17);
      await stopped(second);
      const counts = new Map<string, number>();
      for (const { thing, count } of (await readAll<Fold>(kafka, refolds)).slice(before)) {
        expect(count).toBe((counts.get(thing) ?? 0) + 1);
        counts.set(thing, count);
      }
      expect(errors).toEqual([]);
    });
});

/** Stops it. @returns how long that took, in milliseconds */
async function stopped(runtime: KafkaRuntime): Promise<number> {
  const startedMs = performance.now();
  expect(await runtime.stop(longMs)).toBe(true);
  return performance.now() - startedMs;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const giveUpAtMs = performance.now() + longMs;
  while (!(await isSo())) {
    if (performance.now() > giveUpAtMs) throw new Error(`not in ${longMs / 1_000} s`);
    await sleep(100);
  }
}
