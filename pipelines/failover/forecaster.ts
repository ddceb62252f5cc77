/**
 * The forecaster of one series: additive Holt-Winters once two seasons are known; before that exponential smoothing; and
 * the largest rate seen until there is anything to smooth. Each gives way to the next by itself.
 *
 * I1  A missing bin teaches nothing. While two seasons are being collected, its place is held by what was forecast for it,
 *     and it is counted, so that a reader can tell how much of a season was observed.
 */
import type { PredictionMethod, PredictionState } from '#schemas/failover/generated.ts';
import {
  forecastHoltWinters,
  initialHoltWinters,
  smooth,
  updateHoltWinters,
  type Gains,
} from './holt-winters.ts';

export type Forecaster = Pick<
  PredictionState,
  'history' | 'seen' | 'missing' | 'maximum' | 'smoothed' | 'level' | 'trend' | 'seasonals' | 'season_index'
>;

export interface ForecasterOptions extends Gains {
  /** Bins in a season; 2 or more. */
  readonly seasonLength: number;
  /** Observed bins before smoothing takes over from the maximum. */
  readonly smoothingAfterBins: number;
}

export const emptyForecaster: Forecaster = {
  history: [],
  seen: 0,
  missing: 0,
  maximum: 0,
  smoothed: 0,
  level: 0,
  trend: 0,
  seasonals: [],
  season_index: 0,
};

/** The forecast for the bin `steps` ahead; null before the first observation. It may be negative: a trend does not know zero. */
export function forecast(
  forecaster: Forecaster,
  steps: number,
  options: ForecasterOptions,
): { readonly rate: number; readonly method: PredictionMethod } | null {
  if (forecaster.seen === 0) return null;
  if (forecaster.seasonals.length > 0) {
    return { rate: forecastHoltWinters(holtWinters(forecaster), steps), method: 'holt_winters' };
  }
  if (forecaster.seen < options.smoothingAfterBins) return { rate: forecaster.maximum, method: 'maximum' };
  return { rate: forecaster.smoothed, method: 'exponential_smoothing' };
}

/** The forecaster after one more bin; null is a bin without samples. */
export function observe(forecaster: Forecaster, rate: number | null, options: ForecasterOptions): Forecaster {
  const counted = count(forecaster, rate, options);
  if (forecaster.seasonals.length > 0) {
    const next = updateHoltWinters(holtWinters(forecaster), rate, options);
    return {
      ...counted,
      level: next.level,
      trend: next.trend,
      seasonals: next.seasonals,
      season_index: next.seasonIndex,
    };
  }
  if (forecaster.seen === 0 && rate === null) return counted;
  const history = [...forecaster.history, rate ?? forecaster.smoothed];
  if (history.length < 2 * options.seasonLength) return { ...counted, history };
  // Longer than two seasons where a replay has made the season shorter.
  const start = initialHoltWinters(history.slice(-2 * options.seasonLength));
  const { level, trend, seasonals, seasonIndex } = start;
  return { ...counted, history: [], level, trend, seasonals, season_index: seasonIndex };
}

function count(forecaster: Forecaster, rate: number | null, options: ForecasterOptions): Forecaster {
  if (rate === null) return { ...forecaster, missing: forecaster.missing + 1 };
  return {
    ...forecaster,
    seen: forecaster.seen + 1,
    maximum: Math.max(forecaster.maximum, rate),
    smoothed: forecaster.seen === 0 ? rate : smooth(forecaster.smoothed, rate, options.alpha),
  };
}

function holtWinters(forecaster: Forecaster) {
  const { level, trend, seasonals, season_index: seasonIndex } = forecaster;
  return { level, trend, seasonals, seasonIndex };
}
