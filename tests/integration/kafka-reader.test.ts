/**
 * The contract of Weir's reader of Kafka: it gives what librdkafka gives for the same partition with read_committed.
 * A seed that failed is in the test's name; `WEIR_READER_SEEDS=7,8` runs others.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { logLevel } from 'kafkajs';
import RdKafka from 'node-rdkafka';
import { afterEach, describe, expect, it, type TestContext } from 'vitest';
import { KafkaReader, type KafkaReaderConfig } from '#engine/kafka/reader/kafka-reader.ts';
import type { PartitionReader } from '#engine/kafka/reader/partition-reader.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { randomOf, writeInterleaved } from './interleaved-transactions.fixture.ts';
import { clientOf, createTopics, kafkaForFile } from './kafka.fixture.ts';
import { plain, type PlainRecord, readWithLibrdkafka, TestProducer } from './librdkafka.fixture.ts';

const local = kafkaForFile({
  properties: { 'log.cleaner.backoff.ms': '200', 'log.initial.task.delay.ms': '100' },
});
const seeds = (process.env['WEIR_READER_SEEDS'] ?? '1,2,3').split(',').map(Number);

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function readerOf(
  kafka: Pick<LocalKafka, 'bootstrapServers'>,
  config: Omit<KafkaReaderConfig, 'kafka'> = {},
): Promise<KafkaReader> {
  const brokers = kafka.bootstrapServers.split(',');
  const reader = await KafkaReader.connect({
    kafka: { brokers, logLevel: logLevel.NOTHING },
    maxWaitMs: 20,
    ...config,
  });
  closing.push(() => reader.close());
  return reader;
}

async function producerOf(
  kafka: LocalKafka,
  settings: Readonly<Record<string, string | number | boolean>> = {},
): Promise<TestProducer> {
  const producer = await TestProducer.connect(kafka.bootstrapServers, settings);
  closing.push(() => producer.close());
  return producer;
}

/** All records up to an end, by small takes. */
async function readTo(reader: PartitionReader, endOffset: number): Promise<PlainRecord[]> {
  const records: PlainRecord[] = [];
  const giveUpAtMs = performance.now() + 120_000;
  while (reader.position < endOffset) {
    for (const record of reader.take(7)) records.push(plain(record));
    if (performance.now() > giveUpAtMs)
      throw new Error(`at ${reader.position} of ${endOffset} in ${reader.topic}-${reader.partition}`);
    if (reader.available === 0 && reader.position < endOffset) await sleep(1);
  }
  return records;
}

async function readAll(reader: KafkaReader, topic: string, partition = 0): Promise<PlainRecord[]> {
  const end = await reader.offsetOf(topic, partition, 'end');
  const assigned = await reader.assign(topic, partition, 0);
  const records = await readTo(assigned, end);
  reader.unassign(assigned);
  return records;
}

const valuesOf = (records: readonly PlainRecord[]): string[] =>
  records.flatMap(({ value }) => (value === null ? [] : [value])).sort();

describe.each(seeds)('transactions interleaved by seed %i', (seed) => {
  const partitions = 2;
  const topic = `interleaved-${seed}`;

  it('are read as librdkafka reads them, by fetches of any size, up to the last stable offset', async (context) => {
    const kafka = local.of(context);
    await createTopics(kafka, [{ topic, partitions }]);
    const written = await writeInterleaved(kafka.bootstrapServers, topic, { seed, partitions, steps: 60 });
    expect(written.abortedRecords).toBeGreaterThan(0);
    for (const phase of ['open', 'decided']) {
      if (phase === 'decided') await written.close();
      for (let partition = 0; partition < partitions; partition++) {
        const theirs = await readWithLibrdkafka(kafka.bootstrapServers, topic, partition);
        for (const maxBytesPerPartition of [1, 200, 1 << 20]) {
          const reader = await readerOf(kafka, { maxBytesPerPartition });
          expect(await readAll(reader, topic, partition), `${phase}, ${maxBytesPerPartition} bytes`).toEqual(
            theirs,
          );
        }
        if (phase === 'decided') expect(valuesOf(theirs)).toEqual(written.committed[partition]);
      }
    }
  });

  it('are read alike from every offset on', async (context) => {
    const kafka = local.of(context);
    const reader = await readerOf(kafka, { maxBytesPerPartition: 1 + Math.floor(randomOf(seed)() * 400) });
    const whole = await readAll(reader, topic);
    const end = await reader.offsetOf(topic, 0, 'end');
    const partition = await reader.assign(topic, 0, 0);
    for (let from = 0; from <= end; from++) {
      partition.seek(from);
      expect(await readTo(partition, end), `from ${from}`).toEqual(
        whole.filter(({ offset }) => offset >= from),
      );
    }
  });
});

