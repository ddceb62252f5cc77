import { describe, expect, test } from 'vitest';
import type { AvroSchema, Stream } from '#engine/topology/stream.ts';
import { columnsOf } from './columns.ts';
import { everyType, streamWith } from './every-type.fixture.ts';
import { typeName } from './value-type.ts';

function columnFor(type: AvroSchema, attributes: object = {}): string {
  const column = columnsOf(streamWith([{ name: 'x', type, ...attributes }])).fields[2]!;
  return `${typeName(column.type)}${column.defaultSql === undefined ? '' : ` = ${column.defaultSql}`}`;
}

const lowCardinality = { clickhouse: { lowCardinality: true } };
const record = (name: string, fields: object[]): AvroSchema => ({ type: 'record', name, fields });

describe('columnsOf', () => {
  test.each<[string, AvroSchema, object, string]>([
    ['a string', 'string', {}, 'String'],
    ['a string of few values', 'string', lowCardinality, 'LowCardinality(String)'],
    [
      'a string of few values, or null',
      ['null', 'string'],
      lowCardinality,
      'LowCardinality(Nullable(String))',
    ],
    ['null last', ['long', 'null'], {}, 'Nullable(Int64)'],
    ['a union of one', ['long'], {}, 'Int64'],
    [
      'a decimal on fixed',
      { type: 'fixed', name: 'F', size: 16, logicalType: 'decimal', precision: 38 },
      {},
      'Decimal(38, 0)',
    ],
    [
      'a map of arrays',
      { type: 'map', values: { type: 'array', items: 'int' } },
      {},
      'Map(String, Array(Int32))',
    ],
    ['a default that is the type’s own', 'int', { default: 0 }, 'Int32'],
    ['a default of a nullable column', ['int', 'null'], { default: 0 }, 'Nullable(Int32) = 0'],
    ['a default text', 'string', { default: "it's" }, "String = 'it\\'s'"],
    [
      'a default time',
      { type: 'long', logicalType: 'timestamp-micros' },
      { default: 5 },
      "DateTime64(6, 'UTC') = fromUnixTimestamp64Micro(5, 'UTC')",
    ],
  ])('%s', (_, type, attributes, expected) => {
    expect(columnFor(type, attributes)).toBe(expected);
  });

  test('flattens records, and makes every leaf of a nullable one nullable', () => {
    const named = columnsOf(everyType).fields.map((column) => `${column.name} ${typeName(column.type)}`);
    expect(named.filter((column) => /^(place|peer)/.test(column))).toEqual([
      'place_rack String',
      'place_unit Nullable(Int32)',
      'peer_host LowCardinality(Nullable(String))',
      'peer_ports Array(Int32)',
      'peer_place_rack Nullable(String)',
      'peer_place_unit Nullable(Int32)',
    ]);
  });

  test('takes the default of a record for its columns', () => {
    const stream = streamWith([
      {
        name: 'r',
        type: record('R', [
          { name: 'a', type: 'int', default: 1 },
          { name: 'b', type: 'int', default: 2 },
        ]),
        default: { a: 7 },
      },
    ]);
    expect(
      columnsOf(stream)
        .fields.slice(2)
        .map((column) => column.defaultSql),
    ).toEqual(['7', '2']);
  });

  test('adds a mark of deletion to compacted topics only', () => {
    const names = (kind: 'stream' | 'table'): readonly string[] =>
      columnsOf(streamWith([], { kind })).audit.map((column) => column.name);
    expect(names('stream')).toEqual([
      '_topic',
      '_partition',
      '_offset',
      '_timestamp',
      '_ce_source',
      '_ce_id',
    ]);
    expect(names('table')).toEqual([...names('stream'), '_deleted']);
  });

  test.each<[string, AvroSchema, object, RegExp]>([
    ['a union of two types', ['string', 'int'], {}, /weir\.test\.Small\.x .*union/],
    ['a nullable array', ['null', { type: 'array', items: 'int' }], {}, /Small\.x .*nullable Array/],
    ['a nullable map', ['null', { type: 'map', values: 'int' }], {}, /Small\.x .*nullable Map/],
    [
      'an array of arrays or null',
      { type: 'array', items: ['null', { type: 'array', items: 'int' }] },
      {},
      /Small\.x\[\]/,
    ],
    [
      'a nullable record in an array',
      { type: 'array', items: ['null', record('R', [{ name: 'a', type: 'int' }])] },
      {},
      /Small\.x\[\]/,
    ],
    [
      'a field of a record in an array',
      { type: 'array', items: record('R', [{ name: 'a', type: ['int', 'string'] }]) },
      {},
      /Small\.x\[\]\.a/,
    ],
    ['null', 'null', {}, /Small\.x /],
    [
      'a logical type without a column',
      { type: 'int', logicalType: 'time-millis' },
      {},
      /Small\.x .*time-millis/,
    ],
    ['a uuid on fixed', { type: 'fixed', name: 'F', size: 16, logicalType: 'uuid' }, {}, /Small\.x .*uuid/],
    ['a decimal of 77 digits', { type: 'bytes', logicalType: 'decimal', precision: 77 }, {}, /Small\.x .*76/],
    ['low cardinality of numbers', 'int', lowCardinality, /Small\.x .*strings/],
    [
      'a record in itself',
      record('R', [{ name: 'again', type: ['null', 'R'] }]),
      {},
      /Small\.x\.again .*contains itself/,
    ],
    [
      'a record in itself by an array',
      record('R', [{ name: 'all', type: { type: 'array', items: 'R' } }]),
      {},
      /Small\.x\.all/,
    ],
    ['a default list', { type: 'array', items: 'int' }, { default: [1] }, /Small\.x: a default/],
  ])('refuses %s, naming schema and field', (_, type, attributes, message) => {
    expect(() => columnFor(type, attributes)).toThrow(
      expect.objectContaining({
        code: 'schema-unsupported',
        message: expect.stringMatching(message) as string,
      }),
    );
  });

  test.each<[string, Stream<unknown>, RegExp]>([
    [
      'two fields with one column name',
      streamWith([
        { name: 'a_b', type: 'int' },
        { name: 'a', type: record('A', [{ name: 'b', type: 'int' }]) },
      ]),
      /Small\.a\.b: its column 'a_b' clashes with field a_b/,
    ],
    [
      'a field named as an audit column',
      streamWith([{ name: '_offset', type: 'long' }]),
      /'_offset' clashes with an audit column/,
    ],
    ['a key that is no field', streamWith([], { key: { field: 'y', entity: 'e' } }), /key field 'y'/],
    [
      'a nullable key',
      streamWith([{ name: 'y', type: ['null', 'int'] }], { key: { field: 'y', entity: 'e' } }),
      /Small\.y: the key/,
    ],
    [
      'event time in another unit',
      streamWith([], { time: { field: 'at', unit: 'micros' } }),
      /Small\.at: event time .*timestamp-micros/,
    ],
    [
      'event time as a plain number',
      streamWith([{ name: 'n', type: 'long' }], { time: { field: 'n', unit: 'millis' } }),
      /Small\.n: event time/,
    ],
  ])('refuses %s', (_, stream, message) => {
    expect(() => columnsOf(stream)).toThrow(message);
  });
});
