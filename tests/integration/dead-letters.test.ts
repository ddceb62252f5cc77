/** Dead letters on a real Kafka and in a real ClickHouse: listed, shown, and redriven, each once, whatever is killed. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connector } from '#client/producer/broker-connection.ts';
import type { Letter } from '#client/redrive/letter.ts';
import { redrive } from '#client/redrive/redrive.ts';
import { redrivenTopic } from '#client/redrive/redriven-marks.ts';
import { weirApp } from '#cli/app.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { kafkajsConfig } from '#engine/kafka/connection.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { linkStates } from '#schemas/migration/generated.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { startKafkaSink } from '#sinks/clickhouse/kafka/kafka-sink.ts';
import { prepareTables } from '#sinks/clickhouse/prepare-tables.ts';
import { tableOf } from '#sinks/clickhouse/tables.ts';
import { weir } from './cli-process.fixture.ts';
import { type Death, startRedrive } from './dead-letters.fixture.ts';
import { startTestServer, type TestServer, until } from './embedded-clickhouse.fixture.ts';
import { clientOf, createTopics, kafkaForFile } from './kafka.fixture.ts';
import { readWithLibrdkafka } from './librdkafka.fixture.ts';

const local = kafkaForFile({
  properties: { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '100' },
});
let clickHouse: TestServer;
beforeAll(async () => {
  clickHouse = await startTestServer();
});
afterAll(async () => {
  await clickHouse.close();
});

const notUtf8 = Buffer.from([0xff, 0x00, 0xc3, 0x28, 0x80]);
const timeMs = Date.UTC(2026, 4, 5);
const keepsAll = { 'retention.ms': '-1' };

function lettersOf(topic: string, partitions: number, count: number): Letter[] {
  return Array.from({ length: count }, (_, i) => ({
    origin: `${topic}/${i % partitions}/${i}`,
    readers: ['sink clickhouse'],
    topic,
    partition: i % partitions,
    offset: i,
    key: Buffer.from([0xfe, i]),
    value: Buffer.from([0xff, 0x00, i]),
    headers: { raw: notUtf8, twice: Buffer.from('a'), 'twice#1': notUtf8 },
    recordTimestampMs: timeMs + i,
  }));
}

/** Committed records of all partitions. */
async function written({ bootstrapServers }: LocalKafka, topic: string, partitions: number): Promise<number> {
  let count = 0;
  for (let partition = 0; partition < partitions; partition += 1)
    count += (await readWithLibrdkafka(bootstrapServers, topic, partition)).length;
  return count;
}

/** Brokers answer a commit before its markers are in the partitions: until then a reader ends before it. */
const untilWritten = (kafka: LocalKafka, topic: string, partitions: number, count: number): Promise<void> =>
  until(async () => (await written(kafka, topic, partitions)) >= count);

const deaths: readonly Death[] = [
  { call: 'InitProducerId', nth: 1, when: 'answered' },
  { call: 'AddPartitionsToTxn', nth: 1, when: 'answered' },
  { call: 'Produce', nth: 1, when: 'sent' },
  { call: 'Produce', nth: 2, when: 'answered' },
  { call: 'EndTxn', nth: 1, when: 'before' },
  { call: 'EndTxn', nth: 1, when: 'sent' },
  { call: 'EndTxn', nth: 2, when: 'answered' },
  { call: 'AddPartitionsToTxn', nth: 2, when: 'before' },
];

