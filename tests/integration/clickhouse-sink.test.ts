/** The sink against the real engine: every record is one row or one dead letter, whatever happens. */
import { createClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { deadLetterRecord } from '#engine/records/dead-letter.ts';
import { deadLetters } from '#engine/records/generated.ts';
import type { Stream } from '#engine/topology/stream.ts';
import { SinkError } from '#sinks/clickhouse/error.ts';
import {
  everyType,
  everyTypeEvent,
  streamWith,
  type EveryType,
} from '#sinks/clickhouse/every-type.fixture.ts';
import { nextOffsets } from '#sinks/clickhouse/next-offsets.ts';
import { startTestServer, until, type TestServer } from './embedded-clickhouse.fixture.ts';
import { startCuttingProxy } from './cutting-proxy.fixture.ts';
import { openPipe, type Pipe } from './clickhouse-sink.fixture.ts';

let it: TestServer;
let databases = 0;
/** Much longer than anything takes. */
const longMs = 60_000;
const pipes: { readonly close: () => Promise<void> }[] = [];
beforeAll(async () => {
  it = await startTestServer();
});
afterAll(async () => {
  await Promise.all(pipes.map((pipe) => pipe.close()));
  await it.close();
});

function pipe<T>(stream: Stream<T>, username?: string): Pipe<T> {
  databases += 1;
  const opened = openPipe(it.server.url, stream, `sink_${databases}`, username);
  pipes.push(opened);
  return opened;
}

function events(count: number, from = 0): EveryType[] {
  return Array.from({ length: count }, (_, i) => everyTypeEvent(from + i));
}

/** Every offset of both partitions once, up to `perPartition`. */
function complete(perPartition: number, topic = everyType.topic): object[] {
  return [0, 1].map((partition) => ({
    topic,
    partition,
    rows: perPartition,
    offsets: perPartition,
    minOffset: 0,
    maxOffset: perPartition - 1,
    missing: 0,
    firstGap: null,
    duplicates: 0,
    firstDuplicate: null,
  }));
}

test('every record is in the table once, each insert as one part', async () => {
  const { client, send, start, audit, rows } = pipe(everyType);
  // Batches end full or by a drain, however long that takes.
  const sink = await start({ limits: { maxRows: 1000, flushIntervalMs: longMs } });
  await client.command({ query: 'SYSTEM STOP MERGES sink_1.test_every_types' });
  send(events(6000));
  await sink.drain();
  expect(await audit()).toEqual(complete(3000));
  send(events(10));
  await sink.drain();
  const [stats] = await sink.stats();
  expect(stats).toMatchObject({ table: 'test_every_types', rows: 6010, retries: 0, deadLetters: 0, lag: 0 });
  expect(stats?.batches).toBeLessThanOrEqual(10);
  expect(
    await rows(
      "SELECT count() AS parts FROM system.parts WHERE database = 'sink_1' AND table = 'test_every_types' AND active",
    ),
  ).toEqual([{ parts: stats?.batches }]);
  expect(await sink.stop(longMs)).toBe(true);
  const [seen] = await rows(
    'SELECT count() AS n, uniqExact(uid) AS ids, sum(large) AS sum FROM sink_1.test_every_types',
  );
  expect(seen).toEqual({ n: 6010, ids: 6000, sum: 2 ** 33 * (5999 * 3000 + 45) });
});

test('a batch flushes by time, without a drain', async () => {
  const { send, start, rows } = pipe(everyType);
  const sink = await start({ limits: { flushIntervalMs: 50 } });
  send(events(3));
  await until(
    async () =>
      (await rows<{ n: number }>(`SELECT count() AS n FROM sink_${databases}.test_every_types`))[0]!.n === 3,
  );
  await sink.stop(1000);
});

test('offsets of a later run go on after those of the tables', async () => {
  const { send, start, client, table, deadLetterTable } = pipe(everyType);
  send(events(7));
  const sink = await start();
  expect(await sink.stop(longMs)).toBe(true);
  expect(await nextOffsets(client, [table, deadLetterTable])).toEqual(new Map([[everyType.topic, [4, 3]]]));
});

describe('bad records', () => {
  test('become dead letters with their bytes, their neighbours rows', async () => {
    const { send, append, start, audit, rows } = pipe(everyType);
    send(events(4));
    append([
      { value: Buffer.from('not an event'), key: Buffer.from('k'), headers: { h: ['a', 'b'] } },
      { value: null },
    ]);
    send([{ ...everyTypeEvent(1), at: Date.UTC(2301, 0) }]);
    send(events(5));
    const sink = await start({ nowMs: () => Date.UTC(2030, 0) });
    await sink.drain();
    await sink.drain();
    expect(await audit()).toMatchObject([
      { rows: 4, missing: 2, duplicates: 0 },
      { rows: 5, missing: 1, duplicates: 0 },
    ]);
    const letters = await rows(
      `SELECT origin, code, reason, value, source_key, headers, toString(failed_at) AS failed FROM sink_${databases}.weir_dead_letters ORDER BY origin`,
    );
    expect(letters).toEqual([
      expect.objectContaining({
        origin: 'test.every-types/0/2',
        code: 'unknown-magic',
        value: 'not an event',
        source_key: 'k',
        headers: { h: 'a', 'h#1': 'b' },
        failed: '2030-01-01 00:00:00.000',
      }),
      expect.objectContaining({
        origin: 'test.every-types/0/3',
        code: 'value-invalid',
        reason: expect.stringContaining('column at:') as string,
      }),
      expect.objectContaining({ origin: 'test.every-types/1/2', code: 'value-missing', value: null }),
    ]);
    await sink.stop(1000);
  });

  test('a row that ClickHouse refuses is found among its batch-mates, which go in', async () => {
    const { send, start, audit, rows, client } = pipe(everyType);
    await (await start()).stop(1000);
    await client.command({
      query: `ALTER TABLE sink_${databases}.test_every_types ADD CONSTRAINT small CHECK large != ${2 ** 33 * 77}`,
    });
    send(events(200));
    const sink = await start();
    await sink.drain();
    await sink.drain();
    expect(await audit()).toMatchObject([
      { rows: 100, missing: 0, duplicates: 0 },
      { rows: 99, missing: 1, firstGap: 38, duplicates: 0 },
    ]);
    expect(await rows(`SELECT origin, code, reason FROM sink_${databases}.weir_dead_letters`)).toEqual([
      {
        origin: 'test.every-types/1/38',
        code: 'clickhouse-data',
        reason: expect.stringContaining('469') as string,
      },
    ]);
    await sink.stop(1000);
  });

  test('a row that a materialized view refuses stops its partition: it is in the table already, and not in the target', async () => {
    const { send, start, audit, rows, client } = pipe(everyType);
    await (await start()).stop(1000);
    const database = `sink_${databases}`;
    await client.command({
      query: `CREATE TABLE ${database}.target (large Int64, CONSTRAINT some CHECK large != ${2 ** 33 * 8}) ENGINE = MergeTree ORDER BY large
        SETTINGS non_replicated_deduplication_window = 10000`,
    });
    await client.command({
      query: `CREATE MATERIALIZED VIEW ${database}.view TO ${database}.target AS SELECT large FROM ${database}.test_every_types`,
    });
    const targets = (): Promise<readonly { n: number }[]> =>
      rows(`SELECT count() AS n FROM ${database}.target`);
    send(events(20));
    // A profile that leaves out what views refuse must not have the rows leave their targets unheard.
    const ignoring = createClient({
      url: it.server.url,
      clickhouse_settings: { materialized_views_ignore_errors: 1 },
    });
    const sink = await start({ client: ignoring });
    await expect(sink.drain()).rejects.toThrow(
      /every-types\/0, offsets 0 to 9: 10 of 10 rows are in the table.*469.*view.*without filling its target by hand/s,
    );
    expect(await sink.stop(1000)).toBe(false);
    await ignoring.close();
    expect(await targets()).toEqual([{ n: 10 }]);
    await client.command({ query: `ALTER TABLE ${database}.target DROP CONSTRAINT some` });
    send(events(2, 20));
    // What mended the target could have made it forget its tokens, as a ClickHouse that has just been started may have, now or when the
    // batch was promised: the owner is told to fill it.
    const told: string[] = [];
    const again = await start({ onTrouble: ({ message }) => told.push(message) });
    await again.drain();
    expect(told).toEqual([
      expect.stringMatching(
        /every-types\/0, offsets 0 to 9: .*(was altered|was started just now|the promise does not say).*INSERT INTO/,
      ),
    ]);
    await client.command({ query: /INSERT INTO .*$/.exec(told[0]!)![0] });
    expect(await audit()).toEqual(complete(11));
    expect(await targets()).toEqual([{ n: 22 }]);
    expect(await rows(`SELECT origin FROM ${database}.weir_dead_letters`)).toEqual([]);
    await again.stop(1000);
  });

  test('a record whose schema comes later waits for it', async () => {
    const { append, start, rows, writers } = pipe(everyType);
    const newer = {
      ...everyType.schema,
      fields: [...(everyType.schema['fields'] as object[]), { name: 'extra', type: 'int', default: 0 }],
    };
    const codec = eventCodec<EveryType>({ name: everyType.name, schema: newer }, new WriterSchemas());
    append([{ value: codec.encode({ ...everyTypeEvent(5), extra: 1 }) }]);
    const sink = await start({ limits: { flushIntervalMs: 10, schemaWaitMs: longMs } });
    await new Promise((resolve) => setTimeout(resolve, 300));
    writers.add(newer);
    await sink.drain();
    expect(await rows(`SELECT id FROM sink_${databases}.test_every_types`)).toEqual([{ id: 'thing 5' }]);
    await sink.stop(1000);
  });
});

test('a batch over more table partitions than one insert may touch is cut up', async () => {
  const { append, start, audit, send } = pipe(everyType);
  // 300 months.
  send(Array.from({ length: 300 }, (_, i) => ({ ...everyTypeEvent(i), at: Date.UTC(1990, i) })));
  append([]);
  const sink = await start();
  await sink.drain();
  expect(await audit()).toEqual(complete(150));
  expect((await sink.stats())[0]).toMatchObject({ deadLetters: 0 });
  await sink.stop(1000);
});

test('tombstones of a table are rows that say so', async () => {
  const stream = streamWith([{ name: 'owner', type: 'string' }], {
    kind: 'table',
    partitions: 1,
    topic: 'test.owners',
  });
  const { append, send, start, rows } = pipe(stream);
  send([{ id: 'a', at: 1_700_000_000_000, owner: 'x' }]);
  append([{ key: Buffer.from('a'), timestampMs: 1_700_000_000_001 }, { key: null }]);
  const sink = await start();
  await sink.drain();
  await sink.drain();
  expect(
    await rows(
      `SELECT id, toUnixTimestamp64Milli(at) AS at, owner, _deleted FROM sink_${databases}.test_small ORDER BY _offset`,
    ),
  ).toEqual([
    { id: 'a', at: 1_700_000_000_000, owner: 'x', _deleted: false },
    { id: 'a', at: 1_700_000_000_001, owner: '', _deleted: true },
  ]);
  expect(await rows(`SELECT origin, code FROM sink_${databases}.weir_dead_letters`)).toEqual([
    { origin: 'test.owners/0/2', code: 'key-missing' },
  ]);
  await sink.stop(1000);
});

describe('faults', () => {
  test('sinks that stop wherever they are lose and double nothing', async () => {
    const { send, start, audit } = pipe(everyType);
    for (let life = 0; life < 12; life++) {
      send(events(2000));
      const sink = await start({ limits: { maxRows: 500 - 37 * life, flushIntervalMs: 5 } });
      await new Promise((resolve) => setTimeout(resolve, 7 * life));
      await sink.stop(0);
    }
    const sink = await start();
    await sink.drain();
    expect(await audit()).toEqual(complete(12_000));
    await sink.stop(1000);
  });

  test('ClickHouse killed again and again in mid-insert loses and doubles nothing', async () => {
    const own = await startTestServer({ minHealthyMs: 0 });
    const { send, start, audit, close } = openPipe(own.server.url, everyType, 'killed');
    const sink = await start({
      limits: { maxRows: 700, flushIntervalMs: 20, retry: { initialMs: 20, maxMs: 200 } },
    });
    let sent = 0;
    for (let kill = 0; kill < 4; kill++) {
      const pid = own.server.pid();
      for (let i = 0; i < 10; i++) {
        send(events(1000));
        sent += 1000;
        await new Promise((resolve) => setTimeout(resolve, 10 + 3 * kill));
      }
      process.kill(pid, 'SIGKILL');
      // Should all before have been in: this has to wait.
      send(events(1000));
      sent += 1000;
      await until(() => own.server.pid() !== pid);
    }
    await sink.drain();
    expect(await audit()).toEqual(complete(sent / 2));
    const [stats] = await sink.stats();
    expect(stats!.retries).toBeGreaterThan(0);
    await sink.stop(1000);
    await close();
    await own.close();
  });

  test('answers that never arrive, of inserts that ClickHouse took, lose and double nothing', async () => {
    const proxy = await startCuttingProxy(it.server.port);
    databases += 1;
    const { send, start, audit, close } = openPipe(proxy.url, everyType, `sink_${databases}`);
    const sink = await start({ limits: { maxRows: 100, retry: { initialMs: 5, maxMs: 20 } } });
    proxy.cutAnswers(15);
    send(events(2000));
    await sink.drain();
    expect(await audit()).toEqual(complete(1000));
    expect(proxy.left()).toBe(0);
    await sink.stop(1000);
    await close();
    await proxy.close();
  });

  test('a user who may not write stops the sink, which says where', async () => {
    const { send, start } = pipe(everyType);
    await (await start()).stop(1000);
    const reading = openPipe(it.server.url, everyType, `sink_${databases}`, 'readonly');
    send([]);
    await expect(reading.start()).rejects.toMatchObject({
      code: 'clickhouse-permanent',
      message: expect.stringMatching(/database|table/) as string,
    });
    await reading.close();
  });

  test('a table that is gone stops its partition, which names the table; what was not in stays in the log', async () => {
    const { send, start, client, audit, log, writers, rows } = pipe(everyType);
    const sink = await start();
    await client.command({ query: `DROP TABLE sink_${databases}.test_every_types` });
    send(events(10));
    await expect(sink.drain()).rejects.toThrow(
      new RegExp(`table sink_${databases}.test_every_types, test.every-types/[01].*60`, 's'),
    );
    expect(await sink.failed).toBeInstanceOf(SinkError);
    // The other table's partitions go on.
    const failure = { reader: 'test', topic: 't', partition: 0, code: 'c', reason: 'r', failedAtMs: 0 };
    const record = { offset: 0, key: null, value: null, timestampMs: 0, headers: {} };
    log.append([deadLetterRecord(eventCodec(deadLetters, writers), record, failure)]);
    await until(async () => (await rows(`SELECT 1 FROM sink_${databases}.weir_dead_letters`)).length === 1);
    expect(await sink.stop(1000)).toBe(false);
    const again = await start();
    await again.drain();
    expect(await audit()).toEqual(complete(5));
    await again.stop(1000);
  });
});
