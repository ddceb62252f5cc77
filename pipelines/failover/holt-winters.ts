/**
 * Additive Holt-Winters in error-correction form: level, trend and one seasonal term per position in the season, each
 * corrected by a share of the one-step error. Exponential smoothing is the same with a level alone.
 *
 * I1  The seasonal terms of a fresh initialisation sum to zero, so level and season cannot trade an offset.
 * I2  A series that is exactly a line plus a season is forecast exactly from its second season on.
 * Source: Hyndman, Koehler, Ord, Snyder, Forecasting with Exponential Smoothing (2008), ETS(A,A,A); start values after
 * Hyndman & Athanasopoulos, Forecasting: Principles and Practice, 8.
 */

export interface HoltWinters {
  readonly level: number;
  /** Change of the level per step. */
  readonly trend: number;
  /** One term for each position in the season, in order of use. */
  readonly seasonals: readonly number[];
  /** Position of the next observation, 0 to seasonals.length - 1. */
  readonly seasonIndex: number;
}

/** Shares of the one-step error that go into level, trend and season; alpha in (0, 1), beta in [0, alpha], gamma in [0, 1 - alpha]. */
export interface Gains {
  readonly alpha: number;
  readonly beta: number;
  readonly gamma: number;
}

/**
 * The state after exactly two seasons of observations. Trend: the change of the seasons' means. Level: the mean of both
 * seasons, moved along the trend to the last observation. Season: the mean distance from that line at each position.
 * Throws a RangeError unless there are two whole seasons.
 */
export function initialHoltWinters(twoSeasons: readonly number[]): HoltWinters {
  const length = twoSeasons.length / 2;
  if (!Number.isInteger(length) || length < 1) {
    throw new RangeError(
      `Holt-Winters starts from two whole seasons, not from ${twoSeasons.length} observations`,
    );
  }
  let first = 0;
  let second = 0;
  for (let i = 0; i < length; i++) {
    first += twoSeasons[i]!;
    second += twoSeasons[i + length]!;
  }
  const trend = (second - first) / length / length;
  const mean = (first + second) / (2 * length);
  const centre = length - 0.5;
  const seasonals: number[] = [];
  for (let i = 0; i < length; i++) {
    const a = twoSeasons[i]! - (mean + trend * (i - centre));
    const b = twoSeasons[i + length]! - (mean + trend * (i + length - centre));
    seasonals.push((a + b) / 2);
  }
  return { level: mean + trend * centre, trend, seasonals, seasonIndex: 0 };
}

/** The forecast `steps` observations ahead; 1 is the next. */
export function forecastHoltWinters(state: HoltWinters, steps: number): number {
  const position = (state.seasonIndex + steps - 1) % state.seasonals.length;
  return state.level + steps * state.trend + state.seasonals[position]!;
}

/** The state after one observation; null is a missing one: the state moves on by one step and learns nothing. */
export function updateHoltWinters(state: HoltWinters, observed: number | null, gains: Gains): HoltWinters {
  const error = observed === null ? 0 : observed - forecastHoltWinters(state, 1);
  const seasonals = error === 0 ? state.seasonals : state.seasonals.slice();
  if (error !== 0)
    (seasonals as number[])[state.seasonIndex] = seasonals[state.seasonIndex]! + gains.gamma * error;
  return {
    level: state.level + state.trend + gains.alpha * error,
    trend: state.trend + gains.beta * error,
    seasonals,
    seasonIndex: (state.seasonIndex + 1) % state.seasonals.length,
  };
}

/** Simple exponential smoothing: the new level, which is also the forecast for every horizon. */
export function smooth(level: number, observed: number, alpha: number): number {
  return level + alpha * (observed - level);
}
