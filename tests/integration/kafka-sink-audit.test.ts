/** `weir audit` over a real Kafka and ClickHouse: silent when all is in order, and not when it is not. */
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs, { type Admin } from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { deadLetters, schemas } from '#engine/records/generated.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import { weirApp } from '#cli/app.ts';
import { linkStates } from '#schemas/migration/generated.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { isClean } from '#sinks/clickhouse/kafka/audit-topic.ts';
import { auditTopics } from '#sinks/clickhouse/kafka/audit-topics.ts';
import { startKafkaSink } from '#sinks/clickhouse/kafka/kafka-sink.ts';
import { sinkGroup } from '#sinks/clickhouse/kafka/names.ts';
import { formatIntent } from '#sinks/clickhouse/intent.ts';
import { ENCODER_VERSION } from '#sinks/clickhouse/native/block-encoder.ts';
import { prepareTables } from '#sinks/clickhouse/prepare-tables.ts';
import { tableOf } from '#sinks/clickhouse/tables.ts';
import { weir } from './cli-process.fixture.ts';
import { startTestServer, type TestServer, until } from './embedded-clickhouse.fixture.ts';
import { clientOf, createTopics, kafkaForFile } from './kafka.fixture.ts';
import { commitAs, openScene, type SinkScene } from './kafka-sink.fixture.ts';
import { readWithLibrdkafka, TestProducer } from './librdkafka.fixture.ts';
import { linkState } from './link-load.fixture.ts';

// So that topics are compacted at once.
const local = kafkaForFile({
  properties: { 'log.cleaner.backoff.ms': '200', 'log.initial.task.delay.ms': '100' },
});
let clickHouse: TestServer;
beforeAll(async () => {
  clickHouse = await startTestServer();
});
afterAll(async () => {
  await clickHouse.close();
});