describe('a partition', () => {
  it('that is empty is at its end at once', async (context) => {
    const kafka = local.of(context);
    await createTopics(kafka, [{ topic: 'empty' }]);
    const reader = await readerOf(kafka);
    const partition = await reader.assign('empty', 0, 0);
    while (partition.lastStableOffset === undefined) await sleep(5);
    expect(partition).toMatchObject({ isAtEnd: true, position: 0, lastStableOffset: 0, highWatermark: 0 });
  });

  it('stays before an open transaction, then passes its markers though it gives no record', async (context) => {
    const kafka = local.of(context);
    await createTopics(kafka, [{ topic: 'open' }]);
    const producer = await producerOf(kafka, { 'transactional.id': 'open' });
    const other = await producerOf(kafka);
    const one = (value: string) => [{ topic: 'open', partition: 0, key: null, value: Buffer.from(value) }];
    await producer.begin();
    await producer.write(one('to be aborted'));
    await other.write(one('behind it'));
    const reader = await readerOf(kafka);
    const partition = await reader.assign('open', 0, 0);
    while (partition.lastStableOffset === undefined) await sleep(5);
    expect(partition).toMatchObject({ isAtEnd: true, position: 0, lastStableOffset: 0, highWatermark: 2 });
    await producer.abort();
    await partition.waitForData(AbortSignal.timeout(60_000));
    expect(partition.take(10).map(({ value }) => value?.toString())).toEqual(['behind it']);
    while (partition.position < 3) await sleep(5);
    expect(partition).toMatchObject({ isAtEnd: true, position: 3, available: 0 });
  });

  it('that was compacted is read as librdkafka reads it', async (context) => {
    const kafka = local.of(context);
    const topic = 'compacted';
    const config = {
      'cleanup.policy': 'compact',
      'segment.ms': '200',
      'min.cleanable.dirty.ratio': '0.0',
      'delete.retention.ms': '0',
    };
    await createTopics(kafka, [{ topic, config }]);
    const producers = await Promise.all(
      [0, 1].map((i) => producerOf(kafka, { 'transactional.id': `compacted-${i}` })),
    );
    const random = randomOf(11);
    for (let i = 0; i < 40; i++) {
      const producer = producers[i % 2]!;
      await producer.begin();
      const keys = Array.from({ length: 5 }, () => Math.floor(random() * 6));
      await producer.write(
        keys.map((key) => ({
          topic,
          partition: 0,
          key: Buffer.from([0, 0, 0, key]),
          value: Buffer.from(`${i}`),
        })),
      );
      await (random() < 0.4 ? producer.abort() : producer.commit());
    }
    const before = await readAll(await readerOf(kafka), topic);
    expect((await compactedBelow(kafka, topic, producers[0]!, before.length / 2)).length).toBeGreaterThan(0);
    // The cleaner may go on for a while: only readings between two that are alike are compared.
    for (;;) {
      const theirs = await readWithLibrdkafka(kafka.bootstrapServers, topic, 0);
      const ours: PlainRecord[][] = [];
      for (const maxBytesPerPartition of [1, 300, 1 << 20])
        ours.push(await readAll(await readerOf(kafka, { maxBytesPerPartition }), topic));
      const again = await readWithLibrdkafka(kafka.bootstrapServers, topic, 0);
      if (JSON.stringify(again) !== JSON.stringify(theirs)) continue;
      expect(ours).toEqual([theirs, theirs, theirs]);
      return;
    }
  });

  it('whose records were deleted says so, and where it begins', async (context) => {
    const kafka = local.of(context);
    await createTopics(kafka, [{ topic: 'deleted' }]);
    const producer = await producerOf(kafka);
    const records = Array.from({ length: 5 }, () => ({
      topic: 'deleted',
      partition: 0,
      key: null,
      value: Buffer.from('x'),
    }));
    await producer.write(records);
    const admin = clientOf(kafka).admin();
    await admin.connect();
    await admin.fetchTopicOffsets('deleted'); // kafkajs looks the leader up in what it has heard of
    await admin.deleteTopicRecords({ topic: 'deleted', partitions: [{ partition: 0, offset: '3' }] });
    await admin.disconnect();
    const reader = await readerOf(kafka);
    const partition = await reader.assign('deleted', 0, 1);
    await partition.waitForData(AbortSignal.timeout(60_000));
    expect(() => partition.take(1)).toThrow(expect.objectContaining({ code: 'offset-out-of-range' }));
    const start = await reader.offsetOf('deleted', 0, 'start');
    partition.seek(start);
    expect((await readTo(partition, 5)).map(({ offset }) => offset)).toEqual([3, 4]);
  });

  it('is not fetched while it is paused or full', async (context) => {
    const kafka = local.of(context);
    await createTopics(kafka, [{ topic: 'full', partitions: 2 }]);
    const producer = await producerOf(kafka);
    const value = Buffer.alloc(10_000, 'x');
    for (let i = 0; i < 30; i++)
      await producer.write([0, 1].map((partition) => ({ topic: 'full', partition, key: null, value })));
    const reader = await readerOf(kafka, { maxBufferedBytes: 50_000, maxBytesPerPartition: 20_000 });
    const full = await reader.assign('full', 0, 0);
    const other = await reader.assign('full', 1, 0);
    other.pause();
    while (full.available < 5) await sleep(5);
    await sleep(200);
    expect(full.available).toBeLessThan(10);
    other.resume();
    expect(await readTo(other, 30)).toHaveLength(30);
    expect(await readTo(full, 30)).toHaveLength(30);
  });

  it('that is not there is refused', async (context) => {
    const kafka = local.of(context);
    const reader = await readerOf(kafka);
    await expect(reader.assign('nowhere', 0, 0)).rejects.toMatchObject({ code: 'unknown-topic' });
    await expect(reader.assign('empty', 7, 0)).rejects.toMatchObject({ code: 'unknown-topic' });
  });
});

