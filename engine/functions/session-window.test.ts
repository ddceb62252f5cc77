import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sessions, type Session } from './session-window.ts';

type Ids = readonly number[];

const byId = (a: number, b: number): number => a - b;

function counting(gapMs: number) {
  return sessions<Ids, number>({
    gapMs,
    zero: [],
    add: (ids, id) => [...ids, id],
    merge: (a, b) => [...a, ...b],
  });
}

/** Sessions of times by their definition: sorted, cut where two neighbours are `gapMs` or more apart. */
function cut(gapMs: number, times: readonly number[]): Session<Ids>[] {
  const found: { start_ms: number; end_ms: number; value: number[] }[] = [];
  const order = times.map((timeMs, id) => ({ timeMs, id })).sort((a, b) => a.timeMs - b.timeMs);
  for (const { timeMs, id } of order) {
    const last = found.at(-1);
    if (last !== undefined && timeMs - last.end_ms < gapMs) {
      last.end_ms = timeMs;
      last.value.push(id);
    } else found.push({ start_ms: timeMs, end_ms: timeMs, value: [id] });
  }
  return found.map((session) => ({ ...session, value: session.value.sort(byId) }));
}

const sorted = (list: readonly Session<Ids>[]): Session<Ids>[] =>
  list.map((session) => ({ ...session, value: [...session.value].sort(byId) }));

const gap = fc.integer({ min: 1, max: 15 });
const timesOf = fc.array(fc.integer({ min: -100, max: 100 }), { maxLength: 40 });

test('sessions are the same whatever the order of arrival, and merge where an event closes a gap', () => {
  fc.assert(
    fc.property(gap, timesOf, (gapMs, times) => {
      const joining = counting(gapMs);
      let open: readonly Session<Ids>[] = [];
      times.forEach((timeMs, id) => {
        const added = joining.add(open, timeMs, id);
        open = added.sessions;
        expect(added.timerAtMs).toBe(Math.min(...open.map((session) => session.end_ms + gapMs)));
      });
      expect(sorted(open)).toEqual(cut(gapMs, times));
    }),
  );
});

test('in order and fired by the watermark, every session is given once, when no event can join it any more', () => {
  fc.assert(
    fc.property(gap, timesOf, (gapMs, unordered) => {
      const joining = counting(gapMs);
      const times = [...unordered].sort((a, b) => a - b);
      const closed: Session<Ids>[] = [];
      let open: readonly Session<Ids>[] = [];
      let timerAtMs: number | undefined;
      const fireTo = (watermarkMs: number): void => {
        while (timerAtMs !== undefined && timerAtMs <= watermarkMs) {
          const fired = joining.fire(open, timerAtMs);
          closed.push(...fired.closed);
          ({ sessions: open, timerAtMs } = fired);
        }
      };
      times.forEach((timeMs, id) => {
        fireTo(timeMs);
        ({ sessions: open, timerAtMs } = joining.add(open, timeMs, id));
      });
      fireTo(Infinity);
      expect(open).toEqual([]);
      expect(sorted(closed)).toEqual(cut(gapMs, times));
    }),
  );
});

test.each<[string, number[], [number, number][]]>([
  [
    'exactly the gap apart are two sessions',
    [0, 10],
    [
      [0, 0],
      [10, 10],
    ],
  ],
  [
    'exactly the gap apart, in the other order, too',
    [10, 0],
    [
      [0, 0],
      [10, 10],
    ],
  ],
  ['one millisecond closer are one', [0, 9], [[0, 9]]],
  ['an event between two sessions merges them', [0, 18, 9], [[0, 18]]],
])('events %s', (_, times, expected) => {
  const joining = counting(10);
  let open: readonly Session<Ids>[] = [];
  times.forEach((timeMs, id) => ({ sessions: open } = joining.add(open, timeMs, id)));
  expect(open.map((session) => [session.start_ms, session.end_ms])).toEqual(expected);
});

test('a gap that is not positive is refused', () => {
  expect(() => counting(0)).toThrow('must be positive');
});