it('exits with 1 when a record is missing or doubled, or a row is of no record', async (context) => {
  const kafka = local.of(context);
  const { url } = clickHouse.server;
  const connection = { brokers: kafka.bootstrapServers.split(',') };
  await ensureTopics(connection, plannedTopics(weirApp));
  const producer = await TestProducer.connect(kafka.bootstrapServers, { 'transactional.id': 'audited' });
  const codec = eventCodec(linkStates, new WriterSchemas());
  const { topic } = linkStates;
  const write = (count: number): Promise<void> =>
    producer.write(
      Array.from({ length: count }, (_, i) => ({
        topic,
        partition: 0,
        key: Buffer.from(`device-${i}`),
        value: codec.encode(linkState(i, Date.now())),
      })),
    );
  // Offsets 0 to 29 and a marker; 31 to 35, which are aborted, and a marker.
  await producer.begin();
  await write(30);
  await producer.commit();
  await producer.begin();
  await write(5);
  await producer.abort();
  await producer.close();
  const client = openClient({ url });
  const tables = weirApp.streams.map((stream) => tableOf(stream, 'audited'));
  await prepareTables(client, tables);
  const writers = new WriterSchemas();
  const sink = await startKafkaSink({ connection, client, app: weirApp.name, tables, writers });
  await sink.drain();
  await sink.stop(60_000);
  const audit = (): ReturnType<typeof weir> =>
    weir([
      'audit',
      '--brokers',
      kafka.bootstrapServers,
      '--url',
      url,
      '--database',
      'audited',
      '--format',
      'json',
    ]);

  const clean = await audit();
  expect(clean).toMatchObject({ exitCode: 0 });
  expect(clean.stderr).toMatch(
    /^weir: audit: clean\. 30 records .* 30 with a row, 0 with a dead letter, each once$/m,
  );
  const partitions = JSON.parse(clean.stdout) as Record<string, unknown>[];
  expect(partitions).toHaveLength(weirApp.streams.reduce((sum, { partitions: count }) => sum + count, 0));
  const ofTopic = { topic, partition: 0, expected: 30 };
  expect(partitions).toContainEqual(
    expect.objectContaining({
      ...ofTopic,
      rows: 30,
      missing: 0,
      duplicates: 0,
      unexpected: 0,
      in_doubt_to: null,
    }),
  );

  const table = `audited.${linkStates.clickhouse.table}`;
  const letters = `INSERT INTO audited.weir_dead_letters (origin, reader, topic, partition, offset, _topic, _partition, _offset)
    SELECT '', tupleElement(arrayJoin([('sink clickhouse', 10, 1), ('processor p', 11, 2), ('processor p', 11, 3), ('processor q', 11, 4)]) AS l, 1),
      '${topic}', 0, l.2, '${deadLetters.topic}', 0, l.3`;
  for (const query of [
    letters,
    `INSERT INTO ${table} SELECT * FROM ${table} WHERE _partition = 0 AND _offset = 4`,
    `INSERT INTO ${table} SELECT * REPLACE (12345 AS _offset) FROM (SELECT * FROM ${table} WHERE _partition = 0 AND _offset = 5)`,
    `INSERT INTO ${table} SELECT * REPLACE (33 AS _offset) FROM (SELECT * FROM ${table} WHERE _partition = 0 AND _offset = 6)`,
    `ALTER TABLE ${table} DELETE WHERE _partition = 0 AND _offset IN (7, 9) SETTINGS mutations_sync = 1`,
  ])
    await client.command({ query });
  await client.close();
  const off = await audit();
  expect(off.exitCode).toBe(1);
  const first = (offset: number): string => `(first: ${topic}/0/${offset})`;
  expect(off.stderr).toContain('weir: audit: not clean. 30 records');
  expect(off.stderr).toContain(
    `  ${topic}/0: 2 records without a row or dead letter ${first(7)}, 1 rows too many ${first(4)}, ` +
      `1 records with a row and a dead letter ${first(10)}, 1 dead letters too many of the same reader ${first(11)}, ` +
      `2 rows of no record ${first(33)}\n`,
  );
  expect(JSON.parse(off.stdout)).toContainEqual(
    expect.objectContaining({
      ...ofTopic,
      rows: 28,
      missing: 2,
      first_missing: 7,
      duplicates: 1,
      first_duplicate: 4,
      row_and_letter: 1,
      first_row_and_letter: 10,
      letters_twice: 1,
      first_letter_twice: 11,
      unexpected: 2,
      first_unexpected: 33,
    }),
  );
});

/** Announces schemas that differ in their names, each of them `times` times. */
async function announceSome(bootstrapServers: string, count: number, times: number): Promise<void> {
  const producer = await TestProducer.connect(bootstrapServers);
  const codec = eventCodec(schemas, new WriterSchemas());
  const announcements = Array.from({ length: count * times }, (_, i) => `fingerprint-${i % count}`);
  await producer.write(
    announcements.map((fingerprint) => ({
      topic: schemas.topic,
      partition: 0,
      key: Buffer.from(fingerprint),
      value: codec.encode({
        fingerprint,
        name: 'n',
        schema: '"int"',
        confluent_id: null,
        announced_at: Date.now(),
      }),
    })),
  );
  await producer.close();
}

/** Has the brokers compact `weir.schemas`, until it has fewer than `count` records. */
async function compactSchemas(admin: Admin, bootstrapServers: string, count: number): Promise<void> {
  const config = {
    'cleanup.policy': 'compact',
    'segment.ms': '200',
    'min.cleanable.dirty.ratio': '0.0',
    'min.compaction.lag.ms': '0',
  };
  await admin.alterConfigs({
    validateOnly: false,
    resources: [
      {
        type: kafkajs.ConfigResourceTypes.TOPIC,
        name: schemas.topic,
        configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
      },
    ],
  });
  // Longer and longer: what was appended since is not compacted, and must be less than a slow cleaner lets come together.
  for (let pauseMs = 300; pauseMs < 20_000; pauseMs *= 1.1) {
    // A segment is closed by an append after its time.
    await sleep(pauseMs);
    await announceSome(bootstrapServers, 1, 1);
    if ((await readWithLibrdkafka(bootstrapServers, schemas.topic, 0)).length < count) return;
  }
  throw new Error(`${schemas.topic} was not compacted`);
}