it('writes each record once, byte for byte, though it is killed at every step of its transactions', async (context) => {
  const kafka = local.of(context);
  const topic = 'killed.things';
  await createTopics(kafka, [{ topic, partitions: 3, config: keepsAll }]);
  const letters = lettersOf(topic, 3, 40);
  for (const death of deaths) {
    const { signal, stderr } = await startRedrive(kafka.bootstrapServers, letters, 3, death).ended;
    expect({ death, signal, stderr }).toEqual({ death, signal: 'SIGKILL', stderr: '' });
  }
  const last = await startRedrive(kafka.bootstrapServers, letters, 3, null).ended;
  const result = JSON.parse(last.stdout) as { redriven: number; already: number; refused: unknown[] };
  expect(result.refused).toEqual([]);
  expect(result.redriven + result.already).toBe(letters.length);
  // Some were in before the last, and not all: else the kills have proved nothing.
  expect(result.already).toBeGreaterThan(5);
  expect(result.redriven).toBeGreaterThan(5);

  await untilWritten(kafka, topic, 3, letters.length);
  const hex = (bytes: Buffer): string => bytes.toString('hex');
  const raw = hex(notUtf8);
  let uncommitted = 0;
  for (let partition = 0; partition < 3; partition += 1) {
    const records = await readWithLibrdkafka(kafka.bootstrapServers, topic, partition);
    const all = await readWithLibrdkafka(kafka.bootstrapServers, topic, partition, 'read_uncommitted');
    uncommitted += all.length - records.length;
    expect(
      records.map(({ key, value, timestampMs, headers }) => ({ key, value, timestampMs, headers })),
    ).toEqual(
      letters
        .filter((letter) => letter.partition === partition)
        .map(({ key, value, origin, recordTimestampMs }) => ({
          key: hex(key!),
          value: hex(value!),
          timestampMs: recordTimestampMs,
          headers: [
            `raw=${raw}`,
            `twice=${hex(Buffer.from('a'))}`,
            `twice=${raw}`,
            `weir_redriven_from=${hex(Buffer.from(origin))}`,
            `weir_redriven_count=${hex(Buffer.from('1'))}`,
          ],
        })),
    );
  }
  // Transactions that were cut off had records in the topic.
  expect(uncommitted).toBeGreaterThan(0);
  const marks = await readWithLibrdkafka(kafka.bootstrapServers, redrivenTopic.topic, 0);
  expect(new Set(marks.map(({ key }) => key)).size).toBe(letters.length);
  expect(marks).toHaveLength(letters.length);
});

it('does each letter once where two run at the same time, and one of them is told', async (context) => {
  const kafka = local.of(context);
  const topic = 'contended.things';
  await createTopics(kafka, [{ topic, partitions: 3, config: keepsAll }]);
  const letters = lettersOf(topic, 3, 300);
  const connection = { brokers: kafka.bootstrapServers.split(',') };
  const one = (): Promise<unknown> => redrive({ connection, letters: [letters], maxRecords: 2 });
  const outcomes = await Promise.allSettled([one(), one()]);
  const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
  expect(failures).toHaveLength(1);
  expect(failures[0]!.reason).toMatchObject({ name: 'ClientError', code: 'fenced' });
  await untilWritten(kafka, topic, 3, letters.length);
  expect(await written(kafka, topic, 3)).toBe(letters.length);
});

it('begins again after a transaction that took too long, and does not take itself for replaced', async (context) => {
  const kafka = local.of(context);
  const topic = 'slow.things';
  await createTopics(kafka, [{ topic, partitions: 1, config: keepsAll }]);
  const connection = { brokers: kafka.bootstrapServers.split(',') };
  const timeouts = { connectTimeoutMs: 60_000, requestTimeoutMs: 60_000, keepsProcess: true };
  const connect = connector({ kafka: kafkajsConfig(connection), ...timeouts });
  const admin = clientOf(kafka).admin();
  await admin.connect();
  const end = async (): Promise<number> => Number((await admin.fetchTopicOffsets(topic))[0]!.high);
  /** Nothing of the transaction is in its partition yet but, once it has taken too long, the marker of its end. */
  const untilAborted = async (): Promise<void> => {
    const before = await end();
    await until(async () => (await end()) > before);
  };
  let produced = 0;
  const { redriven, already, refused } = await redrive({
    connection,
    letters: [lettersOf(topic, 1, 4)],
    maxRecords: 2,
    transactionTimeoutMs: 1_500,
    connect: async (address) => {
      const opened = await connect(address);
      return {
        ...opened,
        call: async (request) => {
          if (request.name === 'Produce' && ++produced === 2) await untilAborted();
          return opened.call(request);
        },
      };
    },
  });
  expect({ redriven, already, refused }).toEqual({ redriven: 4, already: 0, refused: [] });
  await admin.disconnect();
  // More where the machine makes another one take too long.
  expect(produced).toBeGreaterThanOrEqual(3);
  await untilWritten(kafka, topic, 1, 4);
  expect(await written(kafka, topic, 1)).toBe(4);
});

