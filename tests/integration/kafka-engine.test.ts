/**
 * Someone else's reader agrees: what Weir's client writes in Confluent's framing, ClickHouse's own `Kafka` table engine reads by
 * its format AvroConfluent, and the rows are those that Weir's sink made of the same topics.
 *
 * Every column is compared as the type that Weir's table has it in; no value is cast. What that reader cannot do, and is therefore
 * not in the topics here: records without a value (tombstones); a default other than the type's own for a field that the writer did not
 * have, for it takes defaults from the table and its engine's tables have none.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { deadLetters, schemas } from '#engine/records/generated.ts';
import type { AvroObject, Stream } from '#engine/topology/stream.ts';
import { createClient } from '#client/client.ts';
import { streams as failoverStreams } from '#pipelines/failover/index.ts';
import { streams as migrationStreams } from '#pipelines/migration/index.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { everyType, everyTypeEvent, streamWith } from '#sinks/clickhouse/every-type.fixture.ts';
import { startKafkaSink } from '#sinks/clickhouse/kafka/kafka-sink.ts';
import { prepareTables } from '#sinks/clickhouse/prepare-tables.ts';
import { qualified, tableOf, type Table } from '#sinks/clickhouse/tables.ts';
import { quoteName } from '#sinks/clickhouse/value-type.ts';
import { sampleEvent } from '../../bench/sample-event.ts';
import { kafkaEngineDdl } from '../../bench/sink/kafka-engine-ddl.ts';
import { type SchemaRegistry, startSchemaRegistry } from '../../bench/sink/schema-registry.ts';
import { startTestServer, type TestServer, until } from './embedded-clickhouse.fixture.ts';
import { createTopics, kafkaForFile } from './kafka.fixture.ts';

const eventsOfEach = 300;
const partitions = 2;
const atMs = Date.UTC(2026, 4, 5);

const local = kafkaForFile();
let it: TestServer;
let client: ClickHouseClient;
let registry: SchemaRegistry;
beforeAll(async () => {
  it = await startTestServer({ allowedEngines: ['Kafka'] });
  client = openClient({ url: it.server.url });
  registry = await startSchemaRegistry();
});
afterAll(async () => {
  await client.close();
  await it.close();
  await registry.close();
});

/** The stream on a topic of its own, with rows that do not expire. */
function onTopicOfItsOwn(stream: Stream<unknown>): Stream<unknown> {
  const { table, orderBy } = stream.clickhouse;
  return { ...stream, topic: `agree.${table}`, partitions, clickhouse: { table, orderBy } };
}

/** An event at a time that every broker takes. */
function eventOf(stream: Stream<unknown>, n: number): object {
  const time = stream.time.unit === 'micros' ? (atMs + n) * 1000 : atMs + n;
  return { ...sampleEvent(stream, n), [stream.time.field]: time };
}

interface Version {
  readonly stream: Stream<unknown>;
  readonly events: readonly object[];
}

/** Publishes by one client for each version, as programs of that version would. */
async function publish(brokers: readonly string[], versions: readonly Version[]): Promise<void> {
  for (const { stream, events } of versions) {
    const publisher = createClient({
      brokers,
      source: `/tests/${stream.name}`,
      framing: { kind: 'confluent', idOf: () => registry.idOf(stream.schema) },
    });
    await Promise.all(events.map((event) => publisher.publish(stream, event)));
    await publisher.close();
  }
}

/** Both read all topics, each into a database of its own. Resolves when `counts` rows are in each of all tables. */
async function readByBoth(
  brokers: readonly string[],
  database: string,
  counts: ReadonlyMap<Stream<unknown>, number>,
): Promise<readonly { readonly weir: Table; readonly theirs: Table }[]> {
  const pairs = [...counts.keys()].map((stream) => ({
    weir: tableOf(stream, `${database}_weir`),
    theirs: tableOf(stream, `${database}_theirs`),
  }));
  const weir = pairs.map((pair) => pair.weir);
  await prepareTables(client, weir);
  await prepareTables(
    client,
    pairs.map(({ theirs }) => theirs),
  );
  const sink = await startKafkaSink({
    connection: { brokers },
    client,
    app: database,
    tables: weir,
    writers: new WriterSchemas(),
    limits: { maxRows: 70, flushIntervalMs: 50 },
  });
  const engines = pairs.map(({ theirs }) =>
    kafkaEngineDdl(theirs, {
      brokers: brokers.join(','),
      topic: theirs.stream.topic,
      group: `${database}-theirs-${theirs.name}`,
      registryUrl: registry.url,
      settings: { kafka_flush_interval_ms: 300, input_format_avro_allow_missing_fields: 1 },
    }),
  );
  try {
    for (const { createQueue, createView } of engines) {
      await it.sql(createQueue);
      await it.sql(createView);
    }
    await sink.drain();
    for (const [i, count] of [...counts.values()].entries())
      await until(async () => (await countOf(pairs[i]!.theirs)) >= count, 180_000);
  } finally {
    for (const { drop } of engines) for (const statement of drop) await it.sql(statement);
    await sink.stop(5_000);
  }
  return pairs;
}

