/**
 * Turns readings of cumulative counters into intervals: what each thing did since its last reading.
 *
 * I1  A first reading, and one after a reset, yields an interval without a delta: unknown is not zero.
 * I2  The interval is the one measured on the monotonic clock, however long the process was kept from running.
 * I3  Nothing is lost or counted twice: as long as counters are not reset, the intervals of a thing add up to the
 *     difference of its last and first readings.
 * I4  A thing that is missing from a complete reading has gone, and starts anew when it is back. One that is missing because
 *     its source could not be read keeps its baseline; its next interval is longer.
 */
import { ioDelta } from './io-counters.ts';
import type { CounterTraits, IoCounters, IoDelta } from './io-counters.ts';

/** Counters of one thing at one time. */
export interface Reading {
  /** Unique among the things read: `disk 8:0`, `/system.slice/db.service 8:0`. */
  readonly key: string;
  readonly counters: IoCounters;
  readonly traits: CounterTraits;
  /** When it changes, the thing is another one under the same key, whatever its counters say. */
  readonly incarnation?: string | undefined;
}

export interface Interval<R extends Reading> {
  readonly reading: R;
  /** undefined where it is not known: a first reading, or the counters were reset. */
  readonly delta: IoDelta | undefined;
  readonly reset: boolean;
  /** Measured between the two readings, in milliseconds; 0 for a first one. */
  readonly elapsedMs: number;
}

/** What one call of `track` found. Counts are of things. */
export interface Tracked<R extends Reading> {
  readonly intervals: readonly Interval<R>[];
  readonly appeared: number;
  readonly vanished: number;
  readonly resets: number;
  readonly wraps: number;
}

interface Baseline {
  readonly reading: Reading;
  readonly atMonotonicMs: number;
}

export interface IntervalTracker<R extends Reading> {
  /**
   * Takes the readings made at `nowMonotonicMs`. `complete` says of a key that is missing whether its source was read
   * completely, so that it is really gone.
   */
  track(readings: readonly R[], nowMonotonicMs: number, complete: (key: string) => boolean): Tracked<R>;
  /** Number of things with a baseline. */
  readonly size: number;
}

export function intervalTracker<R extends Reading>(): IntervalTracker<R> {
  let baselines: ReadonlyMap<string, Baseline> = new Map();
  return {
    get size() {
      return baselines.size;
    },
    track(readings, nowMonotonicMs, complete) {
      const next = new Map<string, Baseline>();
      const intervals: Interval<R>[] = [];
      const counts = { appeared: 0, vanished: 0, resets: 0, wraps: 0 };
      for (const reading of readings) {
        const baseline = baselines.get(reading.key);
        const elapsedMs = baseline === undefined ? 0 : nowMonotonicMs - baseline.atMonotonicMs;
        if (baseline !== undefined && elapsedMs <= 0) {
          next.set(reading.key, baseline);
          continue;
        }
        next.set(reading.key, { reading, atMonotonicMs: nowMonotonicMs });
        const delta = baseline === undefined ? undefined : deltaSince(baseline.reading, reading, elapsedMs);
        const reset = baseline !== undefined && delta === undefined;
        if (baseline === undefined) counts.appeared++;
        if (reset) counts.resets++;
        if (delta?.wrapped === true) counts.wraps++;
        intervals.push({ reading, delta, reset, elapsedMs });
      }
      for (const [key, baseline] of baselines) {
        if (next.has(key)) continue;
        if (complete(key)) counts.vanished++;
        else next.set(key, baseline);
      }
      baselines = next;
      return { intervals, ...counts };
    },
  };
}

function deltaSince(before: Reading, now: Reading, elapsedMs: number): IoDelta | undefined {
  if (before.incarnation !== now.incarnation) return undefined;
  return ioDelta(before.counters, now.counters, elapsedMs, now.traits);
}
