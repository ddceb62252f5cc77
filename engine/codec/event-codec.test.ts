import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RecordSchema } from '#engine/topology/stream.ts';
import { deadLetters } from '../records/generated.ts';
import { avroType } from './avro-type.ts';
import { CodecError, DecodeError } from './codec-error.ts';
import { eventCodec } from './event-codec.ts';
import { schemaAndValue } from './schema-arbitraries.fixture.ts';
import { WriterSchemas } from './writer-schemas.ts';

const record = (fields: readonly object[], rest: object = {}): RecordSchema<unknown> => ({
  name: 'Sample',
  schema: { type: 'record', name: 'Sample', fields, ...rest },
});

const SAMPLE = record([
  { name: 'id', type: 'string' },
  { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
  { name: 'state', type: { type: 'enum', name: 'State', symbols: ['up', 'down'] } },
  { name: 'price', type: ['null', { type: 'bytes', logicalType: 'decimal', precision: 6, scale: 2 }] },
  {
    name: 'disks',
    type: { type: 'array', items: { type: 'record', name: 'Disk', fields: [{ name: 'size', type: 'int' }] } },
  },
]);
const VALUE = {
  id: 'd-1',
  at: 1_760_000_000_123,
  state: 'down',
  price: '-12.30',
  disks: [{ size: 5 }, { size: -1 }],
};
/** By hand, from the specification: d-1; zigzag varint of the time; symbol 1; branch 1 and 2 bytes of -1230; a block of 2, 5, -1, end. */
const BODY = '06642d31f681e682b966020204fb32040a0100';

function thrown(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('an event codec', () => {
  const codec = eventCodec(SAMPLE, new WriterSchemas());

  it('writes the bytes of the Avro specification behind a single-object header', () => {
    const bytes = codec.encode(VALUE);
    expect(bytes.subarray(0, 2).toString('hex')).toBe('c301');
    expect(bytes.readBigUInt64LE(2)).toBe(codec.writer.fingerprint);
    expect(bytes.subarray(10).toString('hex')).toBe(BODY);
    expect(codec.decode(bytes)).toStrictEqual(VALUE);
  });

  it('writes Confluent framing where the schema has a registry id, and reads it by that id', () => {
    const writers = new WriterSchemas();
    const registered = eventCodec(SAMPLE, writers, { confluentId: 258 });
    const bytes = registered.encode(VALUE);
    expect(bytes.toString('hex')).toBe(`0000000102${BODY}`);
    expect(registered.decode(bytes)).toStrictEqual(VALUE);
    expect(eventCodec(SAMPLE, writers).decode(bytes)).toStrictEqual(VALUE);
  });

  it('gives plain objects that share no memory with the bytes', () => {
    const letters = eventCodec(deadLetters, new WriterSchemas());
    const letter = {
      origin: 't/0/1',
      reader: 'produce',
      topic: 't',
      partition: null,
      offset: null,
      source_key: null,
      value: Buffer.from('original'),
      headers: { ce_id: Buffer.from('1') },
      code: 'malformed',
      reason: 'because',
      failed_at: 5,
      record_timestamp: null,
    };
    const bytes = letters.encode(letter);
    const decoded = letters.decode(bytes);
    bytes.fill(0xff);
    expect(decoded).toStrictEqual(letter);
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
  });

  it('grows for events of any size', () => {
    const big = record([{ name: 'text', type: 'string' }]);
    const bigCodec = eventCodec(big, new WriterSchemas());
    for (const length of [1, 1013, 1014, 1015, 5000, 3_000_000, 10]) {
      const value = { text: 'x'.repeat(length) };
      expect(bigCodec.decode(bigCodec.encode(value))).toStrictEqual(value);
    }
  });

  it('gives back every value of every schema', () => {
    fc.assert(
      fc.property(schemaAndValue, ([schema, value]) => {
        const any = eventCodec({ name: 'R', schema }, new WriterSchemas());
        expect(any.decode(any.encode(value))).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });
});

describe('an event that was written by another version', () => {
  const v1 = record([
    { name: 'id', type: 'string' },
    { name: 'load', type: 'int' },
    { name: 'gone', type: { type: 'array', items: 'string' } },
  ]);
  const v2 = record([
    { name: 'load', type: 'double' },
    { name: 'device', type: 'string', aliases: ['id'] },
    { name: 'zone', type: ['null', 'string'], default: null },
  ]);

  it('is resolved to the version of the reader: promoted, renamed, without what is gone, with defaults', () => {
    const writers = new WriterSchemas();
    const old = eventCodec(v1, writers).encode({ id: 'd', load: 3, gone: ['x', 'y'] });
    const reader = eventCodec(v2, writers);
    for (let i = 0; i < 2; i++)
      expect(reader.decode(old)).toStrictEqual({ device: 'd', load: 3, zone: null });
  });

  it('is refused until its schema is announced, and read afterwards', () => {
    const elsewhere = eventCodec(v1, new WriterSchemas());
    const old = elsewhere.encode({ id: 'd', load: 3, gone: [] });
    const writers = new WriterSchemas();
    const reader = eventCodec(v2, writers);
    const refusal = thrown(() => reader.decode(old));
    expect(refusal).toBeInstanceOf(DecodeError);
    expect(refusal).toMatchObject({ code: 'unknown-schema', retryable: true });
    writers.add(v1.schema);
    expect(reader.decode(old)).toStrictEqual({ device: 'd', load: 3, zone: null });
  });

  it('is refused with the field if its schema cannot be read as the reader’s', () => {
    const writers = new WriterSchemas();
    const other = eventCodec(record([{ name: 'load', type: 'string' }]), writers).encode({ load: 'x' });
    expect(thrown(() => eventCodec(v1, writers).decode(other))).toMatchObject({
      code: 'unreadable-schema',
      field: 'id',
      message: expect.stringContaining("field 'load': string cannot be read as int") as string,
    });
  });
});

describe('bytes that are no event', () => {
  const codec = eventCodec(SAMPLE, new WriterSchemas());
  const good = codec.encode(VALUE);
  const header = good.subarray(0, 10);
  const body = (hex: string): Buffer => Buffer.concat([header, Buffer.from(hex.replaceAll(' ', ''), 'hex')]);

  const CASES: readonly (readonly [string, Buffer, string, string | undefined, string])[] = [
    ['nothing', Buffer.alloc(0), 'empty', undefined, 'no bytes'],
    ['text', Buffer.from('{"id": 1}'), 'unknown-magic', undefined, 'begins with 7b22'],
    ['another version of single-object', Buffer.from('c302', 'hex'), 'unknown-magic', undefined, 'c302'],
    [
      'half a header',
      good.subarray(0, 7),
      'truncated',
      undefined,
      '7 bytes, but the single-object frame alone has 10',
    ],
    [
      'half a Confluent header',
      Buffer.from([0, 0, 1]),
      'truncated',
      undefined,
      'Confluent frame alone has 5',
    ],
    [
      'an unknown registry id',
      Buffer.from('0000000009aa', 'hex'),
      'unknown-schema',
      undefined,
      'registry id 9',
    ],
    ['only a header', body(''), 'truncated', 'id', 'the length of string needs 1 bytes'],
    [
      'a string cut short',
      body('06 642d'),
      'truncated',
      'id',
      'string needs 3 bytes from byte 11 on, but 2 are left',
    ],
    ['a negative length', body('05 642d31'), 'malformed', 'id', 'length of string is -3'],
    [
      'an unknown symbol',
      body('02 64 00 06 00 00'),
      'malformed',
      'state',
      'index 3 among 2 symbols of State',
    ],
    ['an unknown branch', body('02 64 00 00 06 00'), 'malformed', 'price', 'index 3 among 2 branches'],
    ['too long a decimal', body('02 64 00 00 02 06 0f4240 00'), 'malformed', 'price', 'more than 6 digits'],
    [
      'an int of 40 bits',
      body('02 64 00 00 00 02 808080808010 00'),
      'malformed',
      'disks.0.size',
      'beyond 32 bits',
    ],
    ['an unsafe long', body('02 64 feffffffffffff7f 00 00 00'), 'malformed', 'at', 'beyond 2^53 - 1'],
    ['an endless number', body(`02 64 ${'ff'.repeat(12)} 00`), 'malformed', 'at', 'longer than 10 bytes'],
    [
      'a huge count',
      body('02 64 00 00 00 feffffffffff7f'),
      'truncated',
      'disks',
      'items announced, but 0 bytes are left',
    ],
    [
      'something behind it',
      Buffer.concat([good, Buffer.from([0])]),
      'trailing-bytes',
      undefined,
      '1 bytes are left over',
    ],
  ];

  it.each(CASES)('%s: a DecodeError with the field and the reason', (_, bytes, code, field, reason) => {
    const error = thrown(() => codec.decode(bytes));
    expect(error).toBeInstanceOf(DecodeError);
    expect(error).toMatchObject({ code, field });
    expect((error as DecodeError).reason).toContain(reason);
  });

  it('are refused at every length that a good event is cut to', () => {
    for (let length = 0; length < good.length; length++) {
      expect(thrown(() => codec.decode(good.subarray(0, length)))).toBeInstanceOf(DecodeError);
    }
  });

  it('never give anything but an event or a DecodeError, also when a writer of another version is skipped over', () => {
    const writers = new WriterSchemas();
    const wide = eventCodec(SAMPLE, writers);
    const narrow = eventCodec(
      record([{ name: 'state', type: { type: 'enum', name: 'State', symbols: ['up', 'down'] } }]),
      writers,
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const framed = Buffer.concat([header, bytes]);
        for (const reader of [wide, narrow]) {
          try {
            reader.decode(framed);
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('a value that does not fit', () => {
  const codec = eventCodec(SAMPLE, new WriterSchemas());

  it.each([
    [{ at: 2 ** 53 }, "field 'at': expected long (timestamp-millis), got number 9007199254740992"],
    [{ at: 1.5 }, "field 'at': expected long (timestamp-millis), got number 1.5"],
    [{ id: undefined }, "field 'id': expected string, got nothing"],
    [{ state: 'constructor' }, `field 'state': expected enum State (up, down), got string "constructor"`],
    [{ price: '1.234' }, `field 'price': expected null | bytes (decimal(6,2)), got string "1.234"`],
    [{ price: 1.2 }, `field 'price': expected null | bytes (decimal(6,2)), got number 1.2`],
    [
      { disks: [{ size: 1 }, { size: 2 ** 31 }] },
      "field 'disks.1.size': expected int, got number 2147483648",
    ],
    [{ disks: null }, "field 'disks': expected array of record Disk, got null"],
  ])('%j: an error with the field, what was expected and what was found', (change, problem) => {
    const error = thrown(() => codec.encode({ ...VALUE, ...change }));
    expect(error).toBeInstanceOf(CodecError);
    expect(error).toMatchObject({ code: 'invalid-value', problems: [`Sample: ${problem}`] });
  });

  it('has all its problems named, and leaves the codec in order', () => {
    const error = thrown(() => codec.encode({ ...VALUE, id: 5, state: 'left' }));
    expect((error as CodecError).problems).toHaveLength(2);
    expect(codec.decode(codec.encode(VALUE))).toStrictEqual(VALUE);
  });
});

describe('longs', () => {
  const type = avroType({ type: 'record', name: 'L', fields: [{ name: 'n', type: 'long' }] });
  const roundTrip = (n: number): number => (type.fromBuffer(type.toBuffer({ n })) as { n: number }).n;

  it('are exact up to 2^53 - 1 on either side', () => {
    for (let bit = 0; bit < 53; bit++) {
      for (const near of [2 ** bit - 1, 2 ** bit, 2 ** bit + 1]) {
        expect(roundTrip(near)).toBe(near);
        expect(roundTrip(-near) + near).toBe(0);
      }
    }
    expect(roundTrip(Number.MIN_SAFE_INTEGER)).toBe(Number.MIN_SAFE_INTEGER);
    fc.assert(
      fc.property(fc.maxSafeInteger(), (n) => {
        expect(roundTrip(n) - n).toBe(0);
      }),
    );
  });

  it.each([
    [0, '00'],
    [-1, '01'],
    [1, '02'],
    [-2, '03'],
    [64, '8001'],
    [-64, '7f'],
    [2 ** 31, '8080808010'],
    [Number.MIN_SAFE_INTEGER, 'fdffffffffffff1f'],
  ])('are written as Avro writes them: %d is %s', (n, hex) => {
    expect(type.toBuffer({ n }).toString('hex')).toBe(hex);
  });
});
