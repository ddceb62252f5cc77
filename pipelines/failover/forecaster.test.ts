import { describe, expect, it } from 'vitest';
import { emptyForecaster, forecast, observe, type Forecaster } from './forecaster.ts';
import { vectors } from './vectors.fixture.ts';

const options = { seasonLength: 4, smoothingAfterBins: 3, alpha: 0.2, beta: 0.01, gamma: 0.1 };

function after(rates: readonly (number | null)[], chosen = options): Forecaster {
  return rates.reduce<Forecaster>((forecaster, rate) => observe(forecaster, rate, chosen), emptyForecaster);
}

describe('forecaster', () => {
  it('has no forecast before the first observation', () => {
    expect(forecast(emptyForecaster, 1, options)).toBeNull();
    expect(forecast(after([null, null]), 1, options)).toBeNull();
  });

  it('goes from the maximum over smoothing to Holt-Winters as it learns', () => {
    const series = [5, 9, 7, 4, 6, 10, 8, 5];
    const methods = series.map((_, i) => forecast(after(series.slice(0, i + 1)), 1, options)?.method);
    expect(methods).toEqual([
      'maximum',
      'maximum',
      ...Array.from({ length: 5 }, () => 'exponential_smoothing'),
      'holt_winters',
    ]);
    expect(forecast(after([5, 9]), 1, options)?.rate).toBe(9);
    // One more than a season ago, four times over: the trend is a quarter.
    expect(forecast(after(series), 1, options)?.rate).toBeCloseTo(7, 9);
    expect(forecast(after(series), 2, options)?.rate).toBeCloseTo(11, 9);
  });

  it('smooths as published', () => {
    const { y, alpha, forecast: expected } = vectors.ses;
    const made = forecast(after(y, { ...options, alpha, seasonLength: 100 }), 1, options);
    expect(made).toEqual({ rate: expect.closeTo(expected, 5) as number, method: 'exponential_smoothing' });
  });

  it('takes a season that was made shorter while it was learning', () => {
    const learning = after([1, 2, 3, 4, 5, 6, 7]);
    const shorter = observe(learning, 8, { ...options, seasonLength: 2 });
    expect(shorter.seasonals).toHaveLength(2);
    expect(forecast(shorter, 1, options)?.rate).toBeCloseTo(9, 9);
  });

  it('counts missing bins and learns nothing from them', () => {
    const known = after([5, 9, 7]);
    const gap = observe(known, null, options);
    expect(gap).toMatchObject({ missing: 1, seen: 3, maximum: 9, smoothed: known.smoothed });
    expect(forecast(gap, 1, options)?.rate).toBe(forecast(known, 1, options)?.rate);
  });
});
