import { describe, expect, it } from 'vitest';
import { replicationNeeds as needStream } from '#schemas/failover/generated.ts';
import { replicationNeeds } from './replication-needs.ts';
import { everySecond, resultsOf, startMs } from './samples.fixture.ts';
import { vectors } from './vectors.fixture.ts';

const needs = (bytes: readonly (number | null)[], parameters = {}) =>
  resultsOf(replicationNeeds, needStream, everySecond(bytes), parameters);

describe('what replication needs and attains', () => {
  it.each([
    { bandwidth: 20, queue: 10, attained: 2000, violations: 1, longest: 1000 },
    { bandwidth: 25, queue: 0, attained: 1000, violations: 0, longest: 0 },
  ])(
    'is as published over a link of $bandwidth bytes/s',
    ({ bandwidth, queue, attained, violations, longest }) => {
      const [row, ...more] = needs(vectors.rpo_queue.W, { bandwidth, rpoTargetMs: 1000 });
      expect(more).toEqual([]);
      expect(row).toMatchObject({
        window_start: startMs,
        window_end: startMs + 5000,
        bins: 5,
        written_bytes: 90,
        peak_rate: 50,
        bandwidth_100: vectors.rpo_queue.minB_for_R1,
        queue_bytes: queue,
        attained_rpo_ms: attained,
        violation_bins: violations,
        longest_violation_ms: longest,
        step_bins: 5,
        missing_bins: 0,
        rpo_beyond_window: false,
      });
    },
  );

  it('needs less for 90 % of the time than for all of it', () => {
    const bytes = Array.from({ length: 20 }, (_, i) => (i === 7 ? 1000 : 10));
    const row = needs(bytes, { rpoTargetMs: 1000, stepBins: 20 })[0]!;
    expect(row.bandwidth_100).toBe(500);
    expect(row.bandwidth_90).toBeLessThan(row.bandwidth_100);
  });

  it('keeps the backlog of a burst from row to row, and adds its violations up without overlap', () => {
    const bytes = [0, 0, 0, 0, 100, ...Array.from({ length: 15 }, () => 0)];
    const rows = needs(bytes, { bandwidth: 10, rpoTargetMs: 3000 });
    expect(rows.map(({ queue_bytes }) => queue_bytes)).toEqual([90, 40, 0, 0]);
    expect(rows.map(({ step_bins }) => step_bins)).toEqual([5, 5, 5, 5]);
    // Written in second 4; unsent for over three seconds from second 7 to 12.
    expect(rows.map(({ violation_bins }) => violation_bins)).toEqual([0, 3, 3, 0]);
    expect(rows.map(({ longest_violation_ms }) => longest_violation_ms)).toEqual([0, 3000, 6000, 0]);
  });

  it('slides its window', () => {
    const rows = needs([...Array.from({ length: 5 }, () => 900), ...Array.from({ length: 10 }, () => 1)], {
      windowBins: 10,
    });
    expect(rows.map(({ bins, peak_rate }) => [bins, peak_rate])).toEqual([
      [5, 900],
      [10, 900],
      [10, 1],
    ]);
  });

  it('says that an age is a lower bound when the oldest unsent byte left the window', () => {
    const rows = needs(
      Array.from({ length: 10 }, () => 100),
      { bandwidth: 1, windowBins: 5, rpoTargetMs: 2000 },
    );
    expect(
      rows.map(({ attained_rpo_ms, rpo_beyond_window }) => [attained_rpo_ms, rpo_beyond_window]),
    ).toEqual([
      [5000, false],
      [5000, true],
    ]);
  });

  it('lets the mean stand for bins without samples, and counts them', () => {
    const row = needs([30, null, 10, 30, 30])[0]!;
    expect(row).toMatchObject({ missing_bins: 1, written_bytes: 125, bins: 5 });
  });
});
