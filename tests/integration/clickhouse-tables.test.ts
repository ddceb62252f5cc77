/** Tables are made, grow with their schemas, and are refused where they would lose or double rows. */
import { createClient, type ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { auditTable } from '#sinks/clickhouse/audit.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { streamWith } from '#sinks/clickhouse/every-type.fixture.ts';
import { prepareTables } from '#sinks/clickhouse/prepare-tables.ts';
import { tableOf, type Table } from '#sinks/clickhouse/tables.ts';
import { startTestServer, type TestServer } from './embedded-clickhouse.fixture.ts';

let it: TestServer;
let client: ClickHouseClient;
let databases = 0;
let database = '';
beforeAll(async () => {
  it = await startTestServer();
  client = openClient({ url: it.server.url });
});
afterAll(async () => {
  await client.close();
  await it.close();
});
beforeEach(() => {
  databases += 1;
  database = `tables_${databases}`;
});

function small(...fields: Parameters<typeof streamWith>[0]): Table {
  return tableOf(streamWith(fields), database);
}

async function command(query: string): Promise<void> {
  await client.command({ query: query.replaceAll('$db', database) });
}

async function rows(query: string): Promise<readonly unknown[]> {
  const result = await client.query({
    query: query.replaceAll('$db', database),
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  return result.json();
}

test('a client asks for whole answers, and for none of the past, whatever the profile says', async () => {
  const pinned = await rows(
    "SELECT name, value FROM system.settings WHERE changed AND (name LIKE '%overflow_mode%' OR name = 'use_query_cache')",
  );
  expect(pinned).toContainEqual({ name: 'use_query_cache', value: '0' });
  for (const mode of ['read_overflow_mode', 'result_overflow_mode', 'timeout_overflow_mode'])
    expect(pinned).toContainEqual({ name: mode, value: 'throw' });
});

describe('prepareTables', () => {
  test('makes tables, and leaves them alone the next time', async () => {
    await prepareTables(client, [small()]);
    await command("INSERT INTO $db.test_small (id, at) VALUES ('a', 0)");
    await prepareTables(client, [small()]);
    expect(await rows('SELECT id FROM $db.test_small')).toEqual([{ id: 'a' }]);
  });

  test('adds a new field as a column; rows of the past read as its default', async () => {
    await prepareTables(client, [small()]);
    await command("INSERT INTO $db.test_small (id, at) VALUES ('a', 0)");
    await prepareTables(client, [
      small(
        { name: 'level', type: 'int', default: -1, doc: 'How full.' },
        { name: 'note', type: ['null', 'string'], default: null },
      ),
    ]);
    expect(await rows('SELECT id, level, note FROM $db.test_small')).toEqual([
      { id: 'a', level: -1, note: null },
    ]);
    expect(
      await rows("SELECT comment FROM system.columns WHERE database = '$db' AND name = 'level'"),
    ).toEqual([{ comment: 'How full.' }]);
  });

  test('gives a table the time to live that its stream has now, and leaves one of another form alone', async () => {
    const withDays = (ttlDays?: number): Table => {
      const clickhouse = { table: 'test_small', orderBy: ['id', 'at'] };
      return tableOf(
        streamWith([], { clickhouse: ttlDays === undefined ? clickhouse : { ...clickhouse, ttlDays } }),
        database,
      );
    };
    const ttlAfter = async (ttlDays?: number): Promise<string | undefined> => {
      await prepareTables(client, [withDays(ttlDays)]);
      const [row] = await rows(
        "SELECT engine_full AS e FROM system.tables WHERE name = 'test_small' AND database = '$db'",
      );
      return / TTL (.*) SETTINGS/.exec((row as { e: string }).e)?.[1];
    };
    expect(await ttlAfter()).toBeUndefined();
    expect(await ttlAfter(20_000)).toBe('toDateTime(at) + toIntervalDay(20000)');
    await command("INSERT INTO $db.test_small (id, at) VALUES ('old', '2001-01-01'), ('new', now64())");
    expect(await ttlAfter(3_650)).toBe('toDateTime(at) + toIntervalDay(3650)');
    await command('OPTIMIZE TABLE $db.test_small FINAL');
    expect(await rows('SELECT id FROM $db.test_small')).toEqual([{ id: 'new' }]);
    expect(await ttlAfter(3_650)).toBe('toDateTime(at) + toIntervalDay(3650)');
    expect(await ttlAfter()).toBeUndefined();
    const own = 'toDateTime(at) + toIntervalMonth(1) GROUP BY id SET at = max(at)';
    await command(`ALTER TABLE $db.test_small MODIFY TTL ${own}`);
    expect(await ttlAfter(20_000)).toBe(own);
  });

  test('two processes that start at once both succeed', async () => {
    const wider = small({ name: 'level', type: 'int', default: 0 });
    await Promise.all([prepareTables(client, [small()]), prepareTables(client, [small()])]);
    await Promise.all([prepareTables(client, [wider]), prepareTables(client, [wider])]);
    await prepareTables(client, [wider]);
  });

  test.each(['one after the other', 'at once'])(
    'takes the columns of a database without a memory for those of the build before; old and new start %s',
    async (how) => {
      const wider = small({ name: 'level', type: 'int', default: 0 });
      await prepareTables(client, [small()]);
      await command('DROP TABLE $db.weir_prepared_columns');
      if (how === 'at once') {
        await Promise.all([wider, small(), wider, small()].map((table) => prepareTables(client, [table])));
      } else await prepareTables(client, [wider]);
      expect(await prepareTables(client, [small()])).toHaveLength(1);
      const remembered = await rows(
        'SELECT DISTINCT length(columns) AS n FROM $db.weir_prepared_columns ORDER BY n',
      );
      expect(remembered).toHaveLength(2);
    },
  );

  test('allows columns that are computed from others', async () => {
    await prepareTables(client, [small()]);
    await command(
      'ALTER TABLE $db.test_small ADD COLUMN upper String MATERIALIZED upper(id), ADD COLUMN lower String ALIAS lower(id)',
    );
    await prepareTables(client, [small()]);
  });

  test.each<[string, () => Table, RegExp]>([
    [
      'a field that is gone',
      () => small(),
      /test_small, column level: is in the table, but not in the schema/,
    ],
    [
      'a field of another type',
      () => small({ name: 'level', type: 'long' }),
      /test_small, column level: is Int32 in the table, but Int64/,
    ],
    [
      'a field that has become nullable',
      () => small({ name: 'level', type: ['null', 'int'] }),
      /column level: is Int32 in the table, but Nullable\(Int32\)/,
    ],
  ])('refuses %s', async (_, changed, message) => {
    await prepareTables(client, [small({ name: 'level', type: 'int' })]);
    await expect(prepareTables(client, [changed()])).rejects.toMatchObject({
      code: 'table-mismatch',
      message: expect.stringMatching(message) as string,
    });
  });

  test('refuses two topics in one table', async () => {
    const other = tableOf(streamWith([], { topic: 'test.others' }), database);
    await expect(prepareTables(client, [small(), other])).rejects.toThrow(/test\.smalls and test\.others/);
  });

  test('refuses a profile that forgets tokens', async () => {
    const forgetful = createClient({
      url: it.server.url,
      clickhouse_settings: { deduplicate_insert: 'disable' },
    });
    await expect(prepareTables(forgetful, [small()])).rejects.toThrow(/deduplicate_insert = 'disable'/);
    await forgetful.close();
  });

  test.each([
    [0, /test_small remembers no deduplication tokens.*MODIFY SETTING/],
    [1, /test_small remembers too few deduplication tokens \(.* = 1\).*MODIFY SETTING .* = 10000/],
  ])('refuses a table that forgets tokens: of more than %i blocks', async (window, message) => {
    await prepareTables(client, [small()]);
    await command(
      `ALTER TABLE $db.test_small MODIFY SETTING non_replicated_deduplication_window = ${window}`,
    );
    await expect(prepareTables(client, [small()])).rejects.toThrow(message);
  });

  test.each<[string, readonly string[], RegExp | undefined]>([
    [
      'a target that forgets tokens',
      [
        'CREATE TABLE $db.target (id String) ENGINE = MergeTree ORDER BY id',
        'CREATE MATERIALIZED VIEW $db.view TO $db.target AS SELECT id FROM $db.test_small',
      ],
      /target, filled by a materialized view from .*test_small, remembers no/,
    ],
    [
      'a target of another engine',
      [
        'CREATE TABLE $db.target (id String) ENGINE = Memory',
        'CREATE MATERIALIZED VIEW $db.view TO $db.target AS SELECT id FROM $db.test_small',
      ],
      /target.* engine Memory/,
    ],
    [
      "a view's own table that forgets tokens",
      ['CREATE MATERIALIZED VIEW $db.view ENGINE = MergeTree ORDER BY id AS SELECT id FROM $db.test_small'],
      /inner.* remembers no/,
    ],
    [
      'a target behind a target',
      [
        'CREATE TABLE $db.first (id String) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 1000',
        'CREATE TABLE $db.second (id String) ENGINE = MergeTree ORDER BY id',
        'CREATE MATERIALIZED VIEW $db.a TO $db.first AS SELECT id FROM $db.test_small',
        'CREATE MATERIALIZED VIEW $db.b TO $db.second AS SELECT id FROM $db.first',
      ],
      /second, filled by a materialized view from .*test_small/,
    ],
    [
      'nothing where targets remember',
      [
        'CREATE TABLE $db.target (id String) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 1000',
        'CREATE MATERIALIZED VIEW $db.view TO $db.target AS SELECT id FROM $db.test_small',
      ],
      undefined,
    ],
  ])('of materialized views, refuses %s', async (_, statements, message) => {
    await prepareTables(client, [small()]);
    for (const statement of statements) await command(statement);
    const preparing = prepareTables(client, [small()]);
    if (message === undefined) await preparing;
    else await expect(preparing).rejects.toThrow(message);
  });

  test('says where, when ClickHouse is away or refuses', async () => {
    const nowhere = openClient({ url: 'http://127.0.0.1:1' });
    await expect(prepareTables(nowhere, [small()])).rejects.toMatchObject({
      code: 'clickhouse-transient',
      message: expect.stringMatching(/^database tables_\d+: .*ECONNREFUSED/) as string,
    });
    await nowhere.close();
    const reader = openClient({ url: it.server.url, username: 'readonly' });
    await expect(prepareTables(reader, [small()])).rejects.toMatchObject({
      code: 'clickhouse-permanent',
      message: expect.stringContaining('code 164') as string,
    });
    await reader.close();
  });
});

test('the audit finds gaps and duplicates, each with its first offset', async () => {
  await prepareTables(client, [small()]);
  const put = (partition: number, offsets: readonly number[]): Promise<void> =>
    command(
      `INSERT INTO $db.test_small (id, at, _topic, _partition, _offset) VALUES ${offsets.map((offset) => `('x', 0, 't', ${partition}, ${offset})`).join(', ')}`,
    );
  await put(0, [5, 6, 7]);
  await put(1, [0, 1, 1, 4, 9, 9, 9]);
  await put(2, [3]);
  expect(await auditTable(client, small())).toEqual([
    {
      topic: 't',
      partition: 0,
      rows: 3,
      offsets: 3,
      minOffset: 5,
      maxOffset: 7,
      missing: 0,
      firstGap: null,
      duplicates: 0,
      firstDuplicate: null,
    },
    {
      topic: 't',
      partition: 1,
      rows: 7,
      offsets: 4,
      minOffset: 0,
      maxOffset: 9,
      missing: 6,
      firstGap: 2,
      duplicates: 3,
      firstDuplicate: 1,
    },
    {
      topic: 't',
      partition: 2,
      rows: 1,
      offsets: 1,
      minOffset: 3,
      maxOffset: 3,
      missing: 0,
      firstGap: null,
      duplicates: 0,
      firstDuplicate: null,
    },
  ]);
});
