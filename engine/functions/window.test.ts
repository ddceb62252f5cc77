import fc from 'fast-check';
import { expect, test } from 'vitest';
import { windows, type Window } from './window.ts';

/** Ids of the events in a window. */
type Ids = readonly number[];

interface Given {
  readonly window: Window<Ids>;
  readonly by: 'fire' | 'revision';
}

/** Feeds event times in this order as a processor would: the timer fires before the record that moves the watermark. */
function run(
  options: { sizeMs: number; hopMs?: number; graceMs?: number },
  times: readonly number[],
): { given: Given[]; missed: number; left: number } {
  const hopping = windows<Ids, number>({ ...options, zero: [], add: (ids, id) => [...ids, id] });
  let open: readonly Window<Ids>[] = [];
  let timerAtMs: number | undefined;
  let watermarkMs = -Infinity;
  let missed = 0;
  const given: Given[] = [];
  const fireDue = (): void => {
    while (timerAtMs !== undefined && timerAtMs <= watermarkMs) {
      const fired = hopping.fire(open, timerAtMs);
      given.push(...fired.closed.map((window) => ({ window, by: 'fire' as const })));
      open = fired.windows;
      timerAtMs = fired.timerAtMs;
    }
  };
  times.forEach((timeMs, id) => {
    watermarkMs = Math.max(watermarkMs, timeMs);
    fireDue();
    const added = hopping.add(open, timeMs, id, watermarkMs);
    given.push(...added.revised.map((window) => ({ window, by: 'revision' as const })));
    missed += added.missed;
    open = added.windows;
    timerAtMs = added.timerAtMs ?? timerAtMs;
    expect(open.map((w) => w.start_ms)).toEqual(open.map((w) => w.start_ms).sort((a, b) => a - b));
  });
  watermarkMs = Infinity;
  fireDue();
  return { given, missed, left: open.length };
}

/** Starts of the windows [start, start + size) at multiples of the hop that cover a time, by trying them all. */
function covering(sizeMs: number, hopMs: number, timeMs: number): number[] {
  const starts: number[] = [];
  for (let n = Math.floor((timeMs - sizeMs) / hopMs) - 2; n * hopMs <= timeMs; n += 1) {
    if (n * hopMs + sizeMs > timeMs) starts.push(n * hopMs);
  }
  return starts;
}

const shape = fc.record({ sizeMs: fc.integer({ min: 1, max: 30 }), hopMs: fc.integer({ min: 1, max: 30 }) });
const timesOf = fc.array(fc.integer({ min: -100, max: 100 }), { maxLength: 60 });

test('in order, each event is in each window that covers its time, and each window is given once', () => {
  fc.assert(
    fc.property(shape, timesOf, ({ sizeMs, hopMs }, unordered) => {
      const times = [...unordered].sort((a, b) => a - b);
      const expected = new Map<number, number[]>();
      times.forEach((timeMs, id) => {
        for (const start of covering(sizeMs, hopMs, timeMs))
          expected.set(start, [...(expected.get(start) ?? []), id]);
      });
      const { given, missed, left } = run({ sizeMs, hopMs }, times);
      expect(missed).toBe(0);
      expect(left).toBe(0);
      expect(given.every(({ by, window }) => by === 'fire' && window.version === 1)).toBe(true);
      expect(given.map(({ window }) => [window.start_ms, window.value])).toEqual(
        [...expected].sort(([a], [b]) => a - b),
      );
    }),
  );
});

test('out of order, an event counts once in each of its windows or is missed there; versions rise by one', () => {
  fc.assert(
    fc.property(shape, fc.integer({ min: 0, max: 40 }), timesOf, ({ sizeMs, hopMs }, graceMs, times) => {
      const { given, missed, left } = run({ sizeMs, hopMs, graceMs }, times);
      const last = new Map<number, Window<Ids>>();
      const firings = new Map<number, number>();
      for (const { window, by } of given) {
        const before = last.get(window.start_ms);
        expect(window.version).toBe((before?.version ?? 0) + 1);
        if (before !== undefined) expect(window.value.slice(0, -1)).toEqual(before.value);
        if (by === 'fire') firings.set(window.start_ms, (firings.get(window.start_ms) ?? 0) + 1);
        last.set(window.start_ms, window);
      }
      expect(left).toBe(0);
      expect([...firings.values()].every((count) => count === 1)).toBe(true);
      let watermarkMs = -Infinity;
      const expected = new Map<number, number[]>();
      let expectedMissed = 0;
      times.forEach((timeMs, id) => {
        watermarkMs = Math.max(watermarkMs, timeMs);
        for (const start of covering(sizeMs, hopMs, timeMs)) {
          if (start + sizeMs + graceMs <= watermarkMs) expectedMissed += 1;
          else expected.set(start, [...(expected.get(start) ?? []), id]);
        }
      });
      expect(missed).toBe(expectedMissed);
      expect(new Map([...last].map(([start, window]) => [start, window.value]))).toEqual(expected);
    }),
  );
});

test.each<[string, number, number, number[]]>([
  ['the start belongs to the window', 10, 10, [10]],
  ['the last millisecond belongs to it', 19, 10, [10]],
  ['the end belongs to the next', 20, 10, [20]],
  ['a time before the epoch', -1, 10, [-10]],
  ['a hop that does not divide the size', 20, 4, [12, 16, 20]],
  ['a hop beyond the size leaves gaps', 15, 12, [12]],
  ['a time in such a gap', 23, 12, []],
])('%s', (_, timeMs, hopMs, starts) => {
  const hopping = windows<number, number>({ sizeMs: 10, hopMs, zero: 0, add: (n) => n + 1 });
  const added = hopping.add([], timeMs, 1, -Infinity);
  expect(added.windows.map((window) => window.start_ms)).toEqual(starts);
});

test('a window of no size, a hop of none and a negative grace are refused', () => {
  const zero = { zero: 0, add: (n: number) => n };
  expect(() => windows({ ...zero, sizeMs: 0 })).toThrow('must be positive');
  expect(() => windows({ ...zero, sizeMs: 1, hopMs: 0 })).toThrow('must be positive');
  expect(() => windows({ ...zero, sizeMs: 1, graceMs: -1 })).toThrow('grace not negative');
  expect(() => windows({ ...zero, sizeMs: NaN })).toThrow('window size NaN');
});
