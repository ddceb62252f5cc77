import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CHUNK_RECORDS } from './batch.ts';
import { formatIntent, MAX_EXCLUDED, parseIntent, tokenOf } from './intent.ts';

test('what is promised is read back', () => {
  const intents = fc
    .record({
      from: fc.nat(2 ** 50),
      length: fc.integer({ min: 1, max: 100_000 }),
      encoder: fc.nat(99),
      incarnation: fc.constantFrom('', '0', '9f00c2d1e8a7b634'),
      memory: fc.constantFrom('', '0123456789abcdef:tn4x2o:0,1c,zz:000000,1c2d3e,zzzzzz'),
      picks: fc.array(fc.nat(), { maxLength: 300 }),
    })
    .map(({ from, length, encoder, incarnation, memory, picks }) => ({
      from,
      intent: {
        to: from + length,
        encoder,
        incarnation,
        memory,
        excluded: [...new Set(picks.map((pick) => from + (pick % length)))].sort((a, b) => a - b),
      },
    }));
  fc.assert(
    fc.property(intents, ({ from, intent }) => {
      expect(parseIntent(from, formatIntent(from, intent), 't/0')).toEqual(intent);
    }),
  );
});

test('fits the metadata of a Kafka offset, however the left out records are spread', () => {
  const from = 2 ** 52;
  // A batch is full at MAX_EXCLUDED, seen after each chunk; every other record of a chunk may be bad, in a sparse log.
  const count = MAX_EXCLUDED + CHUNK_RECORDS;
  const excluded = Array.from({ length: count }, (_, i) => from + 40_000_000 + 2 * i);
  const list = (each: string): string => Array<string>(50).fill(each).join();
  const memory = `${'f'.repeat(16)}:tn4x2o:${list('zzzzzzz')}:${list('zzzzzz')}`;
  const intent = { to: from + 2 ** 40, encoder: 1, incarnation: 'f'.repeat(32), memory, excluded };
  expect(formatIntent(from, intent).length).toBeLessThan(4096);
});

test('no metadata is no promise', () => {
  expect(parseIntent(5, '', 't/0')).toBeUndefined();
});

test.each([
  '{"some":"json"}',
  'weir-intent encoder=1 to=5 excluded=',
  'weir-intent encoder=1 to=x excluded=',
])('metadata of others is refused, naming the place: %s', (metadata) => {
  expect(() => parseIntent(5, metadata, 'orders/3')).toThrow(/orders\/3.*offset 5/);
});

test('the token is the range, in its log', () => {
  expect(tokenOf('', 'a.b', 3, 10, 20)).toBe('weir/a.b/3/10-20');
  expect(tokenOf('9f', 'a.b', 3, 10, 20)).toBe('weir/9f/a.b/3/10-20');
});

test('an intent from before logs had incarnations is that of a log without one', () => {
  expect(parseIntent(5, 'weir-intent encoder=1 to=9 excluded=', 't/0')?.incarnation).toBe('');
});
