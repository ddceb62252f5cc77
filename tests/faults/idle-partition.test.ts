/** A partition that is silent beside busy ones: windows close without it, and what it says later is judged the same in a replay. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CompressionTypes, Partitioners } from 'kafkajs';
import { afterEach, expect, it } from 'vitest';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { kafkajsConfig } from '#engine/kafka/connection.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import { partitionOf } from '#engine/log/murmur2.ts';
import type { Stream } from '#engine/topology/stream.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { clientOf, kafkaForFile } from '../integration/kafka.fixture.ts';
import type { Item } from '../integration/folding.fixture.ts';
import { idleAfterMs, windowMs, type Count, type Counting } from './counting.fixture.ts';
import { countingOn, proveCounted, untilCounted } from './counting-proof.fixture.ts';
import { connectionTo, readRecords } from './proof.fixture.ts';
import { Workers } from './workers.fixture.ts';

const local = kafkaForFile({ properties: { 'group.min.session.timeout.ms': '1000' } });
const partitions = 2;
const things = 20;
/** The partition of `others` that falls silent. */
const silent = 0;
let workers: Workers | undefined;

afterEach(async () => {
  await workers?.killAll();
});

/** Writes items a few at a time, at the times that it is told. */
class Source {
  #sent = 0;
  readonly #codec = new WriterSchemas();
  readonly #producer;

  constructor(kafka: LocalKafka) {
    this.#producer = clientOf(kafka).producer({
      idempotent: true,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
  }

  get sent(): number {
    return this.#sent;
  }

  connect(): Promise<void> {
    return this.#producer.connect();
  }

  close(): Promise<void> {
    return this.#producer.disconnect();
  }

  /** One item of each thing whose partition is wanted. */
  async send(stream: Stream<Item>, at: number, isWanted: (partition: number) => boolean): Promise<void> {
    const codec = eventCodec(stream, this.#codec);
    const items = Array.from({ length: things }, (_, i) => ({
      id: `${this.#sent + i}`,
      thing: `thing-${i}`,
      at,
    }))
      .map((item) => ({ item, partition: partitionOf(Buffer.from(item.thing), partitions) }))
      .filter(({ partition }) => isWanted(partition));
    this.#sent += things;
    await this.#producer.send({
      topic: stream.topic,
      acks: -1,
      compression: CompressionTypes.None,
      messages: items.map(({ item, partition }) => ({
        key: item.thing,
        value: codec.encode(item),
        partition,
      })),
    });
  }

  /** Both inputs for some time, in as many seconds at least, `others` only where wanted. */
  async go(
    { items, others }: Counting,
    forMs: number,
    isWanted: (partition: number) => boolean,
  ): Promise<void> {
    const endMs = performance.now() + forMs;
    const seconds = new Set<number>();
    while (performance.now() < endMs || seconds.size * 1_000 < forMs) {
      seconds.add(Math.floor(Date.now() / 1_000));
      await this.send(items, Date.now(), () => true);
      await this.send(others, Date.now(), isWanted);
      await sleep(100);
    }
  }
}

/** The end of the newest closed window, by partition. */
async function newestWindows(kafka: LocalKafka, { counts }: Counting): Promise<number[]> {
  const reader = await KafkaReader.connect({ kafka: kafkajsConfig(connectionTo(kafka)) });
  try {
    const codec = eventCodec<Count>(counts, new WriterSchemas());
    const newest = new Array<number>(counts.partitions).fill(0);
    for (const { partition, record } of await readRecords(reader, counts))
      newest[partition] = Math.max(newest[partition]!, codec.decode(record.value!).at);
    return newest;
  } finally {
    await reader.close();
  }
}

it('holds no window back, and what was late or on time is so in the replay', async (context) => {
  const kafka = local.of(context);
  const counting = await countingOn(kafka, 'idle', partitions);
  const { bootstrapServers } = kafka;
  workers = new Workers({
    bootstrapServers,
    app: 'idle',
    kind: 'counting',
    partitions,
    sessionTimeoutMs: 1_500,
  });
  const first = workers.start();
  await first.ready(partitions);
  const source = new Source(kafka);
  await source.connect();
  await source.go(counting, 2_000, () => true);
  const silentSinceMs = Date.now();
  await source.go(counting, idleAfterMs + 3 * windowMs, (partition) => partition !== silent);
  const isClosed = async (): Promise<boolean> =>
    (await newestWindows(kafka, counting)).every((at) => at - silentSinceMs > windowMs);
  // All but the silent one go on: were all silent, windows would close for that reason.
  for (const giveUpAtMs = performance.now() + 120_000; !(await isClosed());) {
    expect(performance.now(), 'a window since the silence is to be closed in each partition').toBeLessThan(
      giveUpAtMs,
    );
    await source.go(counting, windowMs, (partition) => partition !== silent);
  }
  // It speaks again: of the time before its silence, which is over, and of now.
  const again = (partition: number): boolean => partition === silent;
  for (let i = 0; i < 3; i += 1) await source.send(counting.others, silentSinceMs + 200 + i, again);
  await sleep(300);
  await first.kill();
  const second = workers.start(first.number);
  for (let i = 0; i < 3; i += 1) await source.send(counting.others, silentSinceMs + 300 + i, again);
  await source.go(counting, 2_000, () => true);
  await second.ready(partitions);
  // All is silent now, so all windows close.
  await untilCounted(kafka, counting);
  await source.close();
  await workers.stopAll();
  const { lates, counts } = await proveCounted(kafka, counting);
  const quiet = Array.from({ length: things }, (_, i) => `thing-${i}`).filter(
    (thing) => partitionOf(Buffer.from(thing), partitions) === silent,
  );
  expect(quiet.length).toBeGreaterThan(3);
  const old = lates.filter(({ at }) => at < silentSinceMs + 1_000);
  expect(old, 'items of the time that was over').toHaveLength(6 * quiet.length);
  for (const { thing } of lates) expect(quiet).toContain(thing);
  expect(counts.length).toBeGreaterThan(things * 5);
});
