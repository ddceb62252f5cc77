import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  counterRate,
  decayedAdd,
  decayedRatePerSecond,
  decayedTo,
  type CounterRate,
  type DecayedCounter,
} from './rate.ts';

test.each<[string, [number, number] | undefined, [number, number], CounterRate]>([
  ['the first reading has no rate', undefined, [0, 5], { kind: 'first' }],
  ['10 in 2 s', [0, 5], [2_000, 15], { kind: 'rate', perSecond: 5, delta: 10, intervalMs: 2_000 }],
  ['a counter at rest', [0, 5], [500, 5], { kind: 'rate', perSecond: 0, delta: 0, intervalMs: 500 }],
  ['a counter that went back', [0, 5], [500, 4], { kind: 'reset' }],
  ['a wrap of 32 bits', [0, 2 ** 32 - 1], [500, 3], { kind: 'reset' }],
  ['the same reading again', [500, 5], [500, 5], { kind: 'stale' }],
  ['an older reading', [500, 5], [499, 9], { kind: 'stale' }],
])('%s', (_, previous, [at_ms, value], expected) => {
  const before = previous && { at_ms: previous[0], value: previous[1] };
  expect(counterRate(before, { at_ms, value })).toEqual(expected);
});

test('the deltas of a counter read in order, but for its resets, add up to what was counted between the readings', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ add: fc.nat(100), reset: fc.boolean() }), { maxLength: 50 }),
      (steps) => {
        let value = 0;
        let previous: { at_ms: number; value: number } | undefined;
        let counted = 0;
        let expected = 0;
        steps.forEach(({ add, reset }, i) => {
          const wentBack = reset && add < value;
          value = reset ? add : value + add;
          const current = { at_ms: i * 1_000, value };
          const rate = counterRate(previous, current);
          if (rate.kind === 'rate') counted += rate.delta;
          if (previous !== undefined && !wentBack) expected += value - previous.value;
          previous = current;
        });
        expect(counted).toBe(expected);
      },
    ),
  );
});

test('a decayed counter halves in its half-life, and reading it changes nothing', () => {
  const counter = decayedAdd(undefined, 1_000, 8, 5_000);
  expect(decayedTo(counter, 6_000, 5_000)).toEqual({ at_ms: 6_000, value: 4 });
  expect(decayedTo(counter, 11_000, 5_000)).toEqual({ at_ms: 11_000, value: 2 });
  expect(decayedTo(counter, 0, 5_000)).toBe(counter);
  expect(counter).toEqual({ at_ms: 1_000, value: 8 });
});

test('the sum does not depend on the order of arrival', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 100 })), {
        minLength: 1,
        maxLength: 30,
      }),
      (amounts) => {
        const total = (list: readonly (readonly [number, number])[]): number => {
          let counter: DecayedCounter | undefined;
          for (const [atMs, amount] of list) counter = decayedAdd(counter, atMs, amount, 5_000);
          return decayedTo(counter!, 20_000, 5_000).value;
        };
        const direct = amounts.reduce(
          (sum, [atMs, amount]) => sum + amount * 2 ** (-(20_000 - atMs) / 5_000),
          0,
        );
        expect(total(amounts)).toBeCloseTo(direct, 6);
        expect(total([...amounts].reverse())).toBeCloseTo(direct, 6);
      },
    ),
  );
});

test('under a steady stream the rate read from the counter tends to the rate of the stream', () => {
  let counter: DecayedCounter | undefined;
  for (let atMs = 0; atMs <= 60_000; atMs += 10) counter = decayedAdd(counter, atMs, 1, 5_000);
  expect(decayedRatePerSecond(counter!, 5_000)).toBeGreaterThan(99);
  expect(decayedRatePerSecond(counter!, 5_000)).toBeLessThan(101);
});
