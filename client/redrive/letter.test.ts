import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { deadLetterRecord } from '#engine/records/dead-letter.ts';
import { deadLetters } from '#engine/records/generated.ts';
import type { Headers } from '#engine/log/log.ts';
import { headersOf, type Letter, redrivenRecord } from './letter.ts';

const letter: Letter = {
  origin: 'things/2/7',
  readers: ['sink clickhouse'],
  topic: 'things',
  partition: 2,
  offset: 7,
  key: null,
  value: Buffer.from([0xff]),
  headers: {},
  recordTimestampMs: 5,
};

/** The headers of a record, by way of the letter that the engine writes of it. */
function throughLetter(headers: Headers): Headers {
  const codec = eventCodec(deadLetters, new WriterSchemas());
  const record = { offset: 7, key: null, value: null, timestampMs: 5, headers };
  const written = deadLetterRecord(codec, record, {
    reader: 'sink clickhouse',
    topic: 'things',
    partition: 2,
    code: 'malformed',
    reason: '',
    failedAtMs: 1,
  });
  return headersOf(codec.decode(written.value!));
}

describe('the headers of a letter', () => {
  test('are those of the record again, byte for byte, repeated ones too', () => {
    const bytes = fc.uint8Array({ maxLength: 5 }).map((one) => Buffer.from(one));
    const value = fc.oneof(bytes, fc.array(bytes, { minLength: 2, maxLength: 12 }));
    // A header that is itself named `a#1` cannot be told from the second value of `a`.
    const names = fc.constantFrom('a', 'b', '#1', 'ce_id', 'x#', 'y#0', '__proto__');
    fc.assert(
      fc.property(fc.array(fc.tuple(names, value), { maxLength: 5 }), (entries) => {
        const headers = Object.fromEntries(entries);
        expect(throughLetter(headers)).toEqual(headers);
      }),
    );
  });

  test('keep a number that does not follow on others', () => {
    const headers = { a: Buffer.from('1'), 'a#2': Buffer.from('2'), 'b#1': Buffer.from('3') };
    expect(headersOf({ headers })).toEqual(headers);
  });
});

describe('a redriven record', () => {
  const original = { key: null, value: letter.value, headers: { x: Buffer.from('y') }, timestampMs: 5 };

  test('has what the original had, and tells where it came from', () => {
    expect(redrivenRecord(letter, original)).toEqual({
      ...original,
      topic: 'things',
      partition: 2,
      headers: { ...original.headers, weir_redriven_from: 'things/2/7', weir_redriven_count: '1' },
    });
  });

  test.each([
    ['1', '2'],
    ['41', '42'],
    ['no number', '1'],
    ['-3', '1'],
  ])('that was redriven %s times before counts %s, and tells its last place', (before, count) => {
    const headers = {
      weir_redriven_from: Buffer.from('things/2/1'),
      weir_redriven_count: Buffer.from(before),
    };
    expect(redrivenRecord(letter, { ...original, headers }).headers).toEqual({
      weir_redriven_from: 'things/2/7',
      weir_redriven_count: count,
    });
  });
});
