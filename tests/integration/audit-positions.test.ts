/** `weir audit` where the sink's positions or a table are gone: it has compared nothing then, and must not say that all is well. */
import { Kafka } from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { kafkajsConfig } from '#engine/kafka/connection.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import { weirApp } from '#cli/app.ts';
import { linkStates } from '#schemas/migration/generated.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { startKafkaSink } from '#sinks/clickhouse/kafka/kafka-sink.ts';
import { sinkGroup } from '#sinks/clickhouse/kafka/names.ts';
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

const database = 'positions';

it('exits with 1 when the positions of the group, or a table, are gone', async (context) => {
  const kafka = local.of(context);
  const { url } = clickHouse.server;
  const connection = { brokers: kafka.bootstrapServers.split(',') };
  await ensureTopics(connection, plannedTopics(weirApp));
  const codec = eventCodec(linkStates, new WriterSchemas());
  const { topic } = linkStates;
  const producer = await TestProducer.connect(kafka.bootstrapServers);
  await producer.write(
    Array.from({ length: 10 }, (_, i) => ({
      topic,
      partition: 1,
      key: Buffer.from(`device-${i}`),
      value: codec.encode(linkState(i, Date.now())),
    })),
  );
  await producer.close();
  const client = openClient({ url });
  const tables = weirApp.streams.map((stream) => tableOf(stream, database));
  const target = ['--brokers', kafka.bootstrapServers, '--url', url, '--database', database];
  const audit = (): ReturnType<typeof weir> => weir(['audit', ...target, '--format', 'json']);

  const early = await audit();
  expect(early.exitCode).toBe(1);
  expect(early.stderr).toContain('weir up has not run there yet');

  await prepareTables(client, tables);
  const untaken = await audit();
  expect(untaken).toMatchObject({ exitCode: 0 });
  expect(untaken.stderr).toContain(
    'not looked at: 10 offsets that the sink has not come to yet, in 1 partitions',
  );
  const writers = new WriterSchemas();
  const sink = await startKafkaSink({ connection, client, app: weirApp.name, tables, writers });
  await sink.drain();
  await sink.stop(60_000);
  expect(await audit()).toMatchObject({ exitCode: 0 });

  const admin = new Kafka(kafkajsConfig(connection)).admin();
  await admin.connect();
  await admin.deleteGroups([sinkGroup(weirApp.name)]);
  await admin.disconnect();
  const lost = await audit();
  expect(lost.exitCode).toBe(1);
  expect(JSON.parse(lost.stdout)).toContainEqual(
    expect.objectContaining({ topic, partition: 1, to: 0, unexpected: 10, first_unexpected: 0 }),
  );

  const table = `${database}.${linkStates.clickhouse.table}`;
  await client.command({ query: `DROP TABLE ${table}` });
  await client.command({ query: `CREATE TABLE ${table} (something Int8) ENGINE = Memory` });
  const another = await audit();
  expect(another.exitCode).toBe(1);
  expect(another.stderr).toContain(`${topic} could not be compared: table ${table}`);
  expect(another.stderr).toContain('(ClickHouse code 47)');

  await client.command({ query: `DROP TABLE ${table}` });
  await client.close();
  const dropped = await audit();
  expect(dropped.exitCode).toBe(1);
  expect(dropped.stderr).toContain(
    `${topic} could not be compared: table ${database}.${linkStates.clickhouse.table} is not in ClickHouse (partitions 0, 1`,
  );
  // The others are compared all the same, and places that are not have no counts.
  const places = JSON.parse(dropped.stdout) as Record<string, unknown>[];
  expect(places).toHaveLength(weirApp.streams.reduce((sum, { partitions }) => sum + partitions, 0));
  for (const place of places)
    expect(place['expected'] === null, JSON.stringify(place)).toBe(place['topic'] === topic);
});