const countOf = async (table: Table): Promise<number> =>
  Number(await it.sql(`SELECT count() FROM ${qualified(table)}`));

/** Rows of `a` that are not in `b`, each as often as it is there, by all columns. */
async function missingIn(a: Table, b: Table): Promise<string> {
  const names = [...a.columns.fields, ...a.columns.audit].map(({ name }) => quoteName(name)).join(', ');
  return it.sql(
    `SELECT * FROM (SELECT ${names} FROM ${qualified(a)} EXCEPT ALL SELECT ${names} FROM ${qualified(b)}) LIMIT 3 FORMAT Vertical`,
  );
}

async function expectSameRows(
  { weir, theirs }: { readonly weir: Table; readonly theirs: Table },
  count: number,
): Promise<void> {
  expect([weir.name, await countOf(weir), await countOf(theirs)]).toEqual([weir.name, count, count]);
  expect(await missingIn(weir, theirs)).toBe('');
  expect(await missingIn(theirs, weir)).toBe('');
}

async function topicsFor(context: TestContext, streams: readonly Stream<unknown>[]): Promise<string[]> {
  const kafka = local.of(context);
  await createTopics(kafka, [
    ...streams.map(({ topic }) => ({ topic, partitions, config: { 'retention.ms': '-1' } })),
    { topic: schemas.topic, config: { 'cleanup.policy': 'compact' } },
    { topic: deadLetters.topic, partitions: deadLetters.partitions },
  ]);
  return kafka.bootstrapServers.split(',');
}

describe("ClickHouse's Kafka engine reads the rows of Weir's tables", () => {
  test('of every stream of the project', async (context) => {
    const streams = [...failoverStreams, ...migrationStreams, deadLetters, schemas].map(onTopicOfItsOwn);
    const brokers = await topicsFor(context, streams);
    await publish(
      brokers,
      streams.map((stream) => ({
        stream,
        events: Array.from({ length: eventsOfEach }, (_, n) => eventOf(stream, n)),
      })),
    );
    const pairs = await readByBoth(
      brokers,
      'project',
      new Map(streams.map((stream) => [stream, eventsOfEach])),
    );
    for (const pair of pairs) await expectSameRows(pair, eventsOfEach);
    // The comparison sees a single value.
    const { weir, theirs } = pairs[0]!;
    await it.sql(
      `INSERT INTO ${qualified(theirs)} SELECT * REPLACE (_offset + 1 AS _offset) FROM ${qualified(theirs)} LIMIT 1`,
    );
    expect(await missingIn(theirs, weir)).not.toBe('');
  });

  test('of a schema with every type that a column can have, nulls and empties among them', async (context) => {
    const stream = onTopicOfItsOwn(everyType);
    const brokers = await topicsFor(context, [stream]);
    const events = Array.from({ length: eventsOfEach }, (_, n) => everyTypeEvent(n, atMs));
    await publish(brokers, [{ stream, events }]);
    const [pair] = await readByBoth(brokers, 'every', new Map([[stream, eventsOfEach]]));
    await expectSameRows(pair!, eventsOfEach);
  });

  test('of a topic with events of two versions of its schema', async (context) => {
    const older = onTopicOfItsOwn(streamWith([{ name: 'level', type: 'int' }]));
    const newer = onTopicOfItsOwn(
      streamWith([
        { name: 'level', type: 'int' },
        { name: 'note', type: ['null', 'string'], default: null },
        { name: 'share', type: 'double', default: 0 },
        { name: 'tags', type: { type: 'array', items: 'string' }, default: [] },
      ]),
    );
    const brokers = await topicsFor(context, [newer]);
    const eventsFor = (stream: Stream<unknown>): Version => ({
      stream,
      events: Array.from({ length: eventsOfEach }, (_, n) => eventOf(stream, n)),
    });
    await publish(brokers, [eventsFor(older), eventsFor(newer), eventsFor(older)]);
    const [pair] = await readByBoth(brokers, 'evolved', new Map([[newer, 3 * eventsOfEach]]));
    await expectSameRows(pair!, 3 * eventsOfEach);
    const ids = [older, newer].map(({ schema }: { schema: AvroObject }) => registry.idOf(schema));
    expect(new Set(ids).size).toBe(2);
    expect(ids.every((id) => registry.asked.has(id))).toBe(true);
    expect(
      await it.sql(
        `SELECT countIf(note IS NOT NULL), countIf(notEmpty(tags)) FROM ${qualified(pair!.theirs)}`,
      ),
    ).toBe(`${eventsOfEach - eventsOfEach / 10}\t${eventsOfEach}`);
  });
});
