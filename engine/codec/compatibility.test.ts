import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AvroObject } from '#engine/topology/stream.ts';
import { avroType } from './avro-type.ts';
import { checkProject, compatibilityProblems, releaseProject } from './compatibility.ts';
import { resolutionProblems } from './resolution.ts';
import { schemaPair } from './schema-arbitraries.fixture.ts';
import { parseSchema } from './schema-node.ts';

const field = (name: string, type: unknown, rest: object = {}): object => ({
  name,
  type,
  doc: 'Doc.',
  ...rest,
});
const MILLIS = { type: 'long', logicalType: 'timestamp-millis' };
const MICROS = { type: 'long', logicalType: 'timestamp-micros' };
const level = (symbols: readonly string[], fallback?: string): object => ({
  type: 'enum',
  name: 'Level',
  doc: 'Doc.',
  symbols,
  ...(fallback === undefined ? {} : { default: fallback }),
});
const WEIR = { topic: 'lab.samples', key: { field: 'id', entity: 'device' }, time: 'at', partitions: 4 };

function sample(extra: readonly object[], weir: object = {}): AvroObject {
  return {
    type: 'record',
    name: 'Sample',
    namespace: 'weir.lab',
    doc: 'Doc.',
    weir: { ...WEIR, ...weir },
    fields: [
      field('id', 'string'),
      field('at', MILLIS),
      field('other_id', 'string', { default: '' }),
      ...extra,
    ],
  };
}

const LOW = { clickhouse: { lowCardinality: true } };
const inner = (...fields: readonly object[]): object => ({ type: 'record', name: 'In', doc: 'Doc.', fields });
const decimal = (scale: number): object => ({ type: 'bytes', logicalType: 'decimal', precision: 9, scale });

/** What changes, the fields released, the fields now, the field named, and what is said of it; undefined where it may. */
const CHANGES: readonly (readonly [
  string,
  readonly object[],
  readonly object[],
  string,
  string | undefined,
])[] = [
  ['nothing', [field('a', 'int')], [field('a', 'int')], 'a', undefined],
  ['a field with a default comes', [], [field('a', 'int', { default: 0 })], 'a', undefined],
  ['a field without a default comes', [], [field('a', 'int')], 'a', 'is missing, and has no default'],
  ['a field with a default goes', [field('a', 'int', { default: 0 })], [], 'a', undefined],
  ['a field without a default goes', [field('a', 'int')], [], 'a', 'readers of that release cannot read'],
  ['a field gets a default', [field('a', 'int')], [field('a', 'int', { default: 3 })], 'a', undefined],
  ['int becomes long', [field('a', 'int')], [field('a', 'long')], 'a', 'long cannot be read as int'],
  ['int becomes string', [field('a', 'int')], [field('a', 'string')], 'a', 'int cannot be read as string'],
  [
    'string becomes bytes',
    [field('a', 'string')],
    [field('a', 'bytes')],
    'a',
    'its column a was string and would be bytes',
  ],
  [
    'a string gets low cardinality',
    [field('a', 'string')],
    [field('a', 'string', LOW)],
    'a',
    'its column a was string and would be low-cardinality string',
  ],
  [
    'a string under a record that may be null loses low cardinality',
    [field('a', ['null', inner(field('x', ['null', 'string'], LOW))], { default: null })],
    [field('a', ['null', inner(field('x', ['null', 'string']))], { default: null })],
    'a.x',
    'its column a_x was nullable low-cardinality string and would be nullable string',
  ],
  [
    'an enum says what it is anyway',
    [field('a', level(['u']))],
    [field('a', level(['u']), LOW)],
    'a',
    undefined,
  ],
  [
    'int may become null',
    [field('a', 'int')],
    [field('a', ['null', 'int'])],
    'a',
    'null cannot be read as int',
  ],
  [
    'null may come first or last',
    [field('a', ['null', 'int'])],
    [field('a', ['int', 'null'])],
    'a',
    undefined,
  ],
  [
    'a field is renamed by alias',
    [field('a', 'int')],
    [field('b', 'int', { aliases: ['a'] })],
    'a',
    'is missing, and has no default',
  ],
  [
    'millis become micros',
    [field('a', MILLIS)],
    [field('a', MICROS)],
    'a',
    'long (timestamp-millis) cannot be read as long (timestamp-micros)',
  ],
  [
    'a long becomes a time',
    [field('a', 'long')],
    [field('a', MILLIS)],
    'a',
    'its column a was long and would be long (timestamp-millis)',
  ],
  [
    'a decimal gets another scale',
    [field('a', decimal(2))],
    [field('a', decimal(3))],
    'a',
    'bytes (decimal(9,2)) cannot be read',
  ],
  [
    'an enum grows with a default',
    [field('a', level(['u', 'l'], 'u'))],
    [field('a', level(['u', 'l', 'h'], 'u'))],
    'a',
    undefined,
  ],
  [
    'an enum grows without a default',
    [field('a', level(['l']))],
    [field('a', level(['l', 'h']))],
    'a',
    'symbol h is unknown to weir.lab.Level',
  ],
  [
    'an enum shrinks',
    [field('a', level(['l', 'h']))],
    [field('a', level(['l']))],
    'a',
    'symbol h is unknown',
  ],
  [
    'a nested record gets a field without a default',
    [field('a', { type: 'record', name: 'In', doc: 'Doc.', fields: [field('x', 'int')] })],
    [field('a', { type: 'record', name: 'In', doc: 'Doc.', fields: [field('x', 'int'), field('y', 'int')] })],
    'a.y',
    'is missing, and has no default',
  ],
  [
    'an item of an array changes its type',
    [field('a', { type: 'array', items: 'int' })],
    [field('a', { type: 'array', items: 'string' })],
    'a[]',
    'int cannot be read as string',
  ],
  [
    'a value of a map may become null',
    [field('a', { type: 'map', values: 'int' })],
    [field('a', { type: 'map', values: ['null', 'int'] })],
    'a{}',
    'null cannot be read as int',
  ],
];