describe('a topic that is deleted while it is read', () => {
  it('is told again and again, and its neighbours are read on', async (context) => {
    const kafka = local.of(context);
    const topics = ['gone', 'kept'];
    await createTopics(
      kafka,
      topics.map((topic) => ({ topic })),
    );
    const troubles: string[] = [];
    const reader = await readerOf(kafka, { onTrouble: ({ message }) => troubles.push(message) });
    const [deleted, kept] = await Promise.all(topics.map((topic) => reader.assign(topic, 0, 0)));
    await deleted!.settled(AbortSignal.timeout(60_000));
    expect(troubles).toEqual([]);
    const admin = clientOf(kafka).admin();
    await admin.connect();
    await admin.deleteTopics({ topics: ['gone'] });
    await admin.disconnect();
    await expect
      .poll(() => troubles.filter((message) => message === 'gone/0 is not in Kafka any more').length, {
        timeout: 60_000,
      })
      .toBeGreaterThan(1);
    expect(deleted!.unansweredMs).toBeGreaterThan(0);
    const producer = await producerOf(kafka);
    await producer.write([{ topic: 'kept', partition: 0, key: null, value: Buffer.from('after') }]);
    expect(await readTo(kept!, 1)).toHaveLength(1);
    // It was answered after the other had its last answer.
    expect(kept!.unansweredMs).toBeLessThan(deleted!.unansweredMs);
    deleted!.pause();
    expect(deleted!.unansweredMs).toBe(0);
  });
});

