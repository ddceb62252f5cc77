/** Reading while leaders move among three brokers, or are killed: nothing is lost, nothing comes twice. */
import { setTimeout as sleep } from 'node:timers/promises';
import { logLevel } from 'kafkajs';
import { afterEach, describe, expect, it, type TestContext } from 'vitest';
import { EngineError } from '#engine/engine-error.ts';
import { patiently } from '#engine/kafka/patiently.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import type { PartitionReader } from '#engine/kafka/reader/partition-reader.ts';
import type { LocalBroker } from '#local/kafka/local-broker.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { clientOf, kafkaForFile } from '../integration/kafka.fixture.ts';
import { TestProducer } from '../integration/librdkafka.fixture.ts';

const local = kafkaForFile({ nodes: 3, heapMib: 256 });

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

type Admin = ReturnType<ReturnType<typeof clientOf>['admin']>;

async function adminOf(kafka: LocalKafka): Promise<Admin> {
  const admin = clientOf(kafka).admin();
  await admin.connect();
  closing.push(() => admin.disconnect());
  return admin;
}

/** Topics whose partition is on the given brokers, led by the first. */
async function createOn(admin: Admin, topics: Readonly<Record<string, readonly number[]>>): Promise<void> {
  await admin.createTopics({
    // Waiting is ours: kafkajs's own fails at a broker that has not heard of a topic yet.
    waitForLeaders: false,
    timeout: 25_000,
    topics: Object.entries(topics).map(([topic, replicas]) => ({
      topic,
      replicaAssignment: [{ partition: 0, replicas: [...replicas] }],
      configEntries: [{ name: 'min.insync.replicas', value: '1' }],
    })),
  });
  const names = Object.keys(topics);
  const areLed = async (): Promise<boolean> =>
    (await Promise.all(names.map((topic) => leaderOf(admin, topic)))).every((leader) => leader >= 0);
  await until(areLed, `leaders of ${names.join()}`);
}

/** Reads a topic from its start. A broker may not have heard of it yet when another one has. */
const assigned = (reader: KafkaReader, topic: string): Promise<PartitionReader> =>
  patiently(() => reader.assign(topic, 0, 0), {
    timeoutMs: 60_000,
    signal: new AbortController().signal,
    mayRepeat: (error) => error instanceof EngineError && error.code === 'unknown-topic',
  });

async function leaderOf(admin: Admin, topic: string): Promise<number> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]!.partitions[0]!.leader;
  } catch {
    // kafkajs takes a partition without a leader for a failure.
    return -1;
  }
}

async function until(isSo: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const giveUpAtMs = performance.now() + 120_000;
  while (!(await isSo())) {
    if (performance.now() > giveUpAtMs) throw new Error(`not in 120 s: ${what}`);
    await sleep(20);
  }
}

/** Writes rising numbers in small transactions, every third of which is aborted, until it is stopped. */
class Writer {
  readonly committed: string[] = [];
  readonly #topic: string;
  readonly #producer: TestProducer;
  #isStopping = false;
  #writing: Promise<void> = Promise.resolve();

  private constructor(topic: string, producer: TestProducer) {
    this.#topic = topic;
    this.#producer = producer;
  }

  static async start(kafka: LocalKafka, topic: string): Promise<Writer> {
    const producer = await TestProducer.connect(kafka.bootstrapServers, {
      'transactional.id': topic,
      'topic.metadata.refresh.interval.ms': 500,
    });
    const writer = new Writer(topic, producer);
    writer.#writing = writer.#write();
    closing.push(() => writer.stop());
    return writer;
  }

  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    await this.#writing;
    await this.#producer.close();
  }

  async #write(): Promise<void> {
    for (let round = 0; !this.#isStopping; round++) {
      const values = Array.from({ length: 10 }, (_, i) => `${round}.${i}`);
      await this.#producer.begin();
      await this.#producer.write(
        values.map((value) => ({ topic: this.#topic, partition: 0, key: null, value: Buffer.from(value) })),
      );
      if (round % 3 === 2) await this.#producer.abort();
      else {
        await this.#producer.commit();
        this.committed.push(...values);
      }
      await sleep(5);
    }
  }
}

/** Takes all that comes. */
class Taker {
  readonly values: string[] = [];
  readonly offsets: number[] = [];
  readonly #from: PartitionReader;
  #isStopping = false;
  readonly #taking: Promise<void>;

  constructor(from: PartitionReader) {
    this.#from = from;
    this.#taking = this.#take();
    closing.push(() => this.stop());
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#taking;
  }

  async #take(): Promise<void> {
    while (!this.#isStopping) {
      for (const { offset, value } of this.#from.take(1_000)) {
        this.offsets.push(offset);
        this.values.push(value!.toString());
      }
      await sleep(1);
    }
  }
}

