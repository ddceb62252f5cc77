/**
 * Session windows: events of a key closer than `gapMs` to each other belong to one session; an event between two
 * sessions merges them. State and timer belong to the processor, as with `windows`.
 *
 * I1  Sessions kept are at least `gapMs` apart, and in the order of their starts. Which events they join does not depend
 *     on the order of arrival.
 * I2  A session is given by `fire` once, when the watermark reaches its last event + `gapMs`.
 */

export interface Session<A> {
  readonly start_ms: number;
  /** Time of its last event. */
  readonly end_ms: number;
  readonly value: A;
}

export interface SessionOptions<A, E> {
  readonly gapMs: number;
  readonly zero: A;
  readonly add: (value: A, event: E) => A;
  readonly merge: (a: A, b: A) => A;
}

export interface Sessions<A, E> {
  add(
    sessions: readonly Session<A>[],
    eventTimeMs: number,
    event: E,
  ): { readonly sessions: readonly Session<A>[]; readonly timerAtMs: number | undefined };
  fire(
    sessions: readonly Session<A>[],
    nowMs: number,
  ): {
    readonly sessions: readonly Session<A>[];
    readonly closed: readonly Session<A>[];
    readonly timerAtMs: number | undefined;
  };
}

export function sessions<A, E>(options: SessionOptions<A, E>): Sessions<A, E> {
  const { gapMs, zero, add, merge } = options;
  if (!(gapMs > 0)) throw new RangeError(`session gap ${gapMs} ms: it must be positive`);
  const timerFor = (list: readonly Session<A>[]): number | undefined =>
    list[0] === undefined ? undefined : list[0].end_ms + gapMs;
  return {
    add(list, eventTimeMs, event) {
      const near = list.filter((s) => eventTimeMs > s.start_ms - gapMs && eventTimeMs < s.end_ms + gapMs);
      const start = Math.min(eventTimeMs, ...near.map((s) => s.start_ms));
      const end = Math.max(eventTimeMs, ...near.map((s) => s.end_ms));
      const value = add(near.length === 0 ? zero : near.map((s) => s.value).reduce(merge), event);
      const kept = [...list.filter((s) => !near.includes(s)), { start_ms: start, end_ms: end, value }];
      kept.sort((a, b) => a.start_ms - b.start_ms);
      return { sessions: kept, timerAtMs: timerFor(kept) };
    },
    fire(list, nowMs) {
      const closed = list.filter((s) => s.end_ms + gapMs <= nowMs);
      const kept = list.filter((s) => s.end_ms + gapMs > nowMs);
      return { sessions: kept, closed, timerAtMs: timerFor(kept) };
    },
  };
}
