import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Watermark } from './watermark.ts';

type Step =
  | { readonly record: number; readonly at: number }
  | { readonly tick: number; readonly behind?: readonly number[] }
  | { readonly touch: number };

interface Case {
  readonly partitions: readonly (readonly [allowedLatenessMs: number, idleAfterMs: number])[];
  /** Steps, each with the watermark after it. */
  readonly steps: readonly (readonly [Step, number])[];
}

const cases: readonly (readonly [string, Case])[] = [
  [
    'of one partition is its largest event time, and never goes back',
    {
      partitions: [[0, 1_000]],
      steps: [
        [{ tick: 0 }, -Infinity],
        [{ record: 0, at: 100 }, 100],
        [{ record: 0, at: 50 }, 100],
        [{ record: 0, at: 101 }, 101],
      ],
    },
  ],
  [
    'stays behind by the allowed lateness',
    {
      partitions: [[30, 1_000]],
      steps: [
        [{ record: 0, at: 100 }, 70],
        [{ record: 0, at: 99 }, 70],
        [{ record: 0, at: -5 }, 70],
      ],
    },
  ],
  [
    'of several partitions is the minimum, each with its own lateness, once all have spoken',
    {
      partitions: [
        [0, 1_000],
        [10, 1_000],
        [0, 1_000],
      ],
      steps: [
        [{ tick: 0 }, -Infinity],
        [{ record: 0, at: 100 }, -Infinity],
        [{ record: 1, at: 50 }, -Infinity],
        [{ record: 2, at: 90 }, 40],
        [{ record: 1, at: 101 }, 90],
        [{ record: 2, at: 200 }, 91],
      ],
    },
  ],
  [
    'is not held back by an idle partition, even one that never spoke',
    {
      partitions: [
        [0, 1_000],
        [0, 1_000],
      ],
      steps: [
        [{ tick: 0 }, -Infinity],
        [{ record: 0, at: 100 }, -Infinity],
        [{ tick: 999 }, -Infinity],
        [{ record: 0, at: 200 }, -Infinity],
        [{ tick: 1_000 }, 200],
      ],
    },
  ],
  [
    'waits for a partition that is not read to its end, however long it takes',
    {
      partitions: [
        [0, 1_000],
        [0, 1_000],
      ],
      steps: [
        [{ tick: 0 }, -Infinity],
        [{ record: 0, at: 100 }, -Infinity],
        [{ tick: 5_000, behind: [0, 1] }, -Infinity],
        [{ tick: 5_999, behind: [0] }, -Infinity],
        [{ tick: 6_000, behind: [0] }, 100],
      ],
    },
  ],
  [
    'counts idleness from what was read even if it had no event time',
    {
      partitions: [
        [0, 1_000],
        [0, 1_000],
      ],
      steps: [
        [{ tick: 0 }, -Infinity],
        [{ tick: 900 }, -Infinity],
        [{ touch: 1 }, -Infinity],
        [{ record: 0, at: 100 }, -Infinity],
        [{ tick: 1_899 }, -Infinity],
        [{ record: 0, at: 101 }, -Infinity],
        [{ tick: 1_900 }, 101],
      ],
    },
  ],
  [
    'goes on at the pace of the wall clock when all are idle, from when the last became so',
    {
      partitions: [
        [0, 1_000],
        [0, 5_000],
      ],
      steps: [
        [{ tick: 10_000 }, -Infinity],
        [{ record: 0, at: 700 }, -Infinity],
        [{ record: 1, at: 300 }, 300],
        [{ tick: 11_000 }, 300],
        [{ tick: 14_999 }, 300],
        [{ tick: 15_000 }, 700],
        [{ tick: 15_250 }, 950],
        [{ tick: 17_000 }, 2_700],
      ],
    },
  ],
  [
    'does not go back when an idle partition speaks again with old events',
    {
      partitions: [
        [0, 1_000],
        [0, 1_000],
      ],
      steps: [
        [{ tick: 0 }, -Infinity],
        [{ record: 0, at: 500 }, -Infinity],
        [{ record: 1, at: 100 }, 100],
        [{ tick: 500 }, 100],
        [{ record: 0, at: 600 }, 100],
        [{ tick: 1_000 }, 600],
        [{ record: 1, at: 150 }, 600],
        [{ record: 0, at: 900 }, 600],
        [{ record: 1, at: 800 }, 800],
      ],
    },
  ],
  [
    'stands still without any event, however long',
    {
      partitions: [[0, 10]],
      steps: [
        [{ tick: 0 }, -Infinity],
        [{ tick: 1_000_000 }, -Infinity],
      ],
    },
  ],
  [
    'takes a wall clock that jumps back as standing still',
    {
      partitions: [[0, 1_000]],
      steps: [
        [{ tick: 10_000 }, -Infinity],
        [{ record: 0, at: 0 }, 0],
        [{ tick: 12_000 }, 1_000],
        [{ tick: 2_000 }, 1_000],
        [{ tick: 12_001 }, 1_001],
      ],
    },
  ],
];

