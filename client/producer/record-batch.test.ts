import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readRecords, splitBatches } from '#engine/kafka/reader/record-batch.ts';
import type { LogRecord } from '#engine/log/log.ts';
import { type BatchRecord, batchBytesOf, encodeBatch, sequenceAfter } from './record-batch.ts';

const producer = { id: 2n ** 40n + 3n, epoch: 7 };

function read(bytes: Buffer): LogRecord[] {
  const { batches, failure } = splitBatches(bytes, 'here', true);
  expect([batches.length, failure]).toEqual([1, undefined]);
  const records: LogRecord[] = [];
  readRecords(batches[0]!, 0, records, 'here');
  return records.map(({ offset, key, value, timestampMs, headers }) => ({
    offset,
    key,
    value,
    timestampMs,
    headers,
  }));
}

const bytesOf = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes));

const records: fc.Arbitrary<BatchRecord[]> = fc.array(
  fc.record({
    key: fc.option(bytesOf(20)),
    value: fc.option(bytesOf(300)),
    timestampMs: fc.oneof(fc.nat(10_000), fc.integer({ min: 0, max: 253_402_300_799_999 })),
    headers: fc.dictionary(
      fc.string({ maxLength: 8 }),
      fc.oneof(bytesOf(10), fc.array(bytesOf(4), { minLength: 2, maxLength: 3 })),
    ),
  }),
  { minLength: 1, maxLength: 20 },
);

describe('a batch', () => {
  it('is read as the records that it was made of, in either compression', async () => {
    await fc.assert(
      fc.asyncProperty(
        records,
        fc.constantFrom('none' as const, 'gzip' as const),
        async (given, compression) => {
          const got = read(await encodeBatch(given, producer, 5, compression));
          expect(got).toEqual(
            given.map((record, offset) => ({ ...record, headers: { ...record.headers }, offset })),
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  it('is never larger than was said, without its head', async () => {
    await fc.assert(
      fc.asyncProperty(records, async (given) => {
        const { length } = await encodeBatch(given, producer, 0, 'none');
        expect(length - 61).toBeLessThanOrEqual(given.reduce((sum, record) => sum + batchBytesOf(record), 0));
      }),
    );
  });

  it('names its producer, and is the same bytes again', async () => {
    const one = { key: null, value: Buffer.from('v'), timestampMs: 1, headers: { a: 'ä' } };
    const bytes = await encodeBatch([one], producer, 9, 'gzip');
    expect(await encodeBatch([one], producer, 9, 'gzip')).toEqual(bytes);
    expect(splitBatches(bytes, 'here', true).batches[0]).toMatchObject({
      producerId: producer.id,
      isTransactional: false,
    });
    expect(bytes.readInt16BE(51)).toBe(producer.epoch);
    expect(bytes.readInt32BE(53)).toBe(9);
  });
});

it('sequences begin again at 0 after the last int32', () => {
  expect(sequenceAfter(0, 3)).toBe(3);
  expect(sequenceAfter(2 ** 31 - 2, 1)).toBe(2 ** 31 - 1);
  expect(sequenceAfter(2 ** 31 - 2, 2)).toBe(0);
  expect(sequenceAfter(2 ** 31 - 2, 5)).toBe(3);
});
