import fc from 'fast-check';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { expect, test } from 'vitest';
import { nativeRevision } from './native-revision.ts';

const text = (value: string): number[] => [value.length, ...Buffer.from(value)];
const u64 = (value: number): number[] => [value, 0, 0, 0, 0, 0, 0, 0];

/** Of LowCardinality: indexes of 1 byte, with additional keys, dictionary to be updated. */
const flags = [0, 6, 0, 0, 0, 0, 0, 0];

interface Column {
  readonly type: string;
  readonly data: readonly number[];
}

/** Two rows each. */
const columns: readonly Column[] = [
  { type: 'UInt8', data: [1, 2] },
  { type: 'String', data: [...text('x'), ...text('yz')] },
  { type: 'FixedString(3)', data: [1, 2, 3, 4, 5, 6] },
  { type: "Enum8('a,(' = 1, 'b' = 2)", data: [1, 2] },
  { type: "DateTime('UTC')", data: [0, 0, 0, 1, 0, 0, 0, 2] },
  { type: 'Decimal(18, 3)', data: [...u64(1), ...u64(2)] },
  { type: 'Nullable(UInt16)', data: [0, 1, 7, 0, 0, 0] },
  { type: 'Array(UInt8)', data: [...u64(1), ...u64(3), 7, 8, 9] },
  { type: 'Array(Array(String))', data: [...u64(0), ...u64(1), ...u64(2), ...text('a'), ...text('b')] },
  { type: 'Map(String, Bool)', data: [...u64(1), ...u64(1), ...text('k'), 1] },
  { type: 'Tuple(a UInt8, `b c` String)', data: [1, 2, ...text('p'), ...text('q')] },
  // Version 1; indexes of 1 byte; 3 keys; 2 rows.
  { type: 'LowCardinality(Nullable(String))', data: [...u64(1), ...flags, ...u64(3), 0, 0, ...text('v'), ...u64(2), 0, 2] },
  { type: 'Array(LowCardinality(String))', data: [...u64(1), ...u64(0), ...u64(1), ...flags, ...u64(2), 0, ...text('w'), ...u64(1), 1] },
  { type: 'SimpleAggregateFunction(sum, UInt64)', data: [...u64(5), ...u64(6)] },
  { type: 'UUID', data: Array.from({ length: 32 }, (_, i) => i) },
  { type: 'IntervalDay', data: [...u64(1), ...u64(2)] },
  { type: 'Point', data: [...u64(1), ...u64(2), ...u64(3), ...u64(4)] },
]; // prettier-ignore

function block(revision: number, list: readonly Column[], rows: number): number[] {
  const info = revision > 0 ? [1, 0, 2, 255, 255, 255, 255, 0] : [];
  const custom = revision >= 54_454 ? [0] : [];
  const column = ({ type, data }: Column): number[] => [
    ...text('c'),
    ...text(type),
    ...custom,
    ...(rows > 0 ? data : []),
  ];
  return [...info, list.length, rows, ...list.flatMap(column)];
}

async function convert(bytes: readonly number[], revision: number, chunkBytes: number): Promise<number[]> {
  const whole = Buffer.from(bytes);
  const chunks: Buffer[] = [];
  for (let at = 0; at < whole.length; at += chunkBytes) chunks.push(whole.subarray(at, at + chunkBytes));
  const parts: Buffer[] = [];
  await pipeline(
    Readable.from(chunks),
    nativeRevision(revision),
    async (converted: AsyncIterable<Buffer>) => {
      for await (const part of converted) parts.push(part);
    },
  );
  return [...Buffer.concat(parts)];
}

test.each(columns)('a column of type $type', async (column) => {
  expect(await convert(block(0, [column], 2), 54_460, 1000)).toEqual(block(54_460, [column], 2));
});

test('several blocks, with and without rows, in chunks of any size', async () => {
  const blocks = (revision: number): number[] => [
    ...block(revision, columns, 2),
    ...block(revision, columns, 0),
    ...block(revision, columns, 2),
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 400 }),
      fc.constantFrom(54_400, 54_460),
      async (chunkBytes, revision) => {
        expect(await convert(blocks(0), revision, chunkBytes)).toEqual(blocks(revision));
      },
    ),
  );
});

test('a type that cannot be told apart is named', async () => {
  const bytes = block(0, [{ type: 'Variant(String, UInt8)', data: [1, 2, 3] }], 2);
  await expect(convert(bytes, 54_460, 1000)).rejects.toThrow('Variant(String, UInt8)');
});

test('an answer that is cut off is an error', async () => {
  await expect(convert(block(0, columns, 2).slice(0, -1), 54_460, 1000)).rejects.toThrow('cut off');
});
