import fc from 'fast-check';
import { expect, test } from 'vitest';
import { intervalJoin, type JoinBuffers } from './interval-join.ts';

interface Side {
  readonly side: 'left' | 'right';
  readonly atMs: number;
}

interface Outcome {
  readonly pairs: string[];
  readonly unmatched: string[];
  readonly left: number;
}

/** Feeds events in this order as a processor would; late ones (behind the watermark) are dropped, as by `late: 'drop'`. */
function run(beforeMs: number, afterMs: number, latenessMs: number, events: readonly Side[]): Outcome {
  const join = intervalJoin<number, number>({ beforeMs, afterMs });
  let buffers: JoinBuffers<number, number> = { left: [], right: [] };
  let timerAtMs: number | undefined;
  let watermarkMs = -Infinity;
  const pairs: string[] = [];
  const unmatched: string[] = [];
  const expireTo = (limitMs: number): void => {
    while (timerAtMs !== undefined && timerAtMs <= limitMs) {
      const expired = join.expire(buffers, timerAtMs);
      unmatched.push(...expired.unmatchedLeft.map((id) => `L${id}`));
      unmatched.push(...expired.unmatchedRight.map((id) => `R${id}`));
      ({ buffers, timerAtMs } = expired);
    }
  };
  events.forEach(({ side, atMs }, id) => {
    watermarkMs = Math.max(watermarkMs, atMs - latenessMs);
    expireTo(watermarkMs);
    if (atMs < watermarkMs) return;
    const step = side === 'left' ? join.left(buffers, atMs, id) : join.right(buffers, atMs, id);
    pairs.push(...step.pairs.map(({ left, right }) => `${left}-${right}`));
    ({ buffers, timerAtMs } = step);
  });
  expireTo(Infinity);
  return { pairs, unmatched, left: buffers.left.length + buffers.right.length };
}

function bruteForce(beforeMs: number, afterMs: number, latenessMs: number, events: readonly Side[]): Outcome {
  let watermarkMs = -Infinity;
  const onTime = events
    .map((event, id) => ({ ...event, id }))
    .filter(({ atMs }) => {
      watermarkMs = Math.max(watermarkMs, atMs - latenessMs);
      return atMs >= watermarkMs;
    });
  const pairs: string[] = [];
  const matched = new Set<number>();
  for (const l of onTime.filter((event) => event.side === 'left')) {
    for (const r of onTime.filter((event) => event.side === 'right')) {
      if (r.atMs < l.atMs - beforeMs || r.atMs > l.atMs + afterMs) continue;
      pairs.push(`${l.id}-${r.id}`);
      matched.add(l.id).add(r.id);
    }
  }
  const unmatched = onTime
    .filter(({ id }) => !matched.has(id))
    .map(({ side, id }) => `${side === 'left' ? 'L' : 'R'}${id}`);
  return { pairs, unmatched, left: 0 };
}

const sorted = ({ pairs, unmatched, left }: Outcome): Outcome => ({
  pairs: [...pairs].sort(),
  unmatched: [...unmatched].sort(),
  left,
});

test('every pair on time is given once, every other event once as unmatched, whatever the order of arrival', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -8, max: 20 }),
      fc.integer({ min: 0, max: 20 }),
      fc.integer({ min: 0, max: 60 }),
      fc.array(
        fc.record({
          side: fc.constantFrom('left' as const, 'right' as const),
          atMs: fc.integer({ min: -50, max: 50 }),
        }),
        { maxLength: 40 },
      ),
      (beforeMs, widthMs, latenessMs, events) => {
        const afterMs = widthMs - beforeMs;
        const joined = run(beforeMs, afterMs, latenessMs, events);
        expect(sorted(joined)).toEqual(sorted(bruteForce(beforeMs, afterMs, latenessMs, events)));
      },
    ),
    { numRuns: 300 },
  );
});

test('a partner at the bound itself is met while the watermark stands at the bound', () => {
  const events: Side[] = [
    { side: 'left', atMs: 100 },
    { side: 'left', atMs: 105 },
    { side: 'right', atMs: 105 },
  ];
  expect(run(0, 5, 0, events).pairs).toEqual(['0-2', '1-2']);
});

test('pairs of one event come in the order of the times of its partners', () => {
  const join = intervalJoin<string, string>({ beforeMs: 10, afterMs: 10 });
  let { buffers } = join.right({ left: [], right: [] }, 7, 'seven');
  ({ buffers } = join.right(buffers, 3, 'three'));
  ({ buffers } = join.right(buffers, 5, 'five'));
  expect(join.left(buffers, 5, 'l').pairs.map(({ right }) => right)).toEqual(['three', 'five', 'seven']);
});

test('an empty interval is refused', () => {
  expect(() => intervalJoin({ beforeMs: 1, afterMs: -2 })).toThrow('is empty');
  expect(() => intervalJoin({ beforeMs: NaN, afterMs: 1 })).toThrow('is empty');
});