describe('several readers of one partition', () => {
  const values = Array.from({ length: 400 }, (_, i) => Buffer.from(`${i}`.padStart(100, '0')));
  const written = values.map((value) => value.toString('hex'));

  /** A topic of `values`, in batches of 20. */
  async function topicOf(context: TestContext, topic: string): Promise<LocalKafka> {
    const kafka = local.of(context);
    await createTopics(kafka, [{ topic }]);
    const producer = await producerOf(kafka);
    for (let from = 0; from < values.length; from += 20)
      await producer.write(
        values.slice(from, from + 20).map((value) => ({ topic, partition: 0, key: null, value })),
      );
    return kafka;
  }

  it.for([1, 3_000, 1 << 20])(
    'get all from their own offsets on, by fetches of %i bytes',
    async (maxBytesPerPartition, context) => {
      const topic = `several-${maxBytesPerPartition}`;
      const reader = await readerOf(await topicOf(context, topic), { maxBytesPerPartition });
      const starts = [0, 0, 130, 131, 399, 400];
      const readers = await Promise.all(starts.map((offset) => reader.assign(topic, 0, offset)));
      const read = await Promise.all(readers.map((one) => readTo(one, 400)));
      expect(read.map((records) => records.map(({ value }) => value))).toEqual(
        starts.map((offset) => written.slice(offset)),
      );
    },
  );

  it('do not wait for one that is full, paused, or far behind', async (context) => {
    const kafka = await topicOf(context, 'unequal');
    const reader = await readerOf(kafka, {
      maxBufferedBytes: 5_000,
      maxBytesPerPartition: 3_000,
      maxWaitMs: 1_500,
    });
    const [full, paused, ahead] = await Promise.all(
      [0, 0, 200].map((from) => reader.assign('unequal', 0, from)),
    );
    paused!.pause();
    expect(await readTo(ahead!, 400)).toHaveLength(200);
    expect(full!.available).toBeLessThan(200);
    // While one waits at the end for new data, the other reads on without waiting with it.
    const startedMs = performance.now();
    expect(await readTo(full!, 400)).toHaveLength(400);
    paused!.resume();
    expect(await readTo(paused!, 400)).toHaveLength(400);
    // With 1.5 s before each of the 40 batches it would be 60 s; a slow machine takes some by itself.
    expect(performance.now() - startedMs).toBeLessThan(45_000);
  });

  it('go on when one of them ends, seeks, or fails', async (context) => {
    const kafka = await topicOf(context, 'apart');
    const reader = await readerOf(kafka, { maxBytesPerPartition: 3_000 });
    const [ends, seeks, fails, stays] = await Promise.all(
      [0, 0, 9_000, 0].map((from) => reader.assign('apart', 0, from)),
    );
    await fails!.waitForData(AbortSignal.timeout(60_000));
    expect(() => fails!.take(1)).toThrow(expect.objectContaining({ code: 'offset-out-of-range' }));
    reader.unassign(ends!);
    reader.unassign(ends!);
    await seeks!.waitForData(AbortSignal.timeout(60_000));
    seeks!.seek(350);
    expect((await readTo(seeks!, 400)).map(({ value }) => value)).toEqual(written.slice(350));
    expect((await readTo(stays!, 400)).map(({ value }) => value)).toEqual(written);
    expect(ends!.available).toBeLessThan(400);
  });
});

