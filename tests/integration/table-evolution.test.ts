/**
 * A field is added while writers of the schema before it still run: two versions of events, through sinks of two versions, into one
 * table. The build of before may come back; a field may not go.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { MemoryLog } from '#engine/log/memory-log.ts';
import { deadLetters } from '#engine/records/generated.ts';
import type { Stream } from '#engine/topology/stream.ts';
import { auditTable } from '#sinks/clickhouse/audit.ts';
import { startClickHouseSink, type ClickHouseSink } from '#sinks/clickhouse/clickhouse-sink.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { streamWith } from '#sinks/clickhouse/every-type.fixture.ts';
import { prepareTables } from '#sinks/clickhouse/prepare-tables.ts';
import { tableOf } from '#sinks/clickhouse/tables.ts';
import { startTestServer, type TestServer } from './embedded-clickhouse.fixture.ts';

const partitions = 4;
const database = 'evolving';
const atMs = Date.UTC(2099, 0, 1);
const older = streamWith([], { partitions });
const newer = streamWith(
  [
    { name: 'level', type: 'int', default: -1, doc: 'How full.' },
    { name: 'note', type: ['null', 'string'], default: null },
  ],
  { partitions },
);

let it: TestServer;
let client: ClickHouseClient;
beforeAll(async () => {
  it = await startTestServer();
  client = openClient({ url: it.server.url });
});
afterAll(async () => {
  await client.close();
  await it.close();
});

/** What the newest start told. */
let notes: readonly string[] = [];

const log = new MemoryLog({ maxBytes: 1e8 });
log.createTopic(older.topic, partitions);
log.createTopic(deadLetters.topic, deadLetters.partitions);

/** A sink of one version over some of the partitions, as a member of a group has them. */
async function start(stream: Stream<unknown>, own: readonly number[]): Promise<ClickHouseSink> {
  const table = tableOf(stream, database);
  notes = await prepareTables(client, [table]);
  const writers = new WriterSchemas();
  for (const version of [older, newer]) eventCodec(version, writers);
  const sources = own.map((partition) => log.source('sink', stream.topic, partition));
  return startClickHouseSink({
    client,
    inputs: [{ table, sources }],
    writers,
    deadLetters: log,
    incarnation: '',
  });
}

const encoders = [older, newer].map((stream) => eventCodec(stream, new WriterSchemas()));

/** Events of the older version have even ids, those of the newer odd ones; each version goes to every partition. */
function send(from: number, to: number): void {
  for (let n = from; n < to; n += 1) {
    const event =
      n % 2 === 0 ? { id: `${n}`, at: atMs + n } : { id: `${n}`, at: atMs + n, level: n, note: `n${n}` };
    log.append([
      {
        topic: older.topic,
        key: null,
        value: encoders[n % 2]!.encode(event),
        timestampMs: atMs,
        headers: {},
        partition: (n >> 1) % partitions,
      },
    ]);
  }
}

async function rows(query: string): Promise<readonly unknown[]> {
  const result = await client.query({
    query,
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  return result.json();
}

describe('a field that is added', () => {
  test('becomes a column when the newer sink starts, and the older one goes on into the same table', async () => {
    const olderSink = await start(older, [0, 1]);
    send(0, 400);
    await olderSink.drain();
    const newerSink = await start(newer, [2, 3]);
    for (let from = 400; from < 4_000; from += 400) {
      send(from, from + 400);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await Promise.all([olderSink.drain(), newerSink.drain()]);
    await Promise.all([olderSink.stop(5_000), newerSink.stop(5_000)]);

    expect(log.endOffset(deadLetters.topic, 0)).toBe(0);
    const audits = await auditTable(client, tableOf(newer, database));
    expect(audits).toHaveLength(partitions);
    for (const audit of audits) expect(audit).toMatchObject({ rows: 1_000, missing: 0, duplicates: 0 });
    // What the older sink took has the defaults, also of events that had more: it knows no such field.
    expect(
      await rows(`SELECT _partition < 2 AS by_older, toUInt32(id) % 2 AS newer_event, count() AS n,
countIf(level = -1 AND note IS NULL) AS defaults, countIf(level = toUInt32(id) AND note = concat('n', id)) AS full
FROM ${database}.test_small GROUP BY ALL ORDER BY ALL`),
    ).toEqual([
      { by_older: 0, newer_event: 0, n: 1_000, defaults: 1_000, full: 0 },
      { by_older: 0, newer_event: 1, n: 1_000, defaults: 0, full: 1_000 },
      { by_older: 1, newer_event: 0, n: 1_000, defaults: 1_000, full: 0 },
      { by_older: 1, newer_event: 1, n: 1_000, defaults: 1_000, full: 0 },
    ]);
  });

  test('does not keep the build of before from starting again: it says so, and its rows go in', async () => {
    const olderSink = await start(older, [0, 1, 2, 3]);
    expect(notes).toEqual([
      expect.stringMatching(
        /test_small has columns level, note, which this build does not know: a newer build/,
      ),
    ]);
    expect(notes[0]).not.toMatch(/DROP/);
    send(4_000, 4_400);
    await olderSink.drain();
    await olderSink.stop(5_000);
    const newerSink = await start(newer, [0, 1, 2, 3]);
    expect(notes).toEqual([]);
    send(4_400, 4_800);
    await newerSink.drain();
    await newerSink.stop(5_000);
    for (const audit of await auditTable(client, tableOf(newer, database)))
      expect(audit).toMatchObject({ rows: 1_200, missing: 0, duplicates: 0 });
    expect(
      await rows(`SELECT countIf(level = -1) AS defaults, countIf(level = toUInt32(id)) AS full
FROM ${database}.test_small WHERE toUInt32(id) >= 4000 AND toUInt32(id) % 2 = 1`),
    ).toEqual([{ defaults: 200, full: 200 }]);
  });

  test.each<[string, Stream<unknown>, RegExp]>([
    [
      'is taken away by a build that was never here',
      streamWith([{ name: 'note', type: ['null', 'string'], default: null }]),
      /test_small, column level: is in the table, but not in the schema.*if a newer build has added it, start that one.*restore the field/,
    ],
    [
      'gets another type',
      streamWith([
        { name: 'level', type: 'long', default: -1 },
        { name: 'note', type: ['null', 'string'], default: null },
      ]),
      /test_small, column level: is Int32 in the table, but Int64.*give the field a new name/,
    ],
  ])('is refused with an explanation when it %s, and nothing is changed', async (_, stream, message) => {
    const before = await rows(
      `SELECT name, type FROM system.columns WHERE database = '${database}' ORDER BY ALL`,
    );
    // Nor is it taken for an earlier build when it tries again.
    for (let attempt = 0; attempt < 2; attempt += 1)
      await expect(prepareTables(client, [tableOf(stream, database)])).rejects.toMatchObject({
        code: 'table-mismatch',
        message: expect.stringMatching(message) as string,
      });
    expect(
      await rows(`SELECT name, type FROM system.columns WHERE database = '${database}' ORDER BY ALL`),
    ).toEqual(before);
  });
});