describe('a schema against a released version', () => {
  it.each(CHANGES)('%s', (_, then, now, name, problem) => {
    const problems = compatibilityProblems(sample(now), { version: 3, schema: sample(then) });
    if (problem === undefined) {
      expect(problems).toStrictEqual([]);
      return;
    }
    const found = problems.filter((text) =>
      text.startsWith(`weir.lab.Sample, field '${name}' (against release 3): `),
    );
    expect(found.join('\n')).toContain(problem);
  });

  it.each([
    [{ topic: 'lab.others' }, 'weir.topic was lab.samples and is lab.others'],
    [{ kind: 'table' }, 'weir.kind was stream and is table'],
    [
      { key: { field: 'other_id', entity: 'device' } },
      "field 'other_id' (against release 1): weir.key.field was id",
    ],
    [{ key: { field: 'id', entity: 'host' } }, 'weir.key.entity was device and is host'],
    [{ partitions: 8 }, 'weir.partitions was 4 and is 8: keys would move'],
    [{ clickhouse: { table: 'other' } }, 'weir.clickhouse.table was lab_samples and is other'],
    [{ clickhouse: { orderBy: ['at', 'id'] } }, 'weir.clickhouse.orderBy was id, at and is at, id'],
  ])('%j breaks tables or joins, and is refused', (weir, problem) => {
    const problems = compatibilityProblems(sample([], weir), { version: 1, schema: sample([]) });
    expect(problems.join('\n')).toContain(problem);
  });

  it('may get another time to live', () => {
    const now = sample([], { clickhouse: { ttlDays: 30 } });
    expect(compatibilityProblems(now, { version: 1, schema: sample([]) })).toStrictEqual([]);
  });

  it('may not leave its topic', () => {
    expect(
      compatibilityProblems({ ...sample([]), weir: undefined }, { version: 1, schema: sample([]) }),
    ).toStrictEqual([
      'weir.lab.Sample (against release 1): has left topic lab.samples; keep its weir attribute',
    ]);
  });
});

describe('schema resolution', () => {
  it('finds a problem exactly where avsc cannot build a resolver', () => {
    const outcomes = { readable: 0, unreadable: 0 };
    fc.assert(
      fc.property(schemaPair, ([reader, writer]) => {
        const problems = resolutionProblems(parseSchema(reader), parseSchema(writer));
        // avsc does not know timestamps and dates: it takes them for numbers, where we refuse to mix up units.
        if (problems.some(({ problem }) => /timestamp|date/.test(problem))) return;
        const [readerType, writerType] = [avroType(reader), avroType(writer)];
        let isReadable = true;
        try {
          readerType.createResolver(writerType);
        } catch {
          isReadable = false;
        }
        outcomes[isReadable ? 'readable' : 'unreadable']++;
        expect(problems.length === 0, JSON.stringify({ reader, writer, problems })).toBe(isReadable);
      }),
      { numRuns: 500 },
    );
    expect(Math.min(outcomes.readable, outcomes.unreadable)).toBeGreaterThan(20);
  });
});

describe('the schemas of a project', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'weir-schemas-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  const put = (path: string, schema: AvroObject): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), JSON.stringify(schema));
  };

  it('are released as numbered versions, once for each change', () => {
    put('schemas/lab/sample.avsc', sample([]));
    expect(checkProject(root)).toStrictEqual([]);
    expect(releaseProject(root)).toStrictEqual(['schemas/released/weir.lab.Sample/1.avsc']);
    expect(releaseProject(root)).toStrictEqual([]);
    put('schemas/lab/sample.avsc', sample([field('a', 'int', { default: 1 })]));
    expect(releaseProject(root)).toStrictEqual(['schemas/released/weir.lab.Sample/2.avsc']);
  });

  it('must agree with every release, not only with the newest', () => {
    put('schemas/released/weir.lab.Sample/1.avsc', sample([field('a', 'int', { default: 1 })]));
    put('schemas/released/weir.lab.Sample/2.avsc', sample([]));
    put('schemas/lab/sample.avsc', sample([field('a', 'string', { default: '' })]));
    expect(checkProject(root).join('\n')).toMatch(
      /^schemas\/lab\/sample\.avsc: weir\.lab\.Sample, field 'a' \(against release 1\): cannot read what was written before/,
    );
    expect(() => releaseProject(root)).toThrow(/field 'a' \(against release 1\)/);
  });

  it('may not disappear after their release', () => {
    put('schemas/lab/sample.avsc', sample([]));
    put('schemas/released/weir.lab.Gone/1.avsc', { type: 'record', name: 'weir.lab.Gone', fields: [] });
    expect(checkProject(root).join('\n')).toContain('no .avsc file defines weir.lab.Gone any more');
  });
});
