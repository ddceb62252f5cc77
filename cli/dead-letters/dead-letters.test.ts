import { describe, expect, test } from 'vitest';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { schemas } from '#engine/records/generated.ts';
import type { Stream } from '#engine/topology/stream.ts';
import { decoded, describeLetter, letterCells } from './describe-letter.ts';
import { conditionOf } from './letter-filter.ts';
import { byOrigin, type FullLetter } from './read-letters.ts';
import { planLines } from './redrive-letters.ts';

const letter: FullLetter = {
  origin: 'things/0/3',
  reader: 'sink clickhouse',
  topic: 'things',
  partition: 0,
  offset: 3,
  key: Buffer.from('k'),
  value: Buffer.from([0xff, 0x41, 0x0a]),
  headers: { text: Buffer.from('plain'), raw: Buffer.from([0xff]) },
  code: 'unknown-magic',
  reason: 'begins\nbadly',
  failedAtMs: 0,
  recordTimestampMs: 1_000,
};
const stream = schemas as Stream<unknown>;

describe('which letters are meant', () => {
  const nowMs = Date.UTC(2026, 2, 2);

  test.each([
    ['2h', nowMs - 7_200_000],
    ['2026-03-01', Date.UTC(2026, 2, 1)],
    ['2026-03-01T12:00:00Z', Date.UTC(2026, 2, 1, 12)],
    ['2026-03-01 12:00', Date.UTC(2026, 2, 1, 12)],
    ['2026-03-01T12:00:00+01:00', Date.UTC(2026, 2, 1, 11)],
  ])('--since %s', (since, expected) => {
    expect(conditionOf({ since }, nowMs).parameters).toEqual({ since: expected });
  });

  test.each(['yesterday', '2026-13-45'])('--since %s is refused', (since) => {
    expect(() => conditionOf({ since }, nowMs)).toThrow(/--since.*write 2026-03-01T12:00:00Z or 2h/);
  });

  test('values are parameters, never part of the query', () => {
    const topic = "x' OR 1";
    expect(conditionOf({ topic, code: 'c' }, nowMs)).toEqual({
      sql: 'topic = {topic:String} AND code = {code:String}',
      parameters: { topic, code: 'c' },
    });
    expect(conditionOf({}, nowMs)).toEqual({ sql: '1', parameters: {} });
  });
});

describe('a letter that is shown', () => {
  test('has its bytes as text where they are text, and as they are', () => {
    const text = describeLetter(letter, { writers: new WriterSchemas(), stream: undefined }, undefined).join(
      '\n',
    );
    expect(text).toContain("key        'k'");
    expect(text).toContain("  text: 'plain'");
    expect(text).toContain('  raw: 0xff');
    expect(text).toContain('000000  ff 41 0a ');
    expect(text).toContain('.A.');
    expect(text).toContain('redriven   no');
    expect(text).not.toContain('begins\nbadly');
    expect(letterCells(letter, { writers: new WriterSchemas(), stream: undefined }, 0)).toMatchObject({
      value_hex: 'ff410a',
      headers_hex: { text: '706c61696e', raw: 'ff' },
      redriven_at: '1970-01-01T00:00:00.000Z',
    });
  });

  test('is decoded as far as its bytes go', () => {
    const writers = new WriterSchemas();
    const codec = eventCodec(schemas, writers);
    const event = { fingerprint: 'f', name: 'n', schema: '{}', confluent_id: null, announced_at: 7 };
    const bytes = codec.encode(event);
    expect(decoded(bytes, { writers, stream })).toContain(`: ${JSON.stringify(event)}`);
    expect(decoded(bytes.subarray(0, 12), { writers, stream })).toContain(`does not read as ${schemas.name}`);
    expect(decoded(bytes, { writers, stream: undefined })).toContain(codec.writer.name);
    expect(decoded(bytes, { writers: new WriterSchemas(), stream: undefined })).toContain('not known');
    expect(decoded(Buffer.from([0, 0, 0, 0, 9]), { writers, stream: undefined })).toContain('registry id 9');
    expect(decoded(Buffer.from('{}'), { writers, stream })).toContain('no frame');
  });
});

test('letters of one record are one to redrive, with the bytes of that which has them', () => {
  const without = { ...letter, reader: 'processor p', value: null, headers: {} };
  const expected = {
    readers: ['processor p', 'sink clickhouse'],
    value: letter.value,
    headers: letter.headers,
  };
  expect(byOrigin([without, letter])).toEqual([expect.objectContaining(expected)]);
  expect(byOrigin([letter, without])).toEqual([
    expect.objectContaining({ ...expected, readers: expected.readers.toReversed() }),
  ]);
});

test('a plan says how many go where, and warns of tables', () => {
  const lines = planLines({
    origins: [`${schemas.topic}/0/1`, `${schemas.topic}/0/2`, 'line 7'],
    already: 4,
  });
  expect(lines[0]).toBe('weir: 3 to redrive, 4 redriven before');
  expect(lines).toContain(`  2 to ${schemas.topic}`);
  expect(lines).toContain('  1 to no topic: these are refused');
  expect(lines.at(-1)).toContain(`${schemas.topic} is a table`);
  expect(planLines({ origins: [], already: 4 })).toEqual(['weir: 0 to redrive, 4 redriven before']);
});
