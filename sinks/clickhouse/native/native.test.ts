/** The real engine reads back what the encoder wrote. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LogRecord } from '#engine/log/log.ts';
import { openEngine, type Engine } from '../chdb.fixture.ts';
import type { TableColumns } from '../columns.ts';
import { typeName, type ValueType } from '../value-type.ts';
import { BlockEncoder, type TableRow } from './block-encoder.ts';

let engine: Engine;
beforeAll(() => {
  engine = openEngine();
});
afterAll(() => {
  engine.close();
});

const DAY_MS = 86_400_000;

/** A type with values that its column holds, and what ClickHouse's JSON shows of each. */
interface Sample {
  readonly type: ValueType;
  readonly values: fc.Arbitrary<unknown>;
  readonly shown: (value: unknown) => unknown;
  /** Brings what the JSON holds to the form of `shown`. */
  readonly read?: (json: unknown) => unknown;
}

const same = (value: unknown): unknown => value;
const float = (value: unknown): unknown => {
  const number = value as number;
  if (Number.isNaN(number)) return 'nan';
  if (!Number.isFinite(number)) return number > 0 ? 'inf' : '-inf';
  return number;
};
/** The float that digits name. Several texts of as few digits may name one float, and ClickHouse shows any of them. */
const float32 = (json: unknown): unknown => (typeof json === 'number' ? Math.fround(json) : json);
const time =
  (precision: 3 | 6) =>
  (value: unknown): string => {
    const perSecond = 10 ** precision;
    const seconds = Math.floor((value as number) / perSecond);
    const fraction = (value as number) - seconds * perSecond;
    const text = new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ');
    return `${text}.${String(fraction).padStart(precision, '0')}`;
  };
const wellFormed = fc.string({ unit: 'binary', maxLength: 60 }).map((text) => Buffer.from(text).toString());
const decimal = (precision: number, scale: number): fc.Arbitrary<string> =>
  fc.bigInt({ min: -(10n ** BigInt(precision)) + 1n, max: 10n ** BigInt(precision) - 1n }).map((units) => {
    const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0');
    const whole = digits.slice(0, digits.length - scale);
    return `${units < 0n ? '-' : ''}${whole}${scale === 0 ? '' : `.${digits.slice(-scale)}`}`;
  });
const decimalSample = (precision: number, scale: number): Sample => ({
  type: { kind: 'Decimal', precision, scale },
  values: decimal(precision, scale),
  // ClickHouse leaves out trailing zeros.
  shown: (value) => (scale === 0 ? value : (value as string).replace(/\.?0+$/, '').replace(/^-0$/, '0')),
});

