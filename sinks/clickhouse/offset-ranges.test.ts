import { expect, test } from 'vitest';
import { describeOffsets } from './offset-ranges.ts';

test.each([
  [[], ''],
  [[3], '3'],
  [[3, 5, 6, 7, 9], '3, 5-7, 9'],
])('the offsets %j are %j', (offsets, expected) => {
  expect(describeOffsets(offsets)).toBe(expected);
});

test('of offsets in many ranges the first are told, and how many there are more', () => {
  const offsets = Array.from({ length: 25 }, (_, i) => [3 * i, 3 * i + 1]).flat();
  expect(describeOffsets(offsets)).toMatch(/^0-1, 3-4, .*, 57-58 and 10 more$/);
});
