/** A deduplication window that was made too small while the sink ran: rows are doubled, and `weir audit` says so. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import { weirApp } from '#cli/app.ts';
import { linkStates } from '#schemas/migration/generated.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { startKafkaSink } from '#sinks/clickhouse/kafka/kafka-sink.ts';
import { prepareTables } from '#sinks/clickhouse/prepare-tables.ts';
import { tableOf } from '#sinks/clickhouse/tables.ts';
import { weir } from '../integration/cli-process.fixture.ts';
import { startTestServer, type TestServer, until } from '../integration/embedded-clickhouse.fixture.ts';
import { pass, startFaultyClickHouse } from '../integration/faulty-clickhouse.fixture.ts';
import { kafkaForFile } from '../integration/kafka.fixture.ts';
import { quickRetry } from './kafka-sink-faults.fixture.ts';
import { TestProducer } from '../integration/librdkafka.fixture.ts';
import { linkState } from '../integration/link-load.fixture.ts';

const local = kafkaForFile();
const database = 'windowed';
let clickHouse: TestServer;
beforeAll(async () => {
  clickHouse = await startTestServer();
});
afterAll(async () => {
  await clickHouse.close();
});

it('is noticed by the audit, exit code 1, when repeated inserts have doubled rows', async (context) => {
  const kafka = local.of(context);
  const { url } = clickHouse.server;
  const connection = { brokers: kafka.bootstrapServers.split(',') };
  await ensureTopics(connection, plannedTopics(weirApp));
  const producer = await TestProducer.connect(kafka.bootstrapServers);
  const codec = eventCodec(linkStates, new WriterSchemas());
  const { topic, clickhouse } = linkStates;
  let written = 0;
  const write = (): Promise<void> =>
    producer.write(
      Array.from({ length: 20 }, (_, i) => ({
        topic,
        partition: i % 2,
        key: Buffer.from(`device-${i}`),
        value: codec.encode(linkState(written++, Date.now())),
      })),
    );
  const proxy = await startFaultyClickHouse(Number(new URL(url).port));
  // Every second answer is lost: these inserts are repeated, after others of other partitions.
  let inserts = 0;
  proxy.decide = ({ insertInto }) =>
    insertInto === clickhouse.table && inserts++ % 2 === 0 ? { kind: 'cut-answer' } : pass;
  const client = openClient({ url: proxy.url });
  const tables = weirApp.streams.map((stream) => tableOf(stream, database));
  await prepareTables(client, tables);
  const sink = await startKafkaSink({
    connection,
    client,
    app: weirApp.name,
    tables,
    writers: new WriterSchemas(),
    limits: { flushIntervalMs: 20, retry: quickRetry },
  });
  const table = `${database}.${clickhouse.table}`;
  const doubled = async (): Promise<number> =>
    Number(await clickHouse.sql(`SELECT count() - uniqExact(_partition, _offset) FROM ${table}`));
  const repeated = (): number => proxy.taken.length - new Set(proxy.taken).size;
  const audit = (): ReturnType<typeof weir> =>
    weir([
      'audit',
      '--brokers',
      kafka.bootstrapServers,
      '--url',
      url,
      '--database',
      database,
      '--format',
      'json',
    ]);
  const writeUntil = async (condition: () => Promise<boolean> | boolean): Promise<void> => {
    await until(async () => {
      await write();
      await sleep(30);
      return condition();
    });
    await sink.drain();
  };

  await writeUntil(() => repeated() >= 20);
  expect(await doubled()).toBe(0);
  expect(await audit()).toMatchObject({ exitCode: 0 });

  await client.command({
    query: `ALTER TABLE ${table} MODIFY SETTING non_replicated_deduplication_window = 1`,
  });
  await writeUntil(async () => (await doubled()) > 0);
  const found = await doubled();
  expect(await sink.stop(60_000)).toBe(true);
  const off = await audit();
  expect(off.exitCode).toBe(1);
  const audits = JSON.parse(off.stdout) as {
    topic: string;
    partition: number;
    duplicates: number;
    missing: number;
    expected: number;
  }[];
  const ofTopic = audits.filter((one) => one.topic === topic);
  for (const { partition, duplicates } of ofTopic.filter((one) => one.duplicates > 0))
    expect(off.stderr).toContain(
      `  ${topic}/${partition}: ${duplicates} rows too many (first: ${topic}/${partition}/`,
    );
  const sum = (count: (one: (typeof audits)[number]) => number): number =>
    ofTopic.reduce((total, one) => total + count(one), 0);
  expect({
    duplicates: sum((one) => one.duplicates),
    missing: sum((one) => one.missing),
    expected: sum((one) => one.expected),
  }).toEqual({ duplicates: found, missing: 0, expected: written });
  await producer.close();
  await client.close();
  await proxy.close();
});