/** Writes and reads a topic while `disturb` goes on; then the two must be the same. */
async function readThrough(context: TestContext, topic: string, disturb: (admin: Admin) => Promise<void>) {
  const kafka = local.of(context);
  const admin = await adminOf(kafka);
  await createOn(admin, { [topic]: [1, 2, 3] });
  const writer = await Writer.start(kafka, topic);
  const reader = await readerOf(kafka);
  // Two at once: they share answers and must both be right.
  const takers = [new Taker(await assigned(reader, topic)), new Taker(await assigned(reader, topic))];
  await until(() => takers[0]!.values.length > 100, 'the first records');
  await disturb(admin);
  const { length } = writer.committed;
  await until(() => writer.committed.length > length + 50, 'writing goes on');
  await writer.stop();
  for (const taker of takers) {
    await until(() => taker.values.length >= writer.committed.length, `all of ${topic}`);
    expect(taker.values).toEqual(writer.committed);
    expect(taker.offsets).toEqual([...new Set(taker.offsets)].sort((a, b) => a - b));
  }
}

async function readerOf(
  kafka: LocalKafka,
  onTrouble: (error: Error) => void = () => undefined,
): Promise<KafkaReader> {
  const reader = await KafkaReader.connect({
    kafka: { brokers: kafka.bootstrapServers.split(','), logLevel: logLevel.NOTHING },
    maxWaitMs: 20,
    checkCrcs: true,
    onTrouble,
  });
  closing.push(() => reader.close());
  return reader;
}

const brokerOf = (kafka: LocalKafka, id: number): LocalBroker =>
  kafka.brokers.find((broker) => broker.id === id)!;

describe('a partition of three brokers', () => {
  it('is read without loss or repetition while its leader moves to and fro', async (context) => {
    await readThrough(context, 'moved', async (admin) => {
      for (const replicas of [
        [2, 3],
        [3, 1],
        [1, 2],
      ]) {
        // The leader is not among the new replicas: another must lead.
        const partitionAssignment = [{ partition: 0, replicas }];
        await admin.alterPartitionReassignments({ topics: [{ topic: 'moved', partitionAssignment }] });
        // The first of them, unless it stands still just then.
        await until(
          async () => replicas.includes(await leaderOf(admin, 'moved')),
          `a leader among ${replicas.join()}`,
        );
        await sleep(300);
      }
    });
  });

  it('is read without loss or repetition while its leaders are killed and come back', async (context) => {
    const kafka = local.of(context);
    await readThrough(context, 'killed', async (admin) => {
      for (let times = 0; times < 2; times++) {
        let leader = -1;
        await until(async () => {
          leader = await leaderOf(admin, 'killed');
          return leader >= 0;
        }, 'a leader');
        await brokerOf(kafka, leader).kill();
        await until(async () => ![leader, -1].includes(await leaderOf(admin, 'killed')), 'another leader');
        await sleep(300);
        await brokerOf(kafka, leader).restart();
      }
    });
  });
});

describe('a partition that has no leader', () => {
  it('keeps no other from following its leader, and is read when it has one again', async (context) => {
    const kafka = local.of(context);
    const admin = await adminOf(kafka);
    await createOn(admin, { 'alone-on-3': [3], follows: [3, 1, 2] });
    const producer = await TestProducer.connect(kafka.bootstrapServers);
    closing.push(() => producer.close());
    const write = (topic: string, value: string): Promise<void> =>
      producer.write([{ topic, partition: 0, key: null, value: Buffer.from(value) }]);
    await write('alone-on-3', 'before');
    await write('follows', 'before');
    const reader = await readerOf(kafka);
    const alone = new Taker(await assigned(reader, 'alone-on-3'));
    const follows = new Taker(await assigned(reader, 'follows'));
    await until(() => alone.values.length === 1 && follows.values.length === 1, 'the first records');
    await brokerOf(kafka, 3).kill();
    await write('follows', 'without the third');
    await until(() => follows.values.length === 2, 'the record of the next leader');
    // A new reader finds the partition without a leader, and what it is assigned beside it can be read.
    const troubles: string[] = [];
    const later = await readerOf(kafka, ({ message }) => troubles.push(message));
    const aloneLater = new Taker(await assigned(later, 'alone-on-3'));
    const followsLater = new Taker(await assigned(later, 'follows'));
    await until(() => followsLater.values.length === 2, 'the records, by a new reader');
    expect(aloneLater.values).toEqual([]);
    await until(() => troubles.includes('alone-on-3/0 has no leader'), 'the trouble is told');
    await brokerOf(kafka, 3).restart();
    await write('alone-on-3', 'after');
    await until(
      () => [alone, aloneLater].every(({ values }) => values.length === 2),
      'the record of the third',
    );
    expect([alone.values, aloneLater.values]).toEqual([
      ['before', 'after'],
      ['before', 'after'],
    ]);
  });
});
