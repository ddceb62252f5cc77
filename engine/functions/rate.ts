/**
 * Rates from counters and events.
 *
 * I1  A counter that went back was reset or wrapped: the rate of that interval is not known, and is said so, not guessed.
 * I2  A decayed counter forgets by half in `halfLifeMs`; reading it never changes it.
 */

export interface CounterReading {
  readonly at_ms: number;
  readonly value: number;
}

export type CounterRate =
  | { readonly kind: 'rate'; readonly perSecond: number; readonly delta: number; readonly intervalMs: number }
  | { readonly kind: 'first' }
  | { readonly kind: 'reset' }
  /** The reading is not newer than the one before: repeated or out of order. */
  | { readonly kind: 'stale' };

/** The rate between two readings of a monotonic counter. */
export function counterRate(previous: CounterReading | undefined, current: CounterReading): CounterRate {
  if (previous === undefined) return { kind: 'first' };
  const intervalMs = current.at_ms - previous.at_ms;
  if (intervalMs <= 0) return { kind: 'stale' };
  const delta = current.value - previous.value;
  if (delta < 0) return { kind: 'reset' };
  return { kind: 'rate', perSecond: (delta * 1000) / intervalMs, delta, intervalMs };
}

/** An exponentially decayed sum: `value` as of `at_ms`. */
export interface DecayedCounter {
  readonly at_ms: number;
  readonly value: number;
}

/** The counter as of a time; a time before its own leaves it as it is. */
export function decayedTo(counter: DecayedCounter, atMs: number, halfLifeMs: number): DecayedCounter {
  if (atMs <= counter.at_ms) return counter;
  return { at_ms: atMs, value: counter.value * 2 ** (-(atMs - counter.at_ms) / halfLifeMs) };
}

/** Adds an amount at a time. An amount from the past is decayed to the counter's own time first. */
export function decayedAdd(
  counter: DecayedCounter | undefined,
  atMs: number,
  amount: number,
  halfLifeMs: number,
): DecayedCounter {
  if (counter === undefined) return { at_ms: atMs, value: amount };
  if (atMs < counter.at_ms) {
    return {
      at_ms: counter.at_ms,
      value: counter.value + decayedTo({ at_ms: atMs, value: amount }, counter.at_ms, halfLifeMs).value,
    };
  }
  return { at_ms: atMs, value: decayedTo(counter, atMs, halfLifeMs).value + amount };
}

/** The steady rate per second that a decayed counter stands for: with constant rate r its value tends to r * halfLife / ln 2. */
export function decayedRatePerSecond(counter: DecayedCounter, halfLifeMs: number): number {
  return (counter.value * Math.LN2 * 1000) / halfLifeMs;
}
