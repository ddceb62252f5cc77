import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RecordSchema } from '#engine/topology/stream.ts';
import { CodecError } from './codec-error.ts';
import { eventFromJson, eventToJson } from './json-event.ts';
import { schemaAndValue } from './schema-arbitraries.fixture.ts';

const oneField = (type: unknown, rest: object = {}): RecordSchema<{ readonly f: unknown }> => ({
  name: 'weir.One',
  schema: { type: 'record', name: 'weir.One', fields: [{ name: 'f', type, ...rest }] },
});
const MILLIS = { type: 'long', logicalType: 'timestamp-millis' };
const MICROS = { type: 'long', logicalType: 'timestamp-micros' };
const DATE = { type: 'int', logicalType: 'date' };
const DECIMAL = { type: 'bytes', logicalType: 'decimal', precision: 6, scale: 2 };
const UUID = { type: 'string', logicalType: 'uuid' };
const FIXED = { type: 'fixed', name: 'Mac', size: 2 };
const LEVEL = { type: 'enum', name: 'Level', symbols: ['low', 'high'] };

describe('an event from JSON', () => {
  it.each([
    [MILLIS, 1_760_000_000_123, 1_760_000_000_123],
    [MILLIS, '2025-10-09T08:53:20.123Z', 1_760_000_000_123],
    [MILLIS, '2025-10-09T10:53:20.123+02:00', 1_760_000_000_123],
    [MILLIS, '1969-12-31T23:59:59.999Z', -1],
    [MILLIS, '2025-10-09T08:53Z', 1_759_999_980_000],
    [MICROS, '2025-10-09T08:53:20.123456Z', 1_760_000_000_123_456],
    [MICROS, '1969-12-31T23:59:59.999999Z', -1],
    [DATE, '2000-02-29', 11_016],
    [DATE, -1, -1],
    [DECIMAL, '-12.3', '-12.30'],
    [DECIMAL, 7, '7.00'],
    [UUID, '0F8FAD5B-D9CB-469F-A165-70867728950E', '0f8fad5b-d9cb-469f-a165-70867728950e'],
    ['bytes', { base64: 'AP8=' }, Buffer.from([0, 255])],
    ['bytes', '\u0000\u00ff', Buffer.from([0, 255])],
    [FIXED, { base64: 'AP8=' }, Buffer.from([0, 255])],
    [LEVEL, 'high', 'high'],
    ['float', 0.5, 0.5],
    ['double', 'NaN', Number.NaN],
    [['null', 'int'], null, null],
    [['null', 'int'], 5, 5],
    [{ type: 'array', items: 'int' }, [1, 2], [1, 2]],
    [{ type: 'map', values: 'int' }, { a: 1 }, { a: 1 }],
  ])('%j takes %j', (type, json, value) => {
    expect(eventFromJson(oneField(type), { f: json })).toStrictEqual({ f: value });
  });

  it.each([
    ['int', 2 ** 31, 'expected int, got number 2147483648'],
    ['int', '5', 'expected int, got string "5"'],
    ['int', 1.5, 'expected int, got number 1.5'],
    ['long', 2 ** 53, 'expected long, got number 9007199254740992'],
    ['float', 1e39, 'expected float, got number 1e+39'],
    ['double', 'ten', 'expected double, got string "ten"'],
    ['boolean', 1, 'expected boolean, got number 1'],
    ['string', 5, 'expected string, got number 5'],
    ['bytes', '€', 'expected bytes as {"base64": "..."} or text of code points up to 255, got string "€"'],
    [
      'bytes',
      { base64: 'A' },
      'expected bytes as {"base64": "..."} or text of code points up to 255, got an object',
    ],
    [
      FIXED,
      { base64: 'AAAA' },
      'expected fixed(2) as {"base64": "..."} or text of code points up to 255, got an object',
    ],
    [LEVEL, 'toString', 'expected enum weir.Level (low, high), got string "toString"'],
    [UUID, '0f8fad5b', 'expected string (uuid), got string "0f8fad5b"'],
    [DECIMAL, '1.234', 'expected bytes (decimal(6,2)), got string "1.234"'],
    [DECIMAL, 1.5, 'expected bytes (decimal(6,2)), got number 1.5'],
    [
      MILLIS,
      '2025-02-30T00:00:00Z',
      'expected long (timestamp-millis) as an integer or ISO 8601 text with a zone, got string',
    ],
    [MILLIS, '2025-10-09T08:53:20', 'got string "2025-10-09T08:53:20"'],
    [MILLIS, '2025-10-09T08:53:20.1234Z', 'got string "2025-10-09T08:53:20.1234Z"'],
    [DATE, '2025-02-30', 'expected int (date) as an integer or "YYYY-MM-DD", got string "2025-02-30"'],
    [['null', 'int'], 'x', 'expected null or int, got string "x"'],
    ['int', undefined, 'expected int, got nothing'],
    [{ type: 'array', items: 'int' }, { 0: 1 }, 'expected array of int, got an object'],
  ])('%j refuses %j', (type, json, problem) => {
    let refusal: unknown;
    try {
      eventFromJson(oneField(type), { f: json });
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(CodecError);
    expect((refusal as CodecError).code).toBe('invalid-value');
    expect((refusal as CodecError).problems).toHaveLength(1);
    expect((refusal as CodecError).message).toMatch(/^field 'f': /);
    expect((refusal as CodecError).message).toContain(problem);
  });

  it.each([
    ['int', 5, 5],
    [['null', 'int'], null, null],
    [['int', 'null'], 5, 5],
    [DECIMAL, '\u00fb\u0032', '-12.30'],
    ['bytes', '\u00ff', Buffer.from([255])],
    [{ type: 'array', items: 'int' }, [], []],
    [LEVEL, 'low', 'low'],
  ])('gives a field of %j that is left out its default %j', (type, fallback, value) => {
    expect(eventFromJson(oneField(type, { default: fallback }), {})).toStrictEqual({ f: value });
  });

  it('gives null to a field that may be null and has no default', () => {
    expect(eventFromJson(oneField(['null', 'int']), {})).toStrictEqual({ f: null });
  });

  it('names every problem of the event, with paths into what is nested', () => {
    const disk = { type: 'record', name: 'Disk', fields: [{ name: 'size', type: 'int' }] };
    const schema: RecordSchema<unknown> = {
      name: 'weir.Host',
      schema: {
        type: 'record',
        name: 'weir.Host',
        fields: [
          { name: 'id', type: 'string' },
          { name: 'disks', type: { type: 'array', items: disk } },
          { name: 'load', type: { type: 'map', values: 'double' } },
        ],
      },
    };
    const json = {
      disks: [{ size: 1 }, { size: 'x', speed: 2 }],
      load: { cpu: null },
      constructor: 1,
    };
    expect(problemsOf(schema, json)).toStrictEqual([
      "field 'constructor': unknown; weir.Host has id, disks, load",
      "field 'id': expected string, got nothing",
      "field 'disks.1.speed': unknown; weir.Disk has size",
      `field 'disks.1.size': expected int, got string "x"`,
      "field 'load.cpu': expected double, got null",
    ]);
  });

  it.each([
    ['of fields that nobody knows', { type: 'int' }, (i: number) => [`unknown-${i}`, 1] as const],
    ['of items', { type: 'array', items: 'int' }, undefined],
    ['of items that may be null', ['null', { type: 'array', items: 'int' }], undefined],
  ])('counts a great number %s, and says little of them', (_, type, unknown) => {
    const many = 20_000;
    const json =
      unknown === undefined
        ? { f: Array.from({ length: many }, () => 'x') }
        : { f: 1, ...Object.fromEntries(Array.from({ length: many }, (_, i) => unknown(i))) };
    const problems = problemsOf(oneField(type), json);
    expect(problems).toHaveLength(21);
    expect(problems[20]).toBe(`and ${many - 20} more problems`);
    expect(problems.join('').length).toBeLessThan(2_000);
  });

  it('lists the fields that there are once, and cuts long names', () => {
    expect(problemsOf(oneField('int'), { f: 1, a: 1, ['b'.repeat(1_000)]: 1 })).toEqual([
      "field 'a': unknown; weir.One has f",
      `field '${'b'.repeat(100)}...': unknown`,
    ]);
    const map = { type: 'map', values: 'int' };
    expect(problemsOf(oneField(map), { f: { ['c'.repeat(1_000)]: 'x' } })).toEqual([
      `field 'f.${'c'.repeat(100)}...': expected int, got string "x"`,
    ]);
  });

  it.each([[[]], ['text'], [null], [5]])('refuses %j in place of an object', (json) => {
    expect(() => eventFromJson(oneField('int'), json)).toThrow(
      /the value: expected an object for record weir.One, got/,
    );
  });

  it('is the event that was turned into JSON text', () => {
    fc.assert(
      fc.property(schemaAndValue, ([schema, value]) => {
        const text = JSON.stringify(eventToJson({ name: 'R', schema }, value));
        // JSON has no negative zero; toEqual would tell the two zeros apart.
        const withoutSign = (v: unknown): unknown =>
          JSON.parse(JSON.stringify(v), (_, inner: unknown) => (inner === 0 ? 0 : inner));
        const back = eventFromJson({ name: 'R', schema }, JSON.parse(text));
        expect(withoutSign(eventToJson({ name: 'R', schema }, back))).toEqual(withoutSign(JSON.parse(text)));
        expect(zeroed(back)).toEqual(zeroed(value));
      }),
      { numRuns: 200 },
    );
  });
});

/** The value with -0 as 0. */
function zeroed(value: unknown): unknown {
  if (value === 0) return 0;
  if (Array.isArray(value)) return value.map(zeroed);
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]: [string, unknown]) => [key, zeroed(inner)]),
  );
}

function problemsOf(schema: RecordSchema<unknown>, json: unknown): readonly string[] {
  try {
    eventFromJson(schema, json);
  } catch (error) {
    if (error instanceof CodecError) return error.problems;
    throw error;
  }
  return [];
}
