import fc from 'fast-check';
import { expect, test } from 'vitest';
import { valueAsOf, withVersion, type Version } from './as-of-join.ts';

const puts = fc.array(
  fc.record({
    fromMs: fc.integer({ min: -30, max: 30 }),
    keepFromMs: fc.integer({ min: -40, max: 40 }),
  }),
  { maxLength: 40 },
);

test('look-ups at or after what is kept equal a linear scan of all versions ever put', () => {
  fc.assert(
    fc.property(puts, (list) => {
      let history: readonly Version<number>[] = [];
      const all: { fromMs: number; value: number }[] = [];
      let keptFromMs = -Infinity;
      list.forEach(({ fromMs, keepFromMs }, value) => {
        history = withVersion(history, fromMs, value, keepFromMs);
        all.push({ fromMs, value });
        keptFromMs = Math.max(keptFromMs, keepFromMs);
        expect(history.filter((version) => version.from_ms <= keepFromMs).length).toBeLessThanOrEqual(1);
        for (let atMs = Math.max(-45, keptFromMs); atMs <= 45; atMs += 1) {
          let expected: { fromMs: number; value: number } | undefined;
          for (const put of all) {
            if (put.fromMs <= atMs && (expected === undefined || put.fromMs >= expected.fromMs))
              expected = put;
          }
          expect(valueAsOf(history, atMs)).toBe(expected?.value);
        }
      });
    }),
  );
});

test('a version holds from its very millisecond, and there is none before the first', () => {
  const history = withVersion(withVersion([], 10, 'a', -Infinity), 20, 'b', -Infinity);
  expect([9, 10, 19, 20].map((atMs) => valueAsOf(history, atMs))).toEqual([undefined, 'a', 'a', 'b']);
});
