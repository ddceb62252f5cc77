import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forecastPreCopy } from './pre-copy-forecast.ts';

const limits = { downtimeLimitMs: 300, maxRounds: 30 };
const positive = fc.double({ min: 1, max: 1e12, noNaN: true });

describe('pre-copy forecast', () => {
  it('follows V(i+1) = D V(i)/B until the rest fits the downtime limit', () => {
    // 8 GB at 1 GB/s with 0.25 GB/s dirtied: 8, 2, 0.5, 0.125 s.
    const forecast = forecastPreCopy({ remainingBytes: 8e9, dirtyRate: 0.25e9, bandwidth: 1e9 }, limits);
    expect(forecast).toEqual({ converges: true, rounds: 3, downtimeMs: 125, totalMs: 10_625 });
  });

  it('converges iff the guest dirties less than can be sent', () => {
    fc.assert(
      fc.property(positive, positive, positive, (remainingBytes, dirtyRate, bandwidth) => {
        const forecast = forecastPreCopy({ remainingBytes, dirtyRate, bandwidth }, limits);
        expect(forecast.converges).toBe(dirtyRate < bandwidth);
      }),
    );
  });

  it('expects the downtime of what is left when the rounds run out', () => {
    const forecast = forecastPreCopy(
      { remainingBytes: 1e9, dirtyRate: 0.99e9, bandwidth: 1e9 },
      { ...limits, maxRounds: 2 },
    );
    expect(forecast).toMatchObject({ converges: true, rounds: 2 });
    expect(forecast.converges && forecast.downtimeMs).toBeCloseTo(980.1, 6);
  });

  it.each([
    { remainingBytes: 0, dirtyRate: 0, bandwidth: 0, converges: false },
    { remainingBytes: 0, dirtyRate: 5, bandwidth: 10, converges: true },
  ])(
    'takes zeroes at their word: $remainingBytes left, $dirtyRate dirtied, $bandwidth sent',
    ({ converges, ...precopy }) => {
      expect(forecastPreCopy(precopy, limits).converges).toBe(converges);
    },
  );

  it.each([-1, NaN, Infinity])('refuses a bandwidth of %d', (bandwidth) => {
    expect(() => forecastPreCopy({ remainingBytes: 1, dirtyRate: 1, bandwidth }, limits)).toThrow(
      /bandwidth must be/,
    );
  });
});
