import { expect, it } from 'vitest';
import { eventCodec } from '../codec/event-codec.ts';
import { WriterSchemas } from '../codec/writer-schemas.ts';
import { deadLetterRecord } from './dead-letter.ts';
import { deadLetters } from './generated.ts';

const codec = eventCodec(deadLetters, new WriterSchemas());

function letterOf(timestampMs: number) {
  const record = { offset: 7, key: null, value: Buffer.from('x'), timestampMs, headers: {} };
  const failure = { reader: 'r', topic: 't', partition: 1, code: 'bad', reason: 'it is bad', failedAtMs: 5 };
  const { value } = deadLetterRecord(codec, record, failure);
  const { record_timestamp: timestamp, reason } = codec.decode(value!);
  return { timestamp, reason };
}

it.each([-1, 0, Date.UTC(1900, 0), Date.UTC(2300, 0) - 1])(
  'keeps the timestamp %d of its record',
  (timestamp) => {
    expect(letterOf(timestamp)).toEqual({ timestamp, reason: 'it is bad' });
  },
);

it.each([
  ['nanoseconds', 1_780_000_000_000_000_000],
  ['microseconds', 1_780_000_000_000_000],
  ['the year 2300', Date.UTC(2300, 0)],
  ['the year 1899', Date.UTC(1900, 0) - 1],
])('says a timestamp that no row can have in its reason: %s', (_, timestampMs) => {
  const { timestamp, reason } = letterOf(timestampMs);
  expect(timestamp).toBeNull();
  expect(reason).toContain(`it is bad (its Kafka timestamp, ${timestampMs}, `);
});