it('refuses what cannot be written, and writes its neighbours', async (context) => {
  const kafka = local.of(context);
  const topic = 'refused.things';
  await createTopics(kafka, [{ topic, partitions: 1, config: { ...keepsAll, 'max.message.bytes': '2000' } }]);
  const letters = lettersOf(topic, 1, 9);
  const [large, elsewhere, unplaced, gone] = letters;
  const changed = new Map<Letter | undefined, Partial<Letter>>([
    [large, { value: Buffer.alloc(5_000) }],
    [elsewhere, { topic: 'nowhere.things' }],
    [unplaced, { partition: null, offset: null }],
    [gone, { value: null, headers: {} }],
  ]);
  const { redriven, refused } = await redrive({
    connection: { brokers: kafka.bootstrapServers.split(',') },
    letters: [letters.map((letter) => ({ ...letter, ...changed.get(letter) }))],
  });
  expect(redriven).toBe(5);
  expect(Object.fromEntries(refused.map(({ origin, reason }) => [origin, reason]))).toEqual({
    [large!.origin]: expect.stringContaining('MESSAGE_TOO_LARGE') as string,
    [elsewhere!.origin]: expect.stringContaining('there is no topic nowhere.things') as string,
    [unplaced!.origin]: expect.stringContaining('it never was on a topic') as string,
    [gone!.origin]: expect.stringContaining('does not have the record any more') as string,
  });
  await untilWritten(kafka, topic, 1, 5);
  expect(await written(kafka, topic, 1)).toBe(5);
});

it('writes no record that its topic would delete soon, but with the time of now, where that is asked for', async (context) => {
  const kafka = local.of(context);
  const topic = 'expiring.things';
  await createTopics(kafka, [{ topic, partitions: 1, config: { 'retention.ms': '604800000' } }]);
  const letters = lettersOf(topic, 1, 2);
  letters[1] = { ...letters[1]!, recordTimestampMs: Date.now() - 1_000 };
  const startMs = Date.now();
  const config = { connection: { brokers: kafka.bootstrapServers.split(',') }, letters: [letters] };
  expect(await redrive(config)).toMatchObject({
    redriven: 1,
    refused: [
      {
        origin: letters[0]!.origin,
        reason: expect.stringMatching(/^its time is 2026-05-05.* keeps records for 604800000 ms/) as string,
      },
    ],
  });
  expect(await redrive({ ...config, renewsTime: true })).toEqual({ redriven: 1, already: 1, refused: [] });
  await untilWritten(kafka, topic, 1, 2);
  const times = (await readWithLibrdkafka(kafka.bootstrapServers, topic, 0)).map(
    ({ timestampMs }) => timestampMs,
  );
  expect(times[0]).toBe(letters[1].recordTimestampMs);
  expect(times[1]).toBeGreaterThanOrEqual(startMs);
});

