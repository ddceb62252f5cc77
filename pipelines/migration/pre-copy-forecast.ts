/**
 * The forecast of a pre-copy migration: round i sends V(i) bytes in T(i) = V(i)/B, while the guest dirties
 * V(i+1) = D T(i), so that volumes shrink by D/B each round. The guest is stopped once the rest fits the downtime limit.
 *
 * I1  Converges iff D < B.
 * I2  Missing is not zero: without a bandwidth or a dirty rate there is no forecast.
 * Source: Clark et al., Live Migration of Virtual Machines (NSDI 2005); model of Liu et al. (HPDC 2011), section 3.
 */
export interface PreCopy {
  /** V(0): bytes still to be sent. */
  readonly remainingBytes: number;
  /** D: bytes per second dirtied. */
  readonly dirtyRate: number;
  /** B: bytes per second sent. */
  readonly bandwidth: number;
}

export interface PreCopyLimits {
  /** The guest is stopped when the rest can be sent in this time. */
  readonly downtimeLimitMs: number;
  /** And at the latest after so many rounds. */
  readonly maxRounds: number;
}

export type PreCopyForecast =
  | {
      readonly converges: true;
      /** Rounds sent while the guest runs. */
      readonly rounds: number;
      /** V(n)/B, milliseconds. */
      readonly downtimeMs: number;
      /** Until the guest runs on the target, milliseconds. */
      readonly totalMs: number;
    }
  | { readonly converges: false };

/** Forecasts from the figures of one report. Throws a RangeError for negative or non-finite figures. */
export function forecastPreCopy(precopy: PreCopy, limits: PreCopyLimits): PreCopyForecast {
  const { remainingBytes, dirtyRate, bandwidth } = precopy;
  for (const [name, value] of Object.entries(precopy) as [string, number][]) {
    if (!Number.isFinite(value) || value < 0)
      throw new RangeError(`${name} must be a number of 0 or more, is ${value}`);
  }
  if (dirtyRate >= bandwidth) return { converges: false };
  let seconds = 0;
  let volume = remainingBytes;
  let rounds = 0;
  while (rounds < limits.maxRounds && (volume / bandwidth) * 1000 > limits.downtimeLimitMs) {
    const roundSeconds = volume / bandwidth;
    seconds += roundSeconds;
    volume = dirtyRate * roundSeconds;
    rounds += 1;
  }
  const downtimeMs = (volume / bandwidth) * 1000;
  return { converges: true, rounds, downtimeMs, totalMs: seconds * 1000 + downtimeMs };
}
