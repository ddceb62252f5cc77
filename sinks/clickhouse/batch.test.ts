import { expect, test } from 'vitest';
import type { LogRecord } from '#engine/log/log.ts';
import { Batch } from './batch.ts';
import { columnsOf } from './columns.ts';
import { streamWith } from './every-type.fixture.ts';
import { BlockEncoder } from './native/block-encoder.ts';
import type { RowOrRejected } from './row-reader.ts';

const columns = columnsOf(streamWith([]));
const limits = { maxRows: 1_000, maxBytes: 10_000 };

const recordOf = (offset: number, value: Buffer): LogRecord => ({
  offset,
  key: Buffer.from('key'),
  value,
  timestampMs: 0,
  headers: { one: Buffer.from('1'), more: [Buffer.from('2'), '3'] },
});
const bad = (record: LogRecord): RowOrRejected => ({
  record,
  code: 'malformed',
  reason: 'bad bytes',
  mayResolve: false,
});
const unknown = (record: LogRecord): RowOrRejected => ({
  record,
  code: 'unknown-schema',
  reason: 'not known',
  mayResolve: true,
});

test('rejected records are counted, and fill a batch', () => {
  const batch = new Batch(0, new BlockEncoder(columns), '');
  const records = Array.from({ length: 50 }, (_, i) => recordOf(i, Buffer.alloc(1_000)));
  batch.add(records, bad, limits, () => true);
  expect(batch.rows).toBe(0);
  expect(batch.byteLength).toBeGreaterThanOrEqual(limits.maxBytes);
  expect(batch.isFull(limits)).toBe(true);
  expect(batch.to).toBe(10);
});

test('a rejected record is kept without what was fetched with it', () => {
  const batch = new Batch(0, new BlockEncoder(columns), '');
  const fetched = Buffer.alloc(1_000_000, 'x');
  const record = { ...recordOf(0, fetched.subarray(3, 13)), key: fetched.subarray(0, 3) };
  batch.add([record], bad, limits, () => true);
  const kept = batch.rejected[0]!.record;
  expect(kept).toEqual(record);
  for (const bytes of [kept.key!, kept.value!, kept.headers['one'] as Buffer])
    expect(bytes.buffer).not.toBe(fetched.buffer);
});

test('only records whose own schema is overdue are given up', () => {
  const batch = new Batch(0, new BlockEncoder(columns), '');
  const records = [0, 1, 2].map((offset) => recordOf(offset, Buffer.from([0, 0, 0, 0, offset])));
  const isWaiting = batch.add(records, unknown, limits, ({ offset }) => offset !== 1);
  expect(isWaiting).toBe(true);
  expect(batch.to).toBe(1);
  expect(batch.rejected.map(({ record }) => record.offset)).toEqual([0]);
});