it('tells what compaction took from what retention took too early, and knows letters before they are rows', async (context) => {
  const { bootstrapServers } = local.of(context);
  const scene: SinkScene = await openScene(local.of(context), clickHouse.server.url, [1, 1, 1, 1]);
  const [taken, untaken, promised, kept] = scene.streams.map(({ topic }) => topic);
  const admin = clientOf(local.of(context)).admin();
  await admin.connect();
  try {
    await scene.writer.write([scene.streams[0]!], 5);
    await scene.writer.writeRaw(taken!, 0, Buffer.from('no event'));
    await announceSome(bootstrapServers, 5, 2);
    const withoutLetters = scene.tables.filter(({ stream }) => stream.topic !== deadLetters.topic);
    const sink = await scene.start({ tables: withoutLetters });
    await sink.drain();
    expect(await sink.stop(60_000)).toBe(true);
    // The letter is on its topic, and nothing has taken it from there.
    expect(await scene.rows(`SELECT 1 FROM ${scene.app}.weir_dead_letters`)).toEqual([]);
    await compactSchemas(admin, bootstrapServers, 8);

    const clean = await scene.audit();
    expect(clean.filter((one) => !isClean(one))).toEqual([]);
    expect(clean).toContainEqual(
      expect.objectContaining({ topic: taken, expected: 6, present: 5, deadLetters: 1 }),
    );
    const compacted = clean.find(({ topic }) => topic === schemas.topic)!;
    expect(compacted.compacted).toBeGreaterThan(0);
    expect(compacted.present).toBeGreaterThan(0);

    await scene.writer.write(scene.streams.slice(1), 10);
    // Of one promise nothing went in, of the other all but the letter of 4.
    const intent = { to: 8, encoder: ENCODER_VERSION, incarnation: '', memory: '', excluded: [4] };
    for (const [topic, metadata] of [
      [untaken!, ''],
      [promised!, formatIntent(3, intent)],
      [kept!, formatIntent(3, intent)],
    ] as const) {
      await commitAs(sinkGroup(scene.app), scene.connection, { topic, offset: 3, metadata });
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '5' }] });
    }
    const ofKept = `${scene.app}.${scene.streams[3]!.clickhouse.table}`;
    await scene.client.command({
      query: `INSERT INTO ${ofKept} (_topic, _offset) SELECT '${kept!}', arrayJoin([3, 5, 6, 7])`,
    });
    await admin.createPartitions({ topicPartitions: [{ topic: taken!, count: 3 }] });
    // The brokers answer before they know of them.
    const isKnown = async (): Promise<boolean> =>
      (await admin.fetchTopicMetadata({ topics: [taken!] })).topics[0]!.partitions.length === 3;
    await until(() => isKnown().catch(() => false));
    const { audits, unchecked } = await auditTopics(scene);
    expect(audits.filter((one) => !isClean(one))).toEqual([
      expect.objectContaining({ topic: untaken, start: 5, position: 3, lost: 2, firstLost: 3 }),
      expect.objectContaining({ topic: promised, start: 5, lost: 2, firstLost: 3, inDoubtTo: 8 }),
      expect.objectContaining({ topic: kept, start: 5, lost: 1, firstLost: 4, inDoubtTo: 8 }),
    ]);
    expect(unchecked).toEqual(
      [1, 2].map((partition) => ({
        table: scene.streams[0]!.clickhouse.table,
        topic: taken,
        partition,
        reason: 'Kafka has 3 partitions of it, its schema says 1: weir up does not start on it',
      })),
    );
  } finally {
    await admin.disconnect();
    await scene.close();
  }
});

