import { describe, expect, it } from 'vitest';
import type { LogRecord } from '../../log/log.ts';
import { headerText, recordHeaderText } from '../../task/cloud-events.ts';
import { recordKeyIs } from '../../log/record-key.ts';
import { readRecords, type RecordBatch } from './record-batch.ts';

/** ZigZag-encoded, of less than 64. */
const varint = (value: number): Buffer => Buffer.from([value < 0 ? -2 * value - 1 : 2 * value]);

const varBytes = (value: string | null): Buffer =>
  value === null ? varint(-1) : Buffer.concat([varint(Buffer.byteLength(value)), Buffer.from(value)]);

/** The only record of a batch. */
function recordWith(
  headers: readonly (readonly [string, string | null])[],
  key: string | null = null,
  value: string | null = null,
): LogRecord {
  const records: LogRecord[] = [];
  const parts = [varBytes(key), varBytes(value), varint(headers.length)];
  const flat = headers.flatMap(([name, text]) => [varBytes(name), varBytes(text)]);
  expect(readRecords(batchOf([...parts, ...flat]), 0, records, 'here')).toBeUndefined();
  return records[0]!;
}

/** A batch of one record that has these bytes from its key on. */
function batchOf(parts: readonly Buffer[]): RecordBatch {
  const body = Buffer.concat([Buffer.from([0, 0, 0]), ...parts]); // attributes, timestamp and offset
  // The length is not looked at, beyond where the next record would begin.
  return {
    baseOffset: 7,
    lastOffset: 7,
    producerId: -1n,
    isTransactional: false,
    isControl: false,
    codec: 0,
    isLogAppendTime: false,
    baseTimestampMs: 0,
    maxTimestampMs: 0,
    recordCount: 1,
    records: Buffer.concat([varint(1), body]),
  };
}

describe('the text of a header', () => {
  const cases: readonly (readonly [string, readonly (readonly [string, string | null])[], string | undefined])[] = [
    ['is found among others', [['ce_time', 't'], ['ce_id', 'a-1'], ['ce_type', 'x']], 'a-1'],
    ['is the first of a repeated one', [['ce_id', 'first'], ['ce_id', 'second']], 'first'],
    ['is not that of a longer name', [['ce_idx', 'no']], undefined],
    ['is not that of another name as long', [['ce_ix', 'no'], ['xx_id', 'no']], undefined],
    ['is empty where the value is', [['ce_id', '']], ''],
    ['is empty where there is no value', [['ce_id', null]], ''],
    ['may be any text', [['ä', 'ö'], ['ce_id', 'ノート ä']], 'ノート ä'],
    ['is none where there are no headers', [], undefined],
  ]; // prettier-ignore
  it.each(cases)('%s', (_, headers, expected) => {
    const record = recordWith(headers);
    expect('headerText' in record).toBe(true);
    expect(recordHeaderText(record, 'ce_id')).toBe(expected);
    expect(headerText(record.headers, 'ce_id')).toBe(expected);
  });
});

describe('a record as it was fetched', () => {
  const texts: readonly (string | null)[] = [
    null,
    '',
    'a',
    'b',
    'ab',
    'ä',
    'Ã¤',
    '\u0080',
    'ノート',
    'a-1',
    'a-2',
    'a-12',
  ];

  it.each(texts)('has the key %s and no other', (key) => {
    const record = recordWith([['ce_id', 'x']], key, 'value');
    expect('keyIs' in record).toBe(true);
    for (const text of texts) {
      expect(recordKeyIs(record, text), text ?? 'none').toBe(text === key);
      expect(recordKeyIs({ ...record, key: record.key, value: null, headers: {} }, text)).toBe(text === key);
    }
    expect(record.key?.toString() ?? null).toBe(key);
  });

  it('gives key, value and headers in any order, again and again', () => {
    const record = recordWith([['ce_id', 'x']], 'key', 'value');
    for (let i = 0; i < 2; i += 1) {
      expect(record.headers['ce_id']?.toString()).toBe('x');
      expect(record.value?.toString()).toBe('value');
      expect(record.key?.toString()).toBe('key');
    }
    expect(recordWith([], 'key', null).value).toBeNull();
    expect(recordWith([], null, 'value').value?.toString()).toBe('value');
  });
});

describe('a damaged batch', () => {
  const none = varint(-1);
  const damages: readonly (readonly [string, readonly Buffer[]])[] = [
    ['a key of -2 bytes', [varint(-2), none, varint(0)]],
    ['a value of -2 bytes', [none, varint(-2), varint(0)]],
    ['a key past its end', [varint(3), Buffer.from('ab')]],
    ['a value past its end', [none, varint(9), Buffer.from('ab')]],
    ["a header's name of -2 bytes", [none, none, varint(1), varint(-2), none]],
    ["a header's value past its end", [none, none, varint(1), varBytes('a'), varint(9), Buffer.from('b')]],
    ['more headers than it has bytes', [none, none, varint(2), varBytes('a'), varBytes('b')]],
  ];
  // Whoever takes a record of it may rely on key, value and headers.
  it.each(damages)('with %s is refused before any of it is taken', (_, parts) => {
    const records: LogRecord[] = [];
    expect(readRecords(batchOf(parts), 0, records, 'here')).toMatchObject({ code: 'corrupt-batch' });
    expect(records).toEqual([]);
  });
});
