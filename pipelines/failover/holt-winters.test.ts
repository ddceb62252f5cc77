import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  forecastHoltWinters,
  initialHoltWinters,
  smooth,
  updateHoltWinters,
  type HoltWinters,
} from './holt-winters.ts';
import { vectors } from './vectors.fixture.ts';

const gains = { alpha: 0.3, beta: 0.05, gamma: 0.2 };

describe('additive Holt-Winters', () => {
  it('forecasts Australian tourists as R does (ETS(A,A,A), four quarters ahead)', () => {
    const v = vectors.ets_aaa_austourists;
    let state: HoltWinters = { level: v.l0, trend: v.b0, seasonals: v.season_in_use_order, seasonIndex: 0 };
    for (const y of v.y) state = updateHoltWinters(state, y, v);
    v.forecast.forEach((expected, h) => {
      expect(forecastHoltWinters(state, h + 1)).toBeCloseTo(expected, 4);
    });
  });

  it('continues a line with a season exactly from the second season on', () => {
    const term = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(
        term,
        fc.double({ min: -1e3, max: 1e3, noNaN: true }),
        fc.array(term, { minLength: 1, maxLength: 12 }),
        (a, b, raw) => {
          const mean = raw.reduce((sum, x) => sum + x, 0) / raw.length;
          const season = raw.map((x) => x - mean);
          const y = (t: number): number => a + b * t + season[t % season.length]!;
          const length = 2 * season.length;
          let state = initialHoltWinters(Array.from({ length }, (_, t) => y(t)));
          for (let t = length; t < 2 * length; t++) {
            expect(Math.abs(forecastHoltWinters(state, 1) - y(t))).toBeLessThan(
              1e-6 * (1 + Math.abs(y(t)) + 1e6),
            );
            expect(Math.abs(forecastHoltWinters(state, 5) - y(t + 4))).toBeLessThan(
              1e-6 * (1 + Math.abs(y(t)) + 1e6),
            );
            state = updateHoltWinters(state, y(t), gains);
          }
          expect(Math.abs(state.seasonals.reduce((sum, s) => sum + s, 0))).toBeLessThan(1);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('moves on over a missing observation without learning from it', () => {
    const state = initialHoltWinters([10, 20, 30, 13, 23, 33]);
    const after = updateHoltWinters(state, null, gains);
    expect(after.seasonals).toEqual(state.seasonals);
    expect(after.trend).toBe(state.trend);
    expect(forecastHoltWinters(after, 1)).toBeCloseTo(forecastHoltWinters(state, 2), 12);
  });

  it('leaves the state that it was given as it was', () => {
    const state = Object.freeze({
      ...initialHoltWinters([1, 2, 3, 4]),
      seasonals: Object.freeze([0.5, -0.5]),
    });
    expect(updateHoltWinters(state, 9, gains).seasonals).not.toEqual(state.seasonals);
    expect(state.seasonals).toEqual([0.5, -0.5]);
  });

  it.each([[[]], [[1]], [[1, 2, 3]]])('refuses to start from %j: not two whole seasons', (series) => {
    expect(() => initialHoltWinters(series)).toThrow(RangeError);
  });
});

describe('simple exponential smoothing', () => {
  it('forecasts as statsmodels does', () => {
    const { y, alpha, forecast } = vectors.ses;
    const level = y.slice(1).reduce((l, x) => smooth(l, x, alpha), y[0]!);
    expect(level).toBeCloseTo(forecast, 5);
  });
});
