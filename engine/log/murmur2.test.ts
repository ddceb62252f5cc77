import { expect, test } from 'vitest';
import { murmur2, partitionOf } from './murmur2.ts';

// Source: apache/kafka clients UtilsTest.testMurmur2.
const published: readonly (readonly [string, number])[] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
];

test.each(published)("murmur2 of '%s' is the Java client's", (text, hash) => {
  expect(murmur2(Buffer.from(text))).toBe(hash);
});

test('a negative hash still gives a partition in range, as toPositive does', () => {
  expect(partitionOf(Buffer.from('21'), 7)).toBe((-973932308 & 0x7fffffff) % 7);
  for (let i = 0; i < 1000; i += 1) {
    const partition = partitionOf(Buffer.from(`key-${i}`), 5);
    expect(partition).toBeGreaterThanOrEqual(0);
    expect(partition).toBeLessThan(5);
  }
});
