import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { phi, silenceAtPhi } from './phi-accrual.ts';
import { vectors } from './vectors.fixture.ts';

const { mean, sd, phi: published, tol } = vectors.phi_accrual;

describe('phi accrual', () => {
  it.each(Object.entries(published))('is as in Akka after %s ms', (silentMs, expected) => {
    expect(Math.abs(phi(Number(silentMs), mean, sd) - expected)).toBeLessThan(tol);
  });

  it('stays finite and keeps rising where the probability itself underflows', () => {
    const far = [5_000, 50_000, 5e6, 5e8].map((silentMs) => phi(silentMs, mean, sd));
    expect(far.every(Number.isFinite)).toBe(true);
    expect(far).toEqual(far.toSorted((a, b) => a - b));
    expect(phi(-1e9, mean, sd)).toBeGreaterThanOrEqual(0);
  });

  it('rises with the silence', () => {
    const ms = fc.double({ min: -1e5, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(ms, ms, (a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        expect(phi(high, mean, sd)).toBeGreaterThanOrEqual(phi(low, mean, sd));
      }),
    );
  });

  it('is reached exactly at the silence that the inverse gives', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 300, noNaN: true }),
        fc.double({ min: 1, max: 1e6, noNaN: true }),
        fc.double({ min: 1, max: 1e5, noNaN: true }),
        (threshold, meanMs, sdMs) => {
          expect(phi(silenceAtPhi(threshold, meanMs, sdMs), meanMs, sdMs) / threshold).toBeCloseTo(1, 6);
        },
      ),
    );
  });
});
