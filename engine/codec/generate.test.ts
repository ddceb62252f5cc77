import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generateTypes } from './generate.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'weir-generate-'));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

const field = (name: string, type: unknown, rest: object = {}): object => ({
  name,
  type,
  doc: 'Doc.',
  ...rest,
});
const MILLIS = { type: 'long', logicalType: 'timestamp-millis' };
const record = (name: string, fields: readonly object[], rest: object = {}): object => ({
  type: 'record',
  name,
  namespace: 'weir.lab',
  doc: 'A sample.',
  ...rest,
  fields,
});
const WEIR = { topic: 'lab.link-samples', key: { field: 'id', entity: 'device' }, time: 'at' };
const event = (extra: readonly object[], weir: object = {}): object =>
  record('Sample', [field('id', 'string'), field('at', MILLIS), ...extra], { weir: { ...WEIR, ...weir } });

describe('generated TypeScript', () => {
  it('has a type for each record and enum, and a stream for each topic', () => {
    const level = { type: 'enum', name: 'Level', doc: 'How much.', symbols: ['low', 'high'] };
    const inner = { type: 'record', name: 'Part', doc: 'A part.', fields: [field('size', ['null', 'long'])] };
    put(
      'schemas/lab/sample.avsc',
      JSON.stringify(
        event([
          field('level', level, { doc: 'Level in */ words.' }),
          field('parts', { type: 'array', items: inner }),
          field('tags', { type: 'map', values: ['null', 'string'] }),
          field('price', { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 }),
          field('raw', ['bytes', 'null']),
        ]),
      ),
    );
    const [generated, ...rest] = generateTypes(root);
    expect(rest).toStrictEqual([]);
    expect(generated?.path).toBe('schemas/lab/generated.ts');
    const text = generated?.text ?? '';
    for (const expected of [
      "import type { Stream } from '#engine/topology/stream.ts';",
      "export type Level = 'low' | 'high';",
      'export interface Part {\n  /** Doc. */\n  readonly size: number | null;\n}',
      '  /** Level in * / words. */\n  readonly level: Level;',
      'readonly parts: readonly Part[];',
      'readonly tags: Readonly<Record<string, string | null>>;',
      'readonly price: string;',
      'readonly raw: Buffer | null;',
      'export const linkSamples: Stream<Sample> = {"name":"weir.lab.Sample","topic":"lab.link-samples","kind":"stream",' +
        '"key":{"field":"id","entity":"device"},"time":{"field":"at","unit":"millis"},"partitions":4,' +
        '"clickhouse":{"table":"lab_link_samples","orderBy":["id","at"]},"schema":',
    ]) {
      expect(text).toContain(expected);
    }
  });

  it('has a schema constant for a record without a topic, and takes in types of other files by name', () => {
    put('schemas/lab/part.avsc', JSON.stringify(record('Part', [field('size', 'int')])));
    put(
      'schemas/lab/state/lab-state.avsc',
      JSON.stringify(record('LabState', [field('part', ['null', 'weir.lab.Part'])])),
    );
    const text = generateTypes(root)[0]?.text ?? '';
    expect(text).toContain('export const labStateSchema: RecordSchema<LabState> = ');
    expect(text).toContain('readonly part: Part | null;');
    // The embedded schema stands alone: the definition is in it.
    expect(text).toMatch(/labStateSchema.*"type":\["null",\{"type":"record","name":"weir\.lab\.Part"/);
    expect(text.match(/export interface Part /g)).toHaveLength(1);
  });
});

describe('a schema that has no type or table', () => {
  const REFUSED: readonly (readonly [string, object, string])[] = [
    ['no docs', record('Sample', [{ name: 'a', type: 'int' }]), "field 'a': needs a doc"],
    [
      'no doc on the record',
      record('Sample', [field('a', 'int')], { doc: '' }),
      'weir.lab.Sample: needs a doc',
    ],
    ['no fields', record('Sample', []), 'needs at least one field'],
    [
      'camelCase',
      record('Sample', [field('someField', 'int')]),
      "field 'someField': a field's name must be in snake_case",
    ],
    [
      'a big union',
      record('Sample', [field('a', ['null', 'int', 'string'])]),
      "field 'a': a union must be of null and one type",
    ],
    [
      'a union without null',
      record('Sample', [field('a', ['int', 'string'])]),
      "field 'a': a union must be of null and one type",
    ],
    ['null alone', record('Sample', [field('a', 'null')]), "field 'a': null alone holds nothing"],
    [
      'an unknown logical type',
      record('Sample', [field('a', { type: 'long', logicalType: 'time-micros' })]),
      `field 'a': logical type "time-micros" on "long" is not supported`,
    ],
    [
      'a logical type on a wrong type',
      record('Sample', [field('a', { type: 'int', logicalType: 'timestamp-millis' })]),
      "field 'a': logical type",
    ],
    [
      'a bad decimal',
      record('Sample', [field('a', { type: 'bytes', logicalType: 'decimal', precision: 2, scale: 3 })]),
      "Sample.a: a decimal's scale must be from 0 to its precision 2",
    ],
    ['a bad default', record('Sample', [field('a', 'int', { default: 'x' })]), 'incompatible field default'],
    [
      'an unknown type',
      record('Sample', [field('a', 'Part')]),
      "Sample.a: type 'weir.lab.Part' is not defined before this place",
    ],
    [
      'recursion',
      record('Sample', [field('a', ['null', 'Sample'])]),
      "field 'a': holds a record that it is part of",
    ],
    [
      'recursion on a topic',
      event([field('a', { type: 'array', items: 'Sample' })]),
      "field 'a': holds a record that it is part of",
    ],
    [
      'a nullable array on a topic',
      event([field('a', ['null', { type: 'array', items: 'int' }])]),
      "field 'a': ClickHouse has no nullable array",
    ],
    [
      'a nullable map on a topic',
      event([field('a', ['null', { type: 'map', values: 'int' }])]),
      "field 'a': ClickHouse has no nullable map",
    ],
    [
      'an unknown key',
      event([], { key: { field: 'ip', entity: 'device' } }),
      'weir.key.field names "ip", but the fields are id, at',
    ],
    [
      'a nullable key',
      event([field('b', ['null', 'string'])], { key: { field: 'b', entity: 'device' } }),
      "weir.key.field 'b' must be",
    ],
    ['an unknown time', event([], { time: 'when' }), 'weir.time names "when"'],
    [
      'a time that is none',
      event([field('n', 'long')], { time: 'n' }),
      "weir.time 'n' must be a long with logicalType timestamp-millis",
    ],
    [
      'an unknown column',
      event([], { clickhouse: { orderBy: ['id', 'x'] } }),
      'weir.clickhouse.orderBy names "x"',
    ],
    [
      'a nullable sorting key',
      event([field('b', ['null', 'int'])], { clickhouse: { orderBy: ['b'] } }),
      "weir.clickhouse.orderBy: 'b' may be neither nullable",
    ],
    ['an unknown attribute', event([], { retention: 5 }), "weir does not know 'retention'"],
    ['a bad kind', event([], { kind: 'queue' }), 'weir.kind must be stream or table'],
    [
      'an expiry that ClickHouse cannot count',
      event([], { clickhouse: { ttlDays: 30_000 } }),
      'ttlDays must be a whole number of days from 1 to 20000',
    ],
    ['no partitions', event([], { partitions: 0 }), 'weir.partitions must be a whole number from 1'],
    ['a bad topic', event([], { topic: 'LinkStates' }), 'weir.topic must be <subsystem>.<plural noun>'],
    [
      'a bad field attribute',
      event([field('n', 'int', { clickhouse: { lowCardinality: true } })]),
      "field 'n': clickhouse.lowCardinality is for strings and enums",
    ],
    [
      'a column twice',
      event([
        field('a_b', 'int'),
        field('a', { type: 'record', name: 'A', doc: 'Doc.', fields: [field('b', 'int')] }),
      ]),
      "field 'a.b': its column a_b is that of 'a_b' too",
    ],
    [
      'another namespace',
      record('Sample', [field('a', 'int')], { namespace: 'lab' }),
      "namespace must begin with weir, is 'lab'",
    ],
    ['another file name', record('Other', [field('a', 'int')]), 'the file of Other must bear its name'],
  ];

  it.each(REFUSED)('%s: refused with the file and the field', (_, schema, problem) => {
    put('schemas/lab/sample.avsc', JSON.stringify(schema));
    expect(() => generateTypes(root)).toThrow(/^schemas\/lab\/sample\.avsc: /);
    expect(() => generateTypes(root)).toThrow(problem);
  });

  it('is named together with all others', () => {
    put('schemas/lab/sample.avsc', JSON.stringify(event([{ name: 'a', type: 'null' }])));
    put('schemas/lab/part.avsc', JSON.stringify(record('Part', [field('B', 'int')])));
    expect(() => generateTypes(root)).toThrow(
      /part\.avsc: field 'B'[^]*sample\.avsc: field 'a': needs a doc[^]*sample\.avsc: field 'a': null alone/,
    );
  });

  it('is refused when a file is no JSON, a topic is taken, or a name is defined twice', () => {
    put('schemas/lab/sample.avsc', '{');
    expect(() => generateTypes(root)).toThrow(/^schemas\/lab\/sample\.avsc: cannot be read as JSON/);
    put('schemas/lab/sample.avsc', JSON.stringify(event([])));
    put('schemas/lab/twin.avsc', JSON.stringify({ ...event([]), name: 'Twin' }));
    expect(() => generateTypes(root)).toThrow(
      /twin\.avsc: topic lab\.link-samples already belongs to schemas\/lab\/sample\.avsc/,
    );
    put('schemas/lab/twin.avsc', JSON.stringify(event([])));
    expect(() => generateTypes(root)).toThrow(
      /'weir\.lab\.Sample' is also defined in schemas\/lab\/sample\.avsc/,
    );
  });
});
