/**
 * Vectors: Apache Avro, share/test/data/schema-tests.txt (cross-checked there by the Java implementation), and the
 * header of the single-object encoding of "int" from its Ruby tests.
 */
import { describe, expect, it } from 'vitest';
import type { AvroSchema } from '#engine/topology/stream.ts';
import { canonicalForm, crc64Avro, fingerprintHex, fingerprintOf } from './fingerprint.ts';
import { singleObjectHeader } from './framing.ts';

const record = (rest: object): AvroSchema => ({ type: 'record', name: 'foo', fields: [], ...rest });

const VECTORS: readonly (readonly [AvroSchema, string, string])[] = [
  ['null', '"null"', '7195948357588979594'],
  [{ type: 'null' }, '"null"', '7195948357588979594'],
  ['boolean', '"boolean"', '-6970731678124411036'],
  ['int', '"int"', '8247732601305521295'],
  [{ type: 'int' }, '"int"', '8247732601305521295'],
  ['long', '"long"', '-3434872931120570953'],
  ['float', '"float"', '5583340709985441680'],
  ['double', '"double"', '-8181574048448539266'],
  ['bytes', '"bytes"', '5746618253357095269'],
  ['string', '"string"', '-8142146995180207161'],
  [[], '[]', '-1241056759729112623'],
  [['int'], '["int"]', '-5232228896498058493'],
  [['int', { type: 'boolean' }], '["int","boolean"]', '5392556393470105090'],
  [record({}), '{"name":"foo","type":"record","fields":[]}', '-4824392279771201922'],
  [record({ namespace: 'x.y' }), '{"name":"x.y.foo","type":"record","fields":[]}', '5916914534497305771'],
  [
    record({ name: 'a.b.foo', namespace: 'x.y' }),
    '{"name":"a.b.foo","type":"record","fields":[]}',
    '-4616218487480524110',
  ],
  [
    record({ doc: 'foo', aliases: ['foo', 'bar'] }),
    '{"name":"foo","type":"record","fields":[]}',
    '-4824392279771201922',
  ],
  [
    record({ fields: [{ type: { type: 'boolean' }, name: 'f1' }] }),
    '{"name":"foo","type":"record","fields":[{"name":"f1","type":"boolean"}]}',
    '7843277075252814651',
  ],
  [
    record({
      fields: [
        { type: 'boolean', aliases: [], name: 'f1', default: 'true' },
        { order: 'descending', name: 'f2', doc: 'Hello', type: 'int' },
      ],
    }),
    '{"name":"foo","type":"record","fields":[{"name":"f1","type":"boolean"},{"name":"f2","type":"int"}]}',
    '-4860222112080293046',
  ],
  [
    { type: 'enum', name: 'foo', symbols: ['A1'] },
    '{"name":"foo","type":"enum","symbols":["A1"]}',
    '-6342190197741309591',
  ],
  [
    { namespace: 'x.y.z', type: 'enum', name: 'foo', doc: 'foo bar', symbols: ['A1', 'A2'] },
    '{"name":"x.y.z.foo","type":"enum","symbols":["A1","A2"]}',
    '-4448647247586288245',
  ],
  [
    { name: 'foo', type: 'fixed', size: 15 },
    '{"name":"foo","type":"fixed","size":15}',
    '1756455273707447556',
  ],
  [
    { namespace: 'x.y.z', type: 'fixed', name: 'foo', doc: 'foo bar', size: 32 },
    '{"name":"x.y.z.foo","type":"fixed","size":32}',
    '-3064184465700546786',
  ],
  [{ items: { type: 'null' }, type: 'array' }, '{"type":"array","items":"null"}', '-589620603366471059'],
  [{ values: 'string', type: 'map' }, '{"type":"map","values":"string"}', '-8732877298790414990'],
  [
    {
      name: 'PigValue',
      type: 'record',
      fields: [{ name: 'value', type: ['null', 'int', 'long', 'PigValue'] }],
    },
    '{"name":"PigValue","type":"record","fields":[{"name":"value","type":["null","int","long","PigValue"]}]}',
    '-1759257747318642341',
  ],
];

describe('the Parsing Canonical Form', () => {
  it.each(VECTORS)('of %j is that of Avro', (schema, canonical) => {
    expect(canonicalForm(schema)).toBe(canonical);
  });
});

describe('the CRC-64-AVRO fingerprint', () => {
  it.each(VECTORS)('of %j is that of Avro', (schema, _, fingerprint) => {
    expect(BigInt.asIntN(64, fingerprintOf(schema))).toBe(BigInt(fingerprint));
  });

  it('of nothing is the EMPTY constant of the specification', () => {
    expect(fingerprintHex(crc64Avro(Buffer.alloc(0)))).toBe('c15d213aa4d7a795');
  });

  it('is written with its most significant digit first, and little-endian in a single-object header', () => {
    expect(fingerprintHex(fingerprintOf('int'))).toBe('7275d51a3f395c8f');
    expect(singleObjectHeader(fingerprintOf('int')).toString('hex')).toBe('c3018f5c393f1ad57572');
  });
});
