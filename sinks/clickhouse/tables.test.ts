import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Stream } from '#engine/topology/stream.ts';
import { openEngine, type Engine } from './chdb.fixture.ts';
import { everyType, everyTypeEvent, streamWith } from './every-type.fixture.ts';
import { BlockEncoder } from './native/block-encoder.ts';
import { addColumnStatements, createStatements, createTableSql, tableOf } from './tables.ts';
import { quoteText, typeName } from './value-type.ts';

let engine: Engine;
beforeAll(() => {
  engine = openEngine();
});
afterAll(() => {
  engine.close();
});

const compacted = streamWith([{ name: 'owner', type: 'string', doc: 'Who has it.' }], {
  kind: 'table',
  topic: 'test.owners-table',
  clickhouse: { table: 'test_owners_table', orderBy: ['id'], ttlDays: 30 },
});

const cases: readonly (readonly [string, Stream<unknown>])[] = [
  ['every-type', everyType],
  ['compacted', compacted],
];

/** WEIR_WRITE_GOLDEN=1 writes it; never in CI. */
function expectGolden(name: string, statements: readonly string[]): void {
  const sql = statements.map((statement) => `${statement};\n`).join('');
  const golden = new URL(`golden/${name}.sql`, import.meta.url);
  if (process.env['WEIR_WRITE_GOLDEN'] === '1' && process.env['CI'] === undefined) writeFileSync(golden, sql);
  expect(sql).toBe(readFileSync(golden, 'utf8'));
}

describe('createTableSql', () => {
  test.each(cases)('%s is as in golden/', (name, stream) => {
    expectGolden(name, createStatements(tableOf(stream, 'weir')));
  });

  test.each(cases)('on a cluster, %s is as in golden/', (name, stream) => {
    expectGolden(`${name}-cluster`, createStatements(tableOf(stream, 'weir', { name: 'main' })));
  });

  test.each(cases)(
    'on a cluster, %s: the engine parses each statement, also those that add a column',
    (_, stream) => {
      const table = tableOf(stream, 'weir', { name: 'main' });
      const adding = addColumnStatements(table, table.columns.fields[1]!);
      expect(
        adding.map(
          (sql) => / ADD COLUMN/.test(sql) && /^ALTER TABLE `weir`.`(\w+)` ON CLUSTER `main`/.exec(sql)?.[1],
        ),
      ).toEqual([`${table.name}_local`, table.name]);
      for (const sql of [...createStatements(table), ...adding])
        expect(engine.run(`SELECT length(formatQuerySingleLine(${quoteText(sql)})) > 0`).trim()).toBe('1');
    },
  );

  test.each(cases)(
    '%s: the engine makes the columns, types and comments that were asked for',
    (_, stream) => {
      const table = tableOf(stream, 'default');
      engine.run(createTableSql(table));
      const made = engine.rows<object>(
        `SELECT name, type, comment FROM system.columns WHERE database = 'default' AND table = '${table.name}' ORDER BY position`,
      );
      const asked = [...table.columns.fields, ...table.columns.audit].map((column) => ({
        name: column.name,
        // The engine shows names of tuple elements without quotes where none are needed.
        type: typeName(column.type).replaceAll('`', ''),
        comment: column.comment ?? '',
      }));
      expect(made).toEqual(asked);
    },
  );

  test('rows of every type come back from the table', () => {
    const table = tableOf(everyType, 'default');
    engine.run(createTableSql(table));
    const encoder = new BlockEncoder(table.columns);
    const events = Array.from({ length: 1000 }, (_, i) => everyTypeEvent(i));
    const headers = { ce_source: 'here', ce_id: Buffer.from('x') };
    encoder.append(
      events.map((event, offset) => ({
        event,
        deleted: false,
        record: { offset, key: null, value: null, timestampMs: 5, headers },
      })),
    );
    engine.insertNative('default.test_every_types', encoder.encode('test.every-types', 1));
    const rows = engine.rows<Record<string, unknown>>(
      'SELECT * FROM default.test_every_types ORDER BY _offset',
    );
    expect(rows).toHaveLength(1000);
    expect(rows[7]).toMatchObject({
      id: 'thing 0',
      at: '2023-11-14 22:13:20.007',
      site: 'site 2',
      note: '',
      state: 'DOWN',
      small: -7,
      large: String(7 * 2 ** 33),
      price: '7.25',
      peer_host: 'h1',
      peer_ports: [7, 8],
      peer_place_unit: null,
      uplink_vlans: [7, 1],
      uplink_limits: { mbps: '7' },
      uplink_host: 'u1',
      steps: [
        { name: 'UP', ms: null },
        { name: 'DOWN', ms: 7 },
      ],
      counts: { a: '7', ä: '-7' },
      _topic: 'test.every-types',
      _partition: 1,
      _offset: '7',
      _ce_source: 'here',
      _ce_id: 'x',
    });
    expect(rows[8]).toMatchObject({ peer_host: null, peer_ports: [], note: 'ノート 8', small: null });
    expect(rows[9]).toMatchObject({ uplink_vlans: [], uplink_limits: {}, uplink_host: null });
  });

  test('a tombstone is a row with key, time and the mark, all else empty', () => {
    const table = tableOf(compacted, 'default');
    engine.run(createTableSql(table));
    const encoder = new BlockEncoder(table.columns);
    const now = Date.now();
    const record = (
      offset: number,
    ): { offset: number; key: null; value: null; timestampMs: number; headers: object } => ({
      offset,
      key: null,
      value: null,
      timestampMs: now,
      headers: {},
    });
    encoder.append([
      { event: { id: 'a', at: now, owner: 'x' }, deleted: false, record: record(0) },
      { event: { id: 'a', at: now }, deleted: true, record: record(1) },
    ] as never);
    engine.insertNative('default.test_owners_table', encoder.encode('test.owners-table', 0));
    expect(
      engine.rows('SELECT id, owner, _offset, _deleted FROM default.test_owners_table ORDER BY _offset'),
    ).toEqual([
      { id: 'a', owner: 'x', _offset: '0', _deleted: false },
      { id: 'a', owner: '', _offset: '1', _deleted: true },
    ]);
  });

  test.each([
    ['no column', ['nothing']],
    ['a nullable column', ['note']],
    ['an array', ['tags']],
  ])('an order key with %s is refused by name', (_, orderBy) => {
    const stream = { ...everyType, clickhouse: { ...everyType.clickhouse, orderBy } };
    expect(() => tableOf(stream, 'weir')).toThrow(`clickhouse.orderBy names '${orderBy[0]!}'`);
  });
});