function applied(watermark: Watermark, step: Step): number {
  if ('record' in step) return watermark.record(step.record, step.at);
  if ('tick' in step) return watermark.tick(step.tick, (i) => !(step.behind ?? []).includes(i));
  watermark.touch(step.touch);
  return watermark.currentMs;
}

function made({ partitions }: Case): Watermark {
  const watermark = new Watermark();
  for (const [latenessMs, idleAfterMs] of partitions) watermark.add(latenessMs, idleAfterMs);
  return watermark;
}

test.each(cases)('the watermark %s', (_, one) => {
  const watermark = made(one);
  expect(one.steps.map(([step]) => applied(watermark, step))).toEqual(one.steps.map(([, mark]) => mark));
});

test.each(cases)('saved and restored after each step, the watermark %s', (_, one) => {
  let watermark = made(one);
  for (const [step, mark] of one.steps) {
    const restored = made(one);
    restored.restore(
      watermark.currentMs,
      watermark.wallMs,
      watermark.partitions.map((partition) => ({ ...partition })),
    );
    watermark = restored;
    expect(applied(watermark, step)).toBe(mark);
  }
});

/** Both hear every record, with a tick before it; one is spared the ticks in between that do not matter. */
test('without the ticks that do not matter it is never ahead, the same while all is read, and reaches a limit at the same tick', () => {
  const step = fc.record({
    afterMs: fc.integer({ min: 1, max: 400 }),
    behind: fc.constantFrom<readonly number[]>([], [], [], [0], [1], [0, 1]),
    record: fc.option(fc.record({ index: fc.nat(1), aheadMs: fc.integer({ min: -500, max: 100 }) })),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 0, max: 8_000 }), (steps, limitMs) => {
      const all = new Watermark();
      const spared = new Watermark();
      for (const mark of [all, spared]) {
        mark.add(50, 700);
        mark.add(0, 1_500);
      }
      let wallMs = 0;
      let isHeldBack = false;
      for (const { afterMs, behind, record } of steps) {
        wallMs += afterMs;
        isHeldBack ||= behind.length > 0;
        const caughtUp = (index: number): boolean => !behind.includes(index);
        const isDue = all.tick(wallMs, caughtUp) >= limitMs;
        if (spared.tickMatters(wallMs, caughtUp, limitMs) || record !== null) spared.tick(wallMs, caughtUp);
        expect(spared.currentMs >= limitMs).toBe(isDue);
        if (record === null) continue;
        for (const mark of [all, spared]) mark.record(record.index, wallMs + record.aheadMs);
        // A partition that was idle at ticks left out, and has something to read before the next one, was never idle to it.
        if (isHeldBack) expect(spared.currentMs).toBeLessThanOrEqual(all.currentMs);
        else expect(spared.currentMs).toBe(all.currentMs);
        expect(spared.partitions).toEqual(all.partitions);
      }
    }),
    {
      examples: [
        // Idle at 1,501 by a tick left out, and read from at 1,502.
        [
          [
            ...[1, 218, 315, 208, 119].map((afterMs) => ({ afterMs, behind: [], record: null })),
            { afterMs: 375, behind: [], record: { index: 0, aheadMs: 0 } },
            { afterMs: 265, behind: [], record: null },
            { afterMs: 1, behind: [1], record: null },
            { afterMs: 1, behind: [], record: { index: 0, aheadMs: 0 } },
          ],
          1_187,
        ],
      ],
    },
  );
});
