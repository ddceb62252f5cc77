import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { intervalTracker } from './interval-tracker.ts';
import type { Reading } from './interval-tracker.ts';

const traits = { unitBytes: 512, bits: 64 } as const;

function reading(key: string, sectorsWritten: number, incarnation?: string): Reading {
  const counters = { readOps: 0, readUnits: 0, writeOps: sectorsWritten, writeUnits: sectorsWritten };
  return { key, counters, traits, incarnation };
}

const complete = (): boolean => true;
const unreadable = (): boolean => false;

describe('intervalTracker', () => {
  it('knows no delta for a first reading, then what was done since, over the time that really passed', () => {
    const tracker = intervalTracker();
    expect(tracker.track([reading('disk 8:0', 5000)], 0, complete)).toMatchObject({
      intervals: [{ delta: undefined, reset: false }],
      appeared: 1,
    });
    const { intervals } = tracker.track([reading('disk 8:0', 5010)], 61_000.5, complete);
    expect(intervals).toMatchObject([{ elapsedMs: 61_000.5, delta: { writeOps: 10, writeBytes: 5120 } }]);
  });

  it('knows no delta after a reset, says so, and counts from there', () => {
    const tracker = intervalTracker();
    tracker.track([reading('a 8:0', 5000)], 0, complete);
    expect(tracker.track([reading('a 8:0', 3)], 1000, complete)).toMatchObject({
      intervals: [{ delta: undefined, reset: true, elapsedMs: 1000 }],
      resets: 1,
    });
    expect(tracker.track([reading('a 8:0', 7)], 2000, complete).intervals[0]?.delta?.writeOps).toBe(4);
  });

  it('sees a device replaced under its name though its counters are larger', () => {
    const tracker = intervalTracker();
    tracker.track([reading('a 8:0', 10, 'sda 5')], 0, complete);
    expect(tracker.track([reading('a 8:0', 5000, 'sda 9')], 1000, complete)).toMatchObject({
      intervals: [{ delta: undefined, reset: true }],
      resets: 1,
    });
  });

  it('starts anew with a thing that vanished and came back', () => {
    const tracker = intervalTracker();
    tracker.track([reading('a 8:0', 10)], 0, complete);
    expect(tracker.track([], 1000, complete)).toMatchObject({ vanished: 1 });
    expect(tracker.size).toBe(0);
    expect(tracker.track([reading('a 8:0', 90)], 2000, complete)).toMatchObject({
      intervals: [{ delta: undefined, reset: false }],
      appeared: 1,
    });
  });

  it('bridges a time when the source could not be read with one longer interval', () => {
    const tracker = intervalTracker();
    tracker.track([reading('a 8:0', 10)], 0, complete);
    expect(tracker.track([], 1000, unreadable)).toMatchObject({ intervals: [], vanished: 0 });
    expect(tracker.track([reading('a 8:0', 14)], 2000, complete).intervals).toMatchObject([
      { elapsedMs: 2000, delta: { writeOps: 4 } },
    ]);
  });

  it('loses and doubles nothing, whatever is readable when: intervals add up to the last reading minus the first', () => {
    const step = fc.record({
      work: fc.nat(1000),
      elapsedMs: fc.integer({ min: 0, max: 5000 }),
      readable: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const tracker = intervalTracker();
        let sectors = 777;
        let nowMs = 0;
        let sum = 0;
        let sumMs = 0;
        tracker.track([reading('a 8:0', sectors)], nowMs, complete);
        for (const { work, elapsedMs, readable } of [...steps, { work: 0, elapsedMs: 1, readable: true }]) {
          sectors += work;
          nowMs += elapsedMs;
          const readings = readable ? [reading('a 8:0', sectors)] : [];
          for (const interval of tracker.track(readings, nowMs, unreadable).intervals) {
            sum += interval.delta?.writeOps ?? 0;
            sumMs += interval.elapsedMs;
          }
        }
        expect(sum).toBe(sectors - 777);
        expect(sumMs).toBe(nowMs);
      }),
    );
  });
});
