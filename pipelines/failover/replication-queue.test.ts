import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { replicationNeeds as needStream } from '#schemas/failover/generated.ts';
import { addSample, emptyBinning } from './bins.ts';
import { replicationNeeds } from './replication-needs.ts';
import { oldestUnsentBins, queueAfterBin } from './replication-queue.ts';
import { resultsOf, sample } from './samples.fixture.ts';
import { vectors } from './vectors.fixture.ts';

function simulate(written: readonly number[], perBin: number): { Q: number[]; rpo_bins: (number | null)[] } {
  const Q: number[] = [];
  const ages: (number | null)[] = [];
  let queue = 0;
  written.forEach((bytes, t) => {
    queue = queueAfterBin(queue, bytes, perBin);
    Q.push(queue);
    ages.push(oldestUnsentBins(queue, written.slice(0, t + 1)));
  });
  return { Q, rpo_bins: ages };
}

/** The same queue as a list of what is unsent, each with its bin, in exact whole numbers. */
function simulateExactly(written: readonly bigint[], perBin: bigint): number[] {
  const unsent: { bin: number; bytes: bigint }[] = [];
  return written.map((bytes, bin) => {
    unsent.push({ bin, bytes });
    let room = perBin;
    for (let oldest = unsent[0]; oldest !== undefined && oldest.bytes <= room; oldest = unsent[0]) {
      room -= oldest.bytes;
      unsent.shift();
    }
    if (unsent[0] !== undefined) unsent[0].bytes -= room;
    return unsent[0] === undefined ? 0 : bin - unsent[0].bin + 1;
  });
}

/** Samples of a disk: uneven intervals, each a piece of one bin or of several. */
const pieces = fc.array(fc.tuple(fc.integer({ min: 300, max: 1700 }), fc.integer({ min: 0, max: 1e6 })), {
  minLength: 5,
  maxLength: 40,
});

function samplesOf(intervals: readonly (readonly [number, number])[]) {
  let endMs = 0;
  return intervals.map(([interval_ms, write_bytes]) => {
    endMs += interval_ms;
    return sample(endMs, { interval_ms, write_bytes });
  });
}

describe('replication queue', () => {
  const { W, B20, B25 } = vectors.rpo_queue;
  it.each([
    { perBin: 20, expected: B20 },
    { perBin: 25, expected: B25 },
  ])('follows the fluid model at $perBin bytes per bin', ({ perBin, expected }) => {
    expect(simulate(W, perBin)).toEqual({ Q: expected.Q, rpo_bins: expected.rpo_bins });
  });

  it('has the ages of a queue of whole bytes, over samples of any interval', () => {
    fc.assert(
      fc.property(pieces, fc.integer({ min: 1, max: 1e6 }), (intervals, perBin) => {
        let binning = emptyBinning;
        const written: number[] = [];
        for (const one of samplesOf(intervals)) {
          const binned = addSample(binning, one, { binMs: 1000, maxGapBins: 100 });
          binning = binned.binning;
          written.push(...binned.closed.map(({ bytes }) => bytes!));
        }
        expect(simulate(written, perBin).rpo_bins).toEqual(
          simulateExactly(written.map(BigInt), BigInt(perBin)),
        );
      }),
    );
  });

  it('keeps whole bytes in the processor, whatever the bandwidth and where bins are missing', () => {
    fc.assert(
      fc.property(pieces, fc.double({ min: 1, max: 1e6, noNaN: true }), (intervals, bandwidth) => {
        const samples = samplesOf(intervals).filter((_, i) => i % 7 !== 3);
        for (const row of resultsOf(replicationNeeds, needStream, samples, { bandwidth })) {
          expect([row.queue_bytes, row.written_bytes]).toSatisfy((all: number[]) =>
            all.every(Number.isInteger),
          );
        }
      }),
      { numRuns: 20 },
    );
  });

  it('says that the oldest unsent byte is older than the bins it knows, instead of guessing', () => {
    expect(oldestUnsentBins(31, [10, 20])).toBeNull();
    expect(oldestUnsentBins(30, [10, 20])).toBe(2);
  });
});