const SCALARS: readonly Sample[] = [
  { type: { kind: 'String' }, values: wellFormed, shown: same },
  { type: { kind: 'Int32' }, values: fc.integer(), shown: same },
  {
    type: { kind: 'Int64' },
    values: fc.oneof(fc.maxSafeInteger(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
    shown: String,
  },
  {
    type: { kind: 'Float32' },
    values: fc.float(),
    shown: float,
    read: float32,
  },
  { type: { kind: 'Float64' }, values: fc.double(), shown: float },
  { type: { kind: 'Bool' }, values: fc.boolean(), shown: same },
  { type: { kind: 'UUID' }, values: fc.uuid(), shown: same },
  {
    type: { kind: 'Date32' },
    values: fc.integer({ min: -25_567, max: 120_529 }),
    shown: (v) => new Date((v as number) * DAY_MS).toISOString().slice(0, 10),
  },
  {
    type: { kind: 'FixedString', bytes: 5 },
    values: fc
      .string({ unit: 'grapheme-ascii', minLength: 5, maxLength: 5 })
      .map((text) => Buffer.from(text)),
    shown: String,
  },
  {
    type: { kind: 'DateTime64', precision: 3 },
    values: fc.integer({ min: Date.UTC(1900, 0), max: Date.UTC(2300, 0) - 1 }),
    shown: time(3),
  },
  {
    type: { kind: 'DateTime64', precision: 6 },
    values: fc
      .maxSafeInteger()
      .map((v) => v % (Date.UTC(2200, 0) * 1000))
      .filter((v) => v > Date.UTC(1900, 0) * 1000),
    shown: time(6),
  },
  decimalSample(9, 2),
  decimalSample(18, 0),
  decimalSample(38, 10),
  decimalSample(76, 30),
  {
    type: { kind: 'LowCardinality', nullable: false },
    values: fc.oneof(fc.constantFrom('', 'a', 'b'), wellFormed),
    shown: same,
  },
];

const readOf = (sample: Sample): ((json: unknown) => unknown) => sample.read ?? same;
const orNull = (sample: Sample): Sample => ({
  type:
    sample.type.kind === 'LowCardinality'
      ? { kind: 'LowCardinality', nullable: true }
      : { kind: 'Nullable', of: sample.type },
  values: fc.option(sample.values),
  shown: (value) => (value === null ? null : sample.shown(value)),
  read: (json) => (json === null ? null : readOf(sample)(json)),
});
const arrayOf = (of: Sample): Sample => ({
  type: { kind: 'Array', of: of.type },
  values: fc.array(of.values, { maxLength: 5 }),
  shown: (value) => (value as unknown[]).map(of.shown),
  read: (json) => (json as unknown[]).map(readOf(of)),
});
const mapValues = (map: unknown, change: (value: unknown) => unknown): unknown =>
  Object.fromEntries(Object.entries(map as object).map(([key, value]) => [key, change(value)]));
const mapOf = (of: Sample): Sample => ({
  type: { kind: 'Map', value: of.type },
  values: fc.dictionary(
    wellFormed.filter((key) => key !== '__proto__'),
    of.values,
    { maxKeys: 5 },
  ),
  shown: (value) => mapValues(value, of.shown),
  read: (json) => mapValues(json, readOf(of)),
});
const tupleOf = (a: Sample, b: Sample): Sample => ({
  type: {
    kind: 'Tuple',
    elements: [
      { name: 'a', type: a.type },
      { name: 'b', type: b.type },
    ],
  },
  values: fc.record({ a: a.values, b: b.values }),
  shown: (value) => {
    const tuple = value as { a: unknown; b: unknown };
    return { a: a.shown(tuple.a), b: b.shown(tuple.b) };
  },
  read: (json) => {
    const tuple = json as { a: unknown; b: unknown };
    return { a: readOf(a)(tuple.a), b: readOf(b)(tuple.b) };
  },
});

const scalar = fc.constantFrom(...SCALARS);
const leaf = fc.oneof(scalar, scalar.map(orNull));
const anySample: fc.Arbitrary<Sample> = fc.letrec<{ any: Sample; nested: Sample }>((tie) => ({
  any: fc.oneof({ weight: 2, arbitrary: leaf }, tie('nested')),
  nested: fc.oneof(
    { maxDepth: 3 },
    leaf,
    tie('nested').map(arrayOf),
    tie('nested').map(mapOf),
    fc.tuple(tie('nested'), tie('nested')).map(([a, b]) => tupleOf(a, b)),
  ),
})).any;

function columnsFor(types: readonly ValueType[]): TableColumns {
  return {
    fields: types.map((type, i) => ({
      name: `c${i}`,
      type,
      path: [`c${i}`],
      nullableRecords: [false],
    })),
    audit: [{ name: '_offset', type: { kind: 'Int64' }, comment: '' }],
    keyIndex: 0,
    timeIndex: 0,
  };
}

function record(offset: number): LogRecord {
  return { offset, key: null, value: null, timestampMs: 0, headers: {} };
}

function toRows(rows: readonly (readonly unknown[])[]): TableRow[] {
  return rows.map((values, offset) => ({
    event: Object.fromEntries(values.map((value, i) => [`c${i}`, value])),
    record: record(offset),
    deleted: false,
  }));
}

/** Inserts the rows through the encoder and returns what the engine shows, in their order. */
function roundTrip(types: readonly ValueType[], rows: readonly (readonly unknown[])[]): unknown[] {
  const encoder = new BlockEncoder(columnsFor(types));
  expect(encoder.append(toRows(rows))).toEqual([]);
  const ddl = types.map((type, i) => `c${i} ${typeName(type)}`).join(', ');
  engine.run(`CREATE OR REPLACE TABLE default.t (${ddl}, _offset Int64) ENGINE = Memory`);
  engine.insertNative('default.t', encoder.encode('t', 0));
  return engine
    .rows<Record<string, unknown>>('SELECT * FROM default.t ORDER BY _offset')
    .map((row) => types.map((_, i) => row[`c${i}`]));
}

function expectBack(samples: readonly Sample[], rows: readonly (readonly unknown[])[]): void {
  const found = roundTrip(
    samples.map((sample) => sample.type),
    rows,
  ) as readonly (readonly unknown[])[];
  expect(found.map((row) => row.map((json, i) => readOf(samples[i]!)(json)))).toEqual(
    rows.map((row) => row.map((value, i) => samples[i]!.shown(value))),
  );
}

describe('the engine reads back', () => {
  test('a float32 that two texts of as few digits name', () => {
    const sample = SCALARS.find(({ type }) => type.kind === 'Float32')!;
    expectBack(
      [sample, arrayOf(tupleOf(sample, orNull(sample)))],
      [[2324968.25, [{ a: 2324968.25, b: null }]]],
    );
  });

  test.each(SCALARS.map((sample) => [typeName(sample.type), sample] as const))(
    'any values of %s, and of its nullable form',
    (_, sample) => {
      const both = [sample, orNull(sample)];
      fc.assert(
        fc.property(
          fc.array(fc.tuple(...both.map((s) => s.values)), { minLength: 1, maxLength: 300 }),
          (rows) => {
            expectBack(both, rows);
          },
        ),
        { numRuns: 8 },
      );
    },
  );

  test('any rows of any columns, nested as deep as schemas nest', () => {
    const table = fc
      .array(anySample, { minLength: 1, maxLength: 6 })
      .chain((samples) =>
        fc.tuple(
          fc.constant(samples),
          fc.array(fc.tuple(...samples.map((s) => s.values)), { maxLength: 40 }),
        ),
      );
    fc.assert(
      fc.property(table, ([samples, rows]) => {
        expectBack(samples, rows);
      }),
      { numRuns: 60 },
    );
  });

  test('the edges of each type', () => {
    const types = SCALARS.filter((s) => ['Int32', 'Int64', 'Float64', 'String'].includes(s.type.kind)).map(
      (s) => s.type,
    );
    const rows = [
      ['', -(2 ** 31), -(2n ** 63n), Number.NaN],
      ['-0', 0, 0, -0],
      ['x'.repeat(127), 2 ** 31 - 1, 2n ** 63n - 1n, Infinity],
      ['é'.repeat(127), 0, Number.MAX_SAFE_INTEGER, -Infinity],
      ['a'.repeat(20_000), -1, Number.MIN_SAFE_INTEGER, Number.MIN_VALUE],
      ['aé', 1, -1, Number.MAX_VALUE],
    ];
    const shown = rows.map(([s, i, l, f]) => [s, i, String(l), float(f)]);
    expect(roundTrip(types, rows)).toEqual(shown);
  });

  test('a lone surrogate as the replacement character', () => {
    expect(roundTrip([{ kind: 'String' }], [['a\ud800b']])).toEqual([['a\ufffdb']]);
  });

  test.each([1, 256, 257, 70_000])('a dictionary of %i keys', (keys) => {
    const rows = Array.from({ length: 100_000 }, (_, i) => [`key ${i % keys}`]);
    const types: ValueType[] = [{ kind: 'LowCardinality', nullable: true }];
    const encoder = new BlockEncoder(columnsFor(types));
    encoder.append(toRows(rows));
    engine.run(
      'CREATE OR REPLACE TABLE default.t (c0 LowCardinality(Nullable(String)), _offset Int64) ENGINE = Memory',
    );
    engine.insertNative('default.t', encoder.encode('t', 0));
    const [summary] = engine.rows(
      "SELECT count() AS n, uniqExact(c0) AS keys, countIf(c0 = concat('key ', toString(_offset % " +
        String(keys) +
        '))) AS right FROM default.t',
    );
    expect(summary).toEqual({ n: '100000', keys: String(keys), right: '100000' });
  });

  test('rows whose arrays and maps are all empty, of any type', () => {
    for (const sample of SCALARS) {
      for (const of of [sample, orNull(sample)]) {
        const types = [arrayOf(of), mapOf(of), arrayOf(tupleOf(of, of)), arrayOf(arrayOf(of))].map(
          (s) => s.type,
        );
        const empty = [[], {}, [], []];
        expect(roundTrip([...types, { kind: 'Int32' }], [[...empty, 1]])).toEqual([[...empty, 1]]);
      }
    }
  });

  test('a block without rows', () => {
    expect(roundTrip([{ kind: 'String' }, { kind: 'LowCardinality', nullable: true }], [])).toEqual([]);
  });
});

describe('a row that a column refuses', () => {
  const refused: readonly (readonly [name: string, type: ValueType, value: unknown])[] = [
    ['a fraction', { kind: 'Int32' }, 1.5],
    ['2^31', { kind: 'Int32' }, 2 ** 31],
    ['2^53', { kind: 'Int64' }, 2 ** 53],
    ['2^63', { kind: 'Int64' }, 2n ** 63n],
    ['too large for a float', { kind: 'Float32' }, 1e39],
    ['a number for a string', { kind: 'String' }, 1],
    ['null where none may be', { kind: 'Int32' }, null],
    ['null where no string may be', { kind: 'LowCardinality', nullable: false }, null],
    ['a missing field', { kind: 'Nullable', of: { kind: 'String' } }, undefined],
    ['the year 2300', { kind: 'DateTime64', precision: 3 }, Date.UTC(2300, 0)],
    ['the year 1899', { kind: 'DateTime64', precision: 6 }, (Date.UTC(1900, 0) - 1) * 1000],
    ['a day in 2300', { kind: 'Date32' }, 120_530],
    ['a bad digit', { kind: 'UUID' }, '01234567-89ab-cdef-0123-456789abcdeg'],
    ['no dashes', { kind: 'UUID' }, '0123456789abcdef0123456789abcdef'],
    ['too many digits', { kind: 'Decimal', precision: 4, scale: 2 }, '100.00'],
    ['too many decimals', { kind: 'Decimal', precision: 4, scale: 2 }, '1.001'],
    ['an exponent', { kind: 'Decimal', precision: 4, scale: 2 }, '1e1'],
    ['2 bytes for 3', { kind: 'FixedString', bytes: 3 }, Buffer.from('ab')],
    ['a bad element', { kind: 'Array', of: { kind: 'Int32' } }, [1, 2, 'x']],
    ['a bad value in a map', { kind: 'Map', value: { kind: 'Int32' } }, { a: 1, b: 'x' }],
    [
      'a bad part of a tuple',
      { kind: 'Tuple', elements: [{ name: 'a', type: { kind: 'Int32' } }] },
      { a: null },
    ],
  ];

  test.each(refused)('%s: names the column and leaves nothing behind', (_, type, value) => {
    const filler: ValueType[] = [
      { kind: 'String' },
      { kind: 'LowCardinality', nullable: true },
      { kind: 'Array', of: { kind: 'String' } },
    ];
    const columns = columnsFor([...filler, type]);
    const good = (text: string): TableRow['event'] => ({ c0: text, c1: text, c2: [text], c3: value });
    const without = new BlockEncoder({ ...columns, fields: columns.fields.slice(0, 3) });
    const encoder = new BlockEncoder({ ...columns, fields: columns.fields.slice(0, 3) });
    // The same columns, with the refused one last: what it refuses must not stay in those before it.
    const strict = new BlockEncoder(columns);
    const bad: TableRow = { event: good('bad'), record: record(1), deleted: false };
    expect(strict.append([bad])).toMatchObject([{ row: bad, error: { code: 'value-invalid' } }]);
    expect(strict.append([bad])[0]?.error.message).toContain('column c3');
    expect(strict.rows).toBe(0);
    expect(strict.encode('t', 0)).toEqual(new BlockEncoder(columns).encode('t', 0));
    expect(encoder.encode('t', 0)).toEqual(without.encode('t', 0));
  });

  test.each([2 ** 53, Date.UTC(2300, 0), Date.UTC(2026, 0) * 1_000])(
    'for the timestamp %d of its record: names column and offset',
    (timestampMs) => {
      const encoder = new BlockEncoder(columnsFor([{ kind: 'Int32' }]));
      const row: TableRow = { event: { c0: 1 }, record: { ...record(17), timestampMs }, deleted: false };
      expect(encoder.append([row])[0]?.error.message).toMatch(
        new RegExp(`^column _timestamp, .* offset 17: ${timestampMs} `),
      );
      expect(encoder.rows).toBe(0);
    },
  );

  test('its neighbours go in, byte for byte as if it had never been there', () => {
    const columns = columnsFor([
      { kind: 'LowCardinality', nullable: true },
      { kind: 'Array', of: { kind: 'String' } },
      { kind: 'Int32' },
    ]);
    const row = (offset: number, text: string, last: unknown): TableRow => ({
      event: { c0: text, c1: [text, text], c2: last },
      record: record(offset),
      deleted: false,
    });
    const good = [row(0, 'a', 1), row(2, 'b', 2), row(3, 'c', 3)];
    const mixed = new BlockEncoder(columns);
    expect(mixed.append([good[0]!, row(1, 'bad', 'x'), good[1]!, good[2]!])).toHaveLength(1);
    const clean = new BlockEncoder(columns);
    clean.append(good);
    expect(mixed.encode('t', 0)).toEqual(clean.encode('t', 0));
    expect(mixed.rows).toBe(3);
  });
});
