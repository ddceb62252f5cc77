/**
 * Interval join: a left event at time t meets the right events of its key at times in [t - beforeMs, t + afterMs].
 *
 * I1  Every pair within the interval is given exactly once, whatever the order of arrival, as long as neither was late.
 * I2  A buffered event is dropped, and given as unmatched if it met nothing, once the watermark shows that no partner
 *     can come any more.
 */

export interface Buffered<E> {
  readonly at_ms: number;
  readonly matched: boolean;
  readonly event: E;
}

export interface JoinBuffers<L, R> {
  readonly left: readonly Buffered<L>[];
  readonly right: readonly Buffered<R>[];
}

export interface JoinStep<L, R> {
  readonly buffers: JoinBuffers<L, R>;
  /** Pairs that this event completes, in the order of the partner's time. */
  readonly pairs: readonly { readonly left: L; readonly right: R }[];
  /** When `expire` has something to do; undefined when nothing is buffered. */
  readonly timerAtMs: number | undefined;
}

export interface IntervalJoin<L, R> {
  left(buffers: JoinBuffers<L, R>, atMs: number, event: L): JoinStep<L, R>;
  right(buffers: JoinBuffers<L, R>, atMs: number, event: R): JoinStep<L, R>;
  expire(
    buffers: JoinBuffers<L, R>,
    watermarkMs: number,
  ): {
    readonly buffers: JoinBuffers<L, R>;
    readonly unmatchedLeft: readonly L[];
    readonly unmatchedRight: readonly R[];
    readonly timerAtMs: number | undefined;
  };
}

export function intervalJoin<L, R>({
  beforeMs,
  afterMs,
}: {
  readonly beforeMs: number;
  readonly afterMs: number;
}): IntervalJoin<L, R> {
  if (!(beforeMs + afterMs >= 0)) throw new RangeError(`interval [-${beforeMs}, +${afterMs}] ms is empty`);
  // A left event waits for rights up to t + after; a right event for lefts up to t + before. At the bound itself a
  // partner may still come, so both leave once the watermark is past it.
  const leftLeaves = (entry: Buffered<L>): number => entry.at_ms + Math.max(afterMs, 0) + 1;
  const rightLeaves = (entry: Buffered<R>): number => entry.at_ms + Math.max(beforeMs, 0) + 1;
  const timerFor = ({ left, right }: JoinBuffers<L, R>): number | undefined => {
    // Both lists are in the order of time, so their first events leave first.
    const [l, r] = [left[0], right[0]];
    if (l === undefined) return r === undefined ? undefined : rightLeaves(r);
    return r === undefined ? leftLeaves(l) : Math.min(leftLeaves(l), rightLeaves(r));
  };
  const meets = (leftAt: number, rightAt: number): boolean =>
    rightAt >= leftAt - beforeMs && rightAt <= leftAt + afterMs;
  return {
    left({ left, right }, atMs, event) {
      const partners = right.filter((r) => meets(atMs, r.at_ms));
      const buffers = {
        left: inTimeOrder(left, { at_ms: atMs, matched: partners.length > 0, event }),
        right: right.map((r) => (r.matched || !meets(atMs, r.at_ms) ? r : { ...r, matched: true })),
      };
      return {
        buffers,
        pairs: partners.map((r) => ({ left: event, right: r.event })),
        timerAtMs: timerFor(buffers),
      };
    },
    right({ left, right }, atMs, event) {
      const partners = left.filter((l) => meets(l.at_ms, atMs));
      const buffers = {
        left: left.map((l) => (l.matched || !meets(l.at_ms, atMs) ? l : { ...l, matched: true })),
        right: inTimeOrder(right, { at_ms: atMs, matched: partners.length > 0, event }),
      };
      return {
        buffers,
        pairs: partners.map((l) => ({ left: l.event, right: event })),
        timerAtMs: timerFor(buffers),
      };
    },
    expire({ left, right }, watermarkMs) {
      const leavingLeft = left.filter((l) => leftLeaves(l) <= watermarkMs);
      const leavingRight = right.filter((r) => rightLeaves(r) <= watermarkMs);
      const buffers = {
        left: left.filter((l) => leftLeaves(l) > watermarkMs),
        right: right.filter((r) => rightLeaves(r) > watermarkMs),
      };
      return {
        buffers,
        unmatchedLeft: leavingLeft.filter((l) => !l.matched).map((l) => l.event),
        unmatchedRight: leavingRight.filter((r) => !r.matched).map((r) => r.event),
        timerAtMs: timerFor(buffers),
      };
    },
  };
}

function inTimeOrder<E>(list: readonly Buffered<E>[], entry: Buffered<E>): readonly Buffered<E>[] {
  const at = list.findIndex((other) => other.at_ms > entry.at_ms);
  return at < 0 ? [...list, entry] : [...list.slice(0, at), entry, ...list.slice(at)];
}