it('takes no record of a topic that was made anew, and does not call it clean, until the former rows are gone', async (context) => {
  const kafka = local.of(context);
  const scene = await openScene(kafka, clickHouse.server.url, [1]);
  const { topic, clickhouse } = scene.streams[0]!;
  const table = `${scene.app}.${clickhouse.table}`;
  const admin = clientOf(kafka).admin();
  await admin.connect();
  try {
    await scene.writer.write(scene.streams, 5);
    const first = await scene.start();
    await scene.expectExactlyOnce();
    // Letters of offsets 6 and 8; what is written last is aborted.
    await scene.writer.writeRaw(topic, 0, Buffer.from('no event'));
    await scene.writer.writeRaw(topic, 0, Buffer.from('no event'));
    await scene.writer.write(scene.streams, 1);
    await scene.writer.write(scene.streams, 1);
    await scene.expectExactlyOnce();
    await first.stop(60_000);
    await admin.deleteTopics({ topics: [topic] });
    await until(async () => !(await admin.listTopics()).includes(topic));
    await createTopics(kafka, [{ topic, partitions: 1 }]);
    await commitAs(sinkGroup(scene.app), scene.connection, { topic, offset: 0, metadata: '' });
    await expect(scene.start()).rejects.toMatchObject({
      code: 'other-log',
      message: expect.stringMatching(
        new RegExp(
          `table ${table} has rows of a former topic ${topic}[^]*TRUNCATE TABLE \`${scene.app}\`.\`${clickhouse.table}\`;`,
        ),
      ) as string,
    });
    expect((await auditTopics(scene)).unchecked).toEqual([
      {
        table: clickhouse.table,
        topic,
        partition: 0,
        reason: 'the topic was made anew since its rows were inserted',
      },
    ]);
    // Emptied so that the table keeps its tokens, and with a clock that was ahead when the former topic was bound.
    const bindings = `${scene.app}.weir_bound_topics`;
    for (const query of [
      `ALTER TABLE ${table} DELETE WHERE 1 SETTINGS mutations_sync = 1`,
      `INSERT INTO ${bindings} SELECT topic, id, at + toIntervalHour(1) FROM ${bindings} WHERE topic = '${topic}'`,
    ])
      await scene.client.command({ query });
    // The first batch is that of the former topic, by its offsets. What was promised there is none of this topic's.
    await scene.writer.write(scene.streams, 5);
    const metadata = formatIntent(2, {
      to: 5,
      encoder: ENCODER_VERSION,
      incarnation: '',
      memory: '',
      excluded: [],
    });
    await commitAs(sinkGroup(scene.app), scene.connection, { topic, offset: 2, metadata });
    await expect(scene.start()).rejects.toMatchObject({
      code: 'other-log',
      message: expect.stringContaining(
        `are of former topics, which were made anew since: ${topic}/0`,
      ) as string,
    });
    await commitAs(sinkGroup(scene.app), scene.connection, { topic, offset: 0, metadata: '' });
    const again = await scene.start();
    await again.drain();
    expect(await scene.rows(`SELECT _offset AS offset, count FROM ${table} ORDER BY _offset`)).toEqual(
      Array.from({ length: 5 }, (_, offset) => ({ offset, count: offset + 7 })),
    );
    // A letter of offset 6, and a row of 8: there are letters of both already.
    await scene.writer.writeRaw(topic, 0, Buffer.from('no event'));
    await scene.writer.write(scene.streams, 1);
    await scene.decided();
    await again.drain();
    // The letter, too.
    await again.drain();
    await again.stop(60_000);
    const audits = await scene.audit();
    expect(audits.filter((one) => !isClean(one))).toEqual([]);
    expect(audits.find((one) => one.topic === topic)).toMatchObject({ present: 6, deadLetters: 1 });
  } finally {
    await admin.disconnect();
    await scene.close();
  }
});
