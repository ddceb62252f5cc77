/** Records that nobody can process, among good ones, while workers are killed: one dead letter for each, and no good one lost. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CompressionTypes, Partitioners, type Message } from 'kafkajs';
import { afterEach, expect, it } from 'vitest';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { kafkajsConfig } from '#engine/kafka/connection.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import type { LogRecord } from '#engine/log/log.ts';
import { partitionOf } from '#engine/log/murmur2.ts';
import { deadLetters } from '#engine/records/generated.ts';
import { seededRandom } from '#engine/replay/variation.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { clientOf, kafkaForFile } from '../integration/kafka.fixture.ts';
import type { Item } from '../integration/folding.fixture.ts';
import type { Counting } from './counting.fixture.ts';
import { countingOn, proveCounted, untilCounted } from './counting-proof.fixture.ts';
import { ItemLoad } from './item-load.fixture.ts';
import { connectionTo, readRecords } from './proof.fixture.ts';
import { Workers } from './workers.fixture.ts';

const kills = 6;
const poisonEveryMs = 60;
const aheadMs = 1_500;
const leastOfEach = 5;
const local = kafkaForFile({ properties: { 'group.min.session.timeout.ms': '1000' } });
let workers: Workers | undefined;

afterEach(async () => {
  await workers?.killAll();
});

/** Tells a poisonous record from others, and which dead letter it must become. No processor looks at it. */
const poisonHeader = 'test_code';

/** By the code of the dead letter that it must become: a record nobody can process. */
function poisons({
  items,
}: Counting): Readonly<Record<string, (n: number) => Pick<Message, 'key' | 'value'>>> {
  const codec = eventCodec(items, new WriterSchemas());
  const item = (n: number, more: Partial<Item> = {}): Item => ({
    id: `poison-${n}`,
    thing: `thing-${n % 20}`,
    at: Date.now(),
    ...more,
  });
  const key = (n: number): string => `thing-${n % 20}`;
  return {
    // The first one is nearly as large as its topic takes; the next, compressed, larger than that. No letter takes their bytes.
    'unknown-magic': (n) => ({
      key: key(n),
      value:
        n === 0
          ? Buffer.concat([Buffer.from('x'), randomBytes(1_048_000)])
          : Buffer.alloc(n === 8 ? 3_000_000 : 20, `{"id":"poison-${n}"}`),
    }),
    truncated: (n) => ({ key: key(n), value: codec.encode(item(n)).subarray(0, 14) }),
    // A schema of another world, which is announced nowhere.
    'unknown-schema': (n) => ({
      key: key(n),
      value: Buffer.concat([Buffer.from([0xc3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8]), Buffer.from(`${n}`)]),
    }),
    'key-mismatch': (n) => ({ key: `other-${n}`, value: codec.encode(item(n)) }),
    'time-ahead': (n) => ({ key: key(n), value: codec.encode(item(n, { at: Date.now() + 86_400_000 })) }),
    // A little ahead, by more than the machine stands still: what comes late is told as late, and nobody asks whether it were rejected.
    rejected: (n) => ({
      key: key(n),
      value: codec.encode(item(n, { id: `refused-${n}`, at: Date.now() + aheadMs })),
    }),
    tombstone: (n) => ({ key: key(n), value: null }),
    'no-key': (n) => ({ key: null, value: codec.encode(item(n)) }),
  };
}

/** Writes poison to both inputs, kind by kind, until it is stopped, but each kind some times; then the number of records. */
async function pour(kafka: LocalKafka, counting: Counting, until: AbortSignal): Promise<number> {
  const producer = clientOf(kafka).producer({
    idempotent: true,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  const kinds = Object.entries(poisons(counting));
  let poured = 0;
  for (; !until.aborted || poured <= leastOfEach * kinds.length; poured += 1) {
    const [code, make] = kinds[poured % kinds.length]!;
    const stream = (poured >> 3) % 2 === 0 ? counting.items : counting.others;
    const { key, value } = make(poured);
    const partition = partitionOf(Buffer.from(key ?? ''), stream.partitions);
    await producer.send({
      topic: stream.topic,
      acks: -1,
      compression: CompressionTypes.GZIP,
      messages: [{ key: key ?? null, value, partition, headers: { [poisonHeader]: code } }],
    });
    await sleep(poisonEveryMs);
  }
  await producer.disconnect();
  return poured;
}

/** `<topic>/<partition>/<offset> <code>` of what is poisonous in the inputs, and of the dead letters. */
async function expectedAndFound(
  kafka: LocalKafka,
  { items, others }: Counting,
): Promise<[string[], string[]]> {
  const reader = await KafkaReader.connect({ kafka: kafkajsConfig(connectionTo(kafka)) });
  try {
    const expected: string[] = [];
    for (const stream of [items, others])
      for (const { partition, record } of await readRecords(reader, stream)) {
        const code = record.headers[poisonHeader];
        if (code !== undefined)
          expected.push(`${stream.topic}/${partition}/${record.offset} ${String(code)}`);
      }
    const codec = eventCodec(deadLetters, new WriterSchemas());
    const letters = (await readRecords(reader, deadLetters)).map(({ record }) => codec.decode(record.value!));
    return [expected.sort(), letters.map(({ origin, code }) => `${origin} ${code}`).sort()];
  } finally {
    await reader.close();
  }
}

/** The last ones may have no good item behind them. */
async function untilAllTold(kafka: LocalKafka, counting: Counting): Promise<void> {
  for (const giveUpAtMs = performance.now() + 120_000; performance.now() < giveUpAtMs;) {
    const [expected, found] = await expectedAndFound(kafka, counting);
    if (found.length >= expected.length) return;
    await sleep(200);
  }
}

it('becomes exactly one dead letter each, whoever is killed, and no good record is lost', async (context) => {
  const kafka = local.of(context);
  const counting = await countingOn(kafka, 'poison');
  const { bootstrapServers } = kafka;
  workers = new Workers({
    bootstrapServers,
    app: 'poison',
    kind: 'counting',
    partitions: 2,
    commitIntervalMs: 50,
    sessionTimeoutMs: 1_500,
    schemaWaitMs: 200,
  });
  for (let i = 0; i < 2; i += 1) workers.start();
  await Promise.all(workers.running.map((worker) => worker.ready()));
  const load = await ItemLoad.start({ kafka, folding: counting, perSecond: 200, things: 20 });
  const over = new AbortController();
  const pouring = pour(kafka, counting, over.signal);
  const random = seededRandom(7, 'poison');
  for (let i = 0; i < kills; i += 1) {
    await sleep(500 + random() * 1_000);
    const victim = workers.running[Math.floor(random() * workers.running.length)]!;
    await victim.kill();
    await workers.start(victim.number).ready();
  }
  over.abort();
  const poured = await pouring;
  const acknowledged = await load.stop();
  const isGood = ({ headers }: LogRecord): boolean => headers[poisonHeader] === undefined;
  await untilCounted(kafka, counting, isGood);
  await untilAllTold(kafka, counting);
  await workers.stopAll();
  const [expected, found] = await expectedAndFound(kafka, counting);
  expect(expected).toHaveLength(poured);
  expect(poured).toBeGreaterThan(leastOfEach * Object.keys(poisons(counting)).length);
  expect(found).toEqual(expected);
  const { items, counts } = await proveCounted(kafka, counting, isGood);
  expect(items).toHaveLength(acknowledged.size);
  // A clock that is a day ahead closed nobody's windows.
  expect(counts.filter(({ at }) => at > Date.now() + 3_600_000)).toEqual([]);
  process.stdout.write(`${poured} dead letters among ${items.length} items, ${kills} kills\n`);
});
