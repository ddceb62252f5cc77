import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bandwidthDemands, leastBandwidth } from './least-bandwidth.ts';
import { oldestUnsentBins, queueAfterBin } from './replication-queue.ts';
import { vectors } from './vectors.fixture.ts';

/** B* by its definition: the maximum over all s < t of (A(t) - A(s)) / ((t - s) + R). */
function byDefinition(written: readonly number[], rpoBins: number): number {
  let best = 0;
  for (let s = 0; s < written.length; s++) {
    let volume = 0;
    for (let t = s + 1; t <= written.length; t++) {
      volume += written[t - 1]!;
      best = Math.max(best, volume / (t - s + rpoBins));
    }
  }
  return best;
}

/** Share of bins all of whose data is sent `rpoBins` after its end, by simulating the queue past the end of the series. */
function shareMet(written: readonly number[], rpoBins: number, perBin: number): number {
  const padded = [...written, ...Array.from({ length: rpoBins }, () => 0)];
  let queue = 0;
  let met = 0;
  padded.forEach((bytes, t) => {
    queue = queueAfterBin(queue, bytes, perBin);
    if (t < rpoBins) return;
    if (oldestUnsentBins(queue, padded.slice(0, t + 1))! <= rpoBins) met += 1;
  });
  return met / written.length;
}

const series = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 60 });

describe('least bandwidth for a recovery point objective', () => {
  it('is 25 bytes per bin for the published series and an objective of one bin', () => {
    const { W, minB_for_R1: expected } = vectors.rpo_queue;
    expect(leastBandwidth(bandwidthDemands(W, 1), 1)).toBe(expected);
  });

  it('is the maximum of the definition, whole and fractional objectives alike', () => {
    fc.assert(
      fc.property(series, fc.double({ min: 0, max: 20, noNaN: true }), (written, rpoBins) => {
        const expected = byDefinition(written, rpoBins);
        expect(leastBandwidth(bandwidthDemands(written, rpoBins), 1)).toBeCloseTo(expected, 9);
      }),
    );
  });

  it.each([1, 0.9, 0.5])(
    'just meets the objective for a share %d of the bins, in a simulated queue',
    (share) => {
      fc.assert(
        fc.property(series, fc.integer({ min: 1, max: 8 }), (written, rpoBins) => {
          const perBin = leastBandwidth(bandwidthDemands(written, rpoBins), share);
          // A hair more, or rounding in the simulation leaves the last fraction of a byte unsent.
          expect(shareMet(written, rpoBins, perBin * (1 + 1e-9) + 1e-9)).toBeGreaterThanOrEqual(share - 1e-9);
          if (perBin > 0) expect(shareMet(written, rpoBins, perBin * (1 - 1e-6))).toBeLessThan(share);
        }),
      );
    },
  );

  it('needs less for 90 % of the time than for all of it when one burst sticks out', () => {
    const written = Array.from({ length: 100 }, (_, i) => (i === 50 ? 1000 : 10));
    const demands = bandwidthDemands(written, 1);
    expect(leastBandwidth(demands, 1)).toBe(500);
    expect(leastBandwidth(demands, 0.9)).toBeLessThan(100);
  });

  it('is 0 for no bins and for no writes', () => {
    expect(leastBandwidth(bandwidthDemands([], 3), 1)).toBe(0);
    expect(leastBandwidth(bandwidthDemands([0, 0, 0], 3), 0.9)).toBe(0);
  });
});
