/**
 * Phi-accrual failure detection: how surprising a silence is, as -log10 of the probability that the next sign of life
 * comes even later, with intervals taken as normally distributed.
 *
 * I1  Finite for every finite silence: computed from logarithms, never from a probability that has underflowed.
 * I2  Rises with the silence; `silenceAtPhi` is its inverse.
 * Source: Hayashibara et al., The phi accrual failure detector (2004); the logistic approximation of the normal
 * distribution, error below 1.4e-4, as in Akka's PhiAccrualFailureDetector (after Bowling et al., 2009).
 */
const LINEAR = 1.5976;
const CUBIC = 0.070566;

/** Phi after `silentMs` without a sign of life, for intervals of the given mean and standard deviation (> 0), milliseconds. */
export function phi(silentMs: number, meanMs: number, sdMs: number): number {
  const y = (silentMs - meanMs) / sdMs;
  const x = y * (LINEAR + CUBIC * y * y);
  // P(later) = 1 / (1 + e^x), so phi = log10(1 + e^x); the form that cannot overflow depends on the sign of x.
  const log = x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
  return log / Math.LN10;
}

/** The silence in milliseconds at which phi reaches `threshold` (> 0). */
export function silenceAtPhi(threshold: number, meanMs: number, sdMs: number): number {
  const x = threshold * Math.LN10 + Math.log1p(-(10 ** -threshold));
  // Newton's method on a cubic that rises everywhere; it is convex right of 0 and concave left of it, so it converges.
  let y = x / LINEAR;
  for (let i = 0; i < 60; i++) {
    const step = (y * (LINEAR + CUBIC * y * y) - x) / (LINEAR + 3 * CUBIC * y * y);
    y -= step;
    if (Math.abs(step) < 1e-12 * Math.max(1, Math.abs(y))) break;
  }
  return meanMs + y * sdMs;
}