it('lists, shows and redrives by the command line what a sink could not read', async (context) => {
  const kafka = local.of(context);
  const connection = { brokers: kafka.bootstrapServers.split(',') };
  const startMs = Date.now();
  await ensureTopics(connection, plannedTopics(weirApp));
  const { topic } = linkStates;
  const producer = clientOf(kafka).producer();
  await producer.connect();
  await producer.send({
    topic,
    messages: [1, 2].map((i) => ({
      partition: 0,
      key: `device-${i}`,
      value: Buffer.concat([notUtf8, Buffer.from([i])]),
      headers: { raw: notUtf8 },
      timestamp: String(timeMs + i),
    })),
  });
  await producer.disconnect();
  const { url } = clickHouse.server;
  const client = openClient({ url });
  const tables = weirApp.streams.map((stream) => tableOf(stream, 'lettered'));
  await prepareTables(client, tables);
  const settle = async (count: number): Promise<void> => {
    const sink = await startKafkaSink({
      connection,
      client,
      app: weirApp.name,
      tables,
      writers: new WriterSchemas(),
    });
    await until(
      async () => (await clickHouse.sql('SELECT count() FROM lettered.weir_dead_letters')) === String(count),
    );
    await sink.drain();
    await sink.stop(60_000);
  };
  const command = (...args: readonly string[]): ReturnType<typeof weir> =>
    weir([
      'dead-letters',
      ...args,
      '--brokers',
      kafka.bootstrapServers,
      '--url',
      url,
      '--database',
      'lettered',
    ]);
  const listed = async (...args: readonly string[]): Promise<Record<string, unknown>[]> =>
    JSON.parse((await command('list', '--format', 'json', ...args)).stdout) as Record<string, unknown>[];

  await settle(2);
  const before = await listed('--topic', topic, '--since', '1h');
  expect(before.map(({ origin }) => origin).toSorted()).toEqual([`${topic}/0/0`, `${topic}/0/1`]);
  expect(before[0]).toMatchObject({ reader: 'sink clickhouse', bytes: 6, redriven_at: null });
  expect(await listed('--code', 'no-such-code')).toEqual([]);

  for (const of of ['list', 'redrive']) {
    const unknown = await command(of, '--topic', 'migration.link-sttes');
    expect(unknown).toMatchObject({ exitCode: 2, stdout: '' });
    expect(unknown.stderr).toContain(`there is no topic 'migration.link-sttes'; did you mean '${topic}'?`);
  }
  expect(await listed('--topic', 'migration.transitions')).toEqual([]);

  const shown = await command('show', `${topic}/0/0`);
  expect(shown.stdout).toContain('ff 00 c3 28 80 01');
  expect(shown.stdout).toContain(`raw: 0x${notUtf8.toString('hex')}`);
  expect(shown.stdout).toContain("key        'device-1'");
  expect(await command('show', `${topic}/0/99`)).toMatchObject({ exitCode: 1 });

  expect(await command('redrive')).toMatchObject({ exitCode: 2 });
  const unsure = await command('redrive', '--all');
  expect(unsure).toMatchObject({ exitCode: 2, stdout: '' });
  expect(unsure.stderr).toContain('2 records would be written; nothing was');
  const dry = await command('redrive', '--topic', topic, '--dry-run');
  expect(dry).toMatchObject({ exitCode: 0, stdout: `${topic}/0/0\n${topic}/0/1\n` });
  expect(await readWithLibrdkafka(kafka.bootstrapServers, topic, 0)).toHaveLength(2);

  const refused = await command('redrive', `${topic}/0/0`);
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain('give it the time of now: --renew-time');
  expect(await command('redrive', `${topic}/0/0`, '--renew-time')).toMatchObject({
    exitCode: 0,
    stdout: 'redriven: 1, redriven by others meanwhile: 0, refused: 0\n',
  });
  const rest = await command('redrive', '--all', '--yes', '--renew-time');
  expect(rest).toMatchObject({
    exitCode: 0,
    stdout: 'redriven: 1, redriven by others meanwhile: 0, refused: 0\n',
  });
  expect(rest.stderr).toContain('1 to redrive, 1 redriven before');
  const records = await readWithLibrdkafka(kafka.bootstrapServers, topic, 0);
  expect(records).toHaveLength(4);
  for (const i of [0, 1]) {
    const original = records[i]!;
    const copy = records.slice(2).find(({ key }) => key === original.key)!;
    expect(copy.value).toBe(original.value);
    expect(copy.timestampMs).toBeGreaterThan(startMs);
    expect(copy.headers.slice(0, 1)).toEqual(original.headers);
  }

  // They fail again: letters with origins of their own, which tell where they came from.
  await settle(4);
  const after = await listed();
  expect(after).toHaveLength(4);
  expect(
    after
      .filter(({ redriven_at: at }) => at !== null)
      .map(({ origin }) => origin)
      .toSorted(),
  ).toEqual([`${topic}/0/0`, `${topic}/0/1`]);
  const again = after.find(({ redriven_at: at }) => at === null)!;
  expect((await command('show', String(again['origin']))).stdout).toMatch(
    /weir_redriven_from: '.*\/0\/[01]'/,
  );
  await client.close();
});
