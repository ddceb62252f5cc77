import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { adaptAlpha, conformalHalfWidth } from './conformal.ts';

describe('adaptive conformal inference', () => {
  it('lowers alpha, and so widens the interval, after a miss, and raises it a little after a hit', () => {
    expect(adaptAlpha(0.1, 0.1, 0.05, true)).toBeCloseTo(0.055, 12);
    expect(adaptAlpha(0.1, 0.1, 0.05, false)).toBeCloseTo(0.105, 12);
    const errors = Array.from({ length: 50 }, (_, i) => i);
    const before = conformalHalfWidth(errors, 0.1)!;
    expect(conformalHalfWidth(errors, adaptAlpha(0.1, 0.1, 0.05, true))!).toBeGreaterThan(before);
    expect(conformalHalfWidth(errors, adaptAlpha(0.1, 0.1, 0.05, false))!).toBeLessThanOrEqual(before);
  });

  it.each([
    { errors: [], alpha: 0.1, width: null },
    { errors: [1, 2, 3, 4, 5, 6, 7, 8], alpha: 0.1, width: null },
    { errors: [9, 1, 8, 2, 7, 3, 6, 4, 5], alpha: 0.1, width: 9 },
    { errors: [9, 1, 8, 2, 7, 3, 6, 4, 5], alpha: 0.5, width: 5 },
    { errors: [1, 2, 3], alpha: 0, width: null },
    { errors: [1, 2, 3], alpha: -0.3, width: null },
    { errors: [1, 2, 3], alpha: 1, width: 0 },
    { errors: [1, 2, 3], alpha: 1.7, width: 0 },
  ])('gives half-width $width for errors $errors at alpha $alpha', ({ errors, alpha, width }) => {
    expect(conformalHalfWidth(errors, alpha)).toBe(width);
  });

  it('keeps the long-run miss rate at its target for any series of errors (Proposition 4.1)', () => {
    const gamma = 0.05;
    const target = 0.1;
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 400, maxLength: 400 }),
        (errors) => {
          let alpha = target;
          let misses = 0;
          errors.forEach((error, t) => {
            const width = conformalHalfWidth(errors.slice(Math.max(0, t - 50), t), alpha);
            // At alpha >= 1 the interval is empty and always misses.
            const missed = alpha >= 1 || (width !== null && error > width);
            if (missed) misses += 1;
            alpha = adaptAlpha(alpha, target, gamma, missed);
          });
          const bound = (Math.max(target, 1 - target) + gamma) / (gamma * errors.length);
          expect(Math.abs(misses / errors.length - target)).toBeLessThanOrEqual(bound + 1e-9);
        },
      ),
      { numRuns: 20 },
    );
  });
});