/** Append until the cleaner has left fewer than `count` records; a segment is closed by an append after its time. */
async function compactedBelow(
  kafka: LocalKafka,
  topic: string,
  producer: TestProducer,
  count: number,
): Promise<PlainRecord[]> {
  const reader = await readerOf(kafka);
  const giveUpAtMs = performance.now() + 120_000;
  for (let round = 0; performance.now() < giveUpAtMs; round++) {
    await sleep(300);
    await producer.begin();
    await producer.write([{ topic, partition: 0, key: Buffer.from('last'), value: Buffer.from(`${round}`) }]);
    await producer.commit();
    const records = await readAll(reader, topic);
    if (records.length < count) return records;
  }
  throw new Error(`${topic} was not compacted`);
}

describe('records', () => {
  const values = Array.from({ length: 300 }, (_, i) =>
    Buffer.from(`${`value ${i % 7} `.repeat(1 + (i % 50))}${i}`),
  );

  async function writeAll(
    context: TestContext,
    topic: string,
    config: Record<string, string>,
    codec: string,
  ): Promise<LocalKafka> {
    const kafka = local.of(context);
    await createTopics(kafka, [{ topic, config }]);
    const producer = await producerOf(kafka, { 'compression.codec': codec, 'linger.ms': 50 });
    await producer.write(
      values.map((value, i) => ({ topic, partition: 0, key: Buffer.from(`${i}`), value })),
      [{ ce_type: 'a' }, { twice: '1' }, { twice: '2' }, { constructor: 'c' }],
    );
    return kafka;
  }

  it.for(['none', 'gzip', 'snappy', 'lz4'])(
    'that librdkafka compressed with %s are read',
    async (codec, context) => {
      const kafka = await writeAll(context, `by-librdkafka-${codec}`, {}, codec);
      const theirs = await readWithLibrdkafka(kafka.bootstrapServers, `by-librdkafka-${codec}`, 0);
      const ours = await readAll(await readerOf(kafka), `by-librdkafka-${codec}`);
      expect(ours).toEqual(theirs);
      expect(ours.map(({ value }) => value)).toEqual(values.map((value) => value.toString('hex')));
    },
  );

  it.for(['gzip', 'snappy', 'lz4', 'zstd'])(
    'that Java compressed with %s are read',
    async (codec, context) => {
      // The broker compresses anew what came in another codec than the topic's.
      const kafka = await writeAll(context, `by-java-${codec}`, { 'compression.type': codec }, 'none');
      const ours = await readAll(await readerOf(kafka), `by-java-${codec}`);
      expect(ours.map(({ value }) => value)).toEqual(values.map((value) => value.toString('hex')));
      if (RdKafka.features.includes(codec))
        expect(ours).toEqual(await readWithLibrdkafka(kafka.bootstrapServers, `by-java-${codec}`, 0));
    },
  );
});

describe('a broker that is killed and comes back', () => {
  it('delays its readers and nothing else', async (context) => {
    const kafka = local.of(context);
    await createTopics(kafka, [{ topic: 'killed' }]);
    const producer = await producerOf(kafka);
    const one = (value: string) => [{ topic: 'killed', partition: 0, key: null, value: Buffer.from(value) }];
    await producer.write(one('before'));
    const troubles: string[] = [];
    const reader = await readerOf(kafka, { onTrouble: ({ code }) => troubles.push(code) });
    const partition = await reader.assign('killed', 0, 0);
    expect(await readTo(partition, 1)).toHaveLength(1);
    await kafka.brokers[0]!.kill();
    while (troubles.length === 0) await sleep(10);
    await kafka.brokers[0]!.restart();
    await producer.write(one('after'));
    expect((await readTo(partition, 2)).map(({ value }) => value)).toEqual([
      Buffer.from('after').toString('hex'),
    ]);
    expect(new Set(troubles)).toEqual(new Set(['kafka-unreachable']));
  });
});
