/** `weir audit` over a real Kafka and ClickHouse: silent when all is in order, and not when it is not. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { deadLetters } from '#engine/records/generated.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import { weirApp } from '#cli/app.ts';
import { linkStates } from '#schemas/migration/generated.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { startKafkaSink } from '#sinks/clickhouse/kafka/kafka-sink.ts';
import { prepareTables } from '#sinks/clickhouse/prepare-tables.ts';
import { tableOf } from '#sinks/clickhouse/tables.ts';
import { weir } from './cli-process.fixture.ts';
import { startTestServer, type TestServer } from './embedded-clickhouse.fixture.ts';
import { kafkaForFile } from './kafka.fixture.ts';
import { TestProducer } from './librdkafka.fixture.ts';
import { linkState } from './link-load.fixture.ts';

const local = kafkaForFile();
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
  await sink.stop(5_000);
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
