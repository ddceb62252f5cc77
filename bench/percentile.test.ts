import { expect, test } from 'vitest';
import { percentile } from './percentile.ts';

test.each([
  [[15, 20, 35, 40, 50], 0.05, 15],
  [[15, 20, 35, 40, 50], 0.3, 20],
  [[15, 20, 35, 40, 50], 0.5, 35],
  [[50, 15, 40, 35, 20], 1, 50],
  [[10, 9], 0.5, 9],
])('of %j, %d: %d, as the nearest-rank method has it', (values, share, expected) => {
  expect(percentile(values, share)).toBe(expected);
});

test('of nothing is refused', () => {
  expect(() => percentile([], 0.5)).toThrow(RangeError);
});
