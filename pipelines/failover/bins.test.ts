import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IoSample } from '#schemas/failover/generated.ts';
import { addSample, emptyBinning, type Bin, type Binning } from './bins.ts';
import { sample, startMs } from './samples.fixture.ts';

const options = { binMs: 1000, maxGapBins: 100 };

function binsOf(samples: readonly IoSample[]): {
  bins: readonly [number, number | null][];
  last: Binning;
  restarts: number;
} {
  let binning = emptyBinning;
  const closed: Bin[] = [];
  let restarts = 0;
  for (const one of samples) {
    const binned = addSample(binning, one, options);
    binning = binned.binning;
    closed.push(...binned.closed);
    restarts += binned.restarted ? 1 : 0;
  }
  return { bins: closed.map(({ startMs: at, bytes }) => [at - startMs, bytes]), last: binning, restarts };
}

describe('bins from samples', () => {
  it('takes samples that match the bins as they are', () => {
    const { bins } = binsOf([sample(1000), sample(2000, { write_bytes: 7 })]);
    expect(bins).toEqual([
      [0, 1000],
      [1000, 7],
    ]);
  });

  it('spreads a sample over the bins that it overlaps', () => {
    const { bins } = binsOf([
      sample(1000),
      sample(3500, { interval_ms: 2500, write_bytes: 2500 }),
      sample(4000, { interval_ms: 500, write_bytes: 100 }),
    ]);
    expect(bins).toEqual([
      [0, 1000],
      [1000, 1000],
      [2000, 1000],
      [3000, 600],
    ]);
  });

  it('adds up short samples', () => {
    const quarters = Array.from({ length: 8 }, (_, i) =>
      sample((i + 1) * 250, { interval_ms: 250, write_bytes: i }),
    );
    expect(binsOf(quarters).bins).toEqual([
      [0, 6],
      [1000, 22],
    ]);
  });

  it('loses and doubles no byte, whatever the intervals', () => {
    const intervals = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 0, max: 1e9 })),
      { minLength: 1, maxLength: 50 },
    );
    fc.assert(
      fc.property(intervals, (pieces) => {
        let end = 0;
        let binning = emptyBinning;
        let sum = 0;
        for (const [interval_ms, write_bytes] of pieces) {
          end += interval_ms;
          const binned = addSample(binning, sample(end, { interval_ms, write_bytes }), options);
          binning = binned.binning;
          for (const { bytes } of binned.closed) {
            expect(bytes).toSatisfy(Number.isInteger);
            sum += bytes!;
          }
        }
        const total = pieces.reduce((all, [, bytes]) => all + bytes, 0);
        expect(sum + binning.open_bytes).toBe(total);
      }),
    );
  });

  it('calls a bin without samples missing, and not zero', () => {
    expect(binsOf([sample(1000), sample(4000)]).bins).toEqual([
      [0, 1000],
      [1000, null],
      [2000, null],
      [3000, 1000],
    ]);
  });

  it('calls a bin covered by less than half missing, and scales one covered by more', () => {
    const { bins } = binsOf([
      sample(1000),
      sample(1400, { interval_ms: 400 }),
      sample(3000, { interval_ms: 600, write_bytes: 600 }),
    ]);
    expect(bins).toEqual([
      [0, 1000],
      [1000, null],
      [2000, 1000],
    ]);
  });

  it('scales to whole bytes', () => {
    const { bins } = binsOf([sample(1700, { interval_ms: 700, write_bytes: 1000 }), sample(3500)]);
    expect(bins[0]).toEqual([1000, 1429]);
  });

  it('fills a gap of lost samples from the cumulative counter', () => {
    const before = sample(1000, { write_bytes_total: 10_000 });
    const after = sample(4000, { write_bytes: 500, write_bytes_total: 13_500 });
    expect(binsOf([before, after]).bins.map(([, bytes]) => bytes)).toEqual([1000, 1500, 1500, 500]);
  });

  it('fills the gap of an agent that started again: its first reading has a counter but no interval', () => {
    const first = sample(3000, { write_bytes: null, interval_ms: 0, write_bytes_total: 12_000 });
    expect(
      binsOf([sample(1000, { write_bytes_total: 10_000 }), first]).bins.map(([, bytes]) => bytes),
    ).toEqual([1000, 1000, 1000]);
  });

  it('knows nothing of the interval of a reset, nor of the gap before it', () => {
    const reset = sample(4000, { write_bytes: null, write_bytes_total: 50, counter_reset: true });
    const { bins } = binsOf([
      sample(1000, { write_bytes_total: 10_000 }),
      reset,
      sample(5000, { write_bytes_total: 1050 }),
    ]);
    expect(bins.map(([, bytes]) => bytes)).toEqual([1000, null, null, null, 1000]);
  });

  it('counts and ignores samples that are repeated or come after a later one', () => {
    const { bins, last } = binsOf([sample(1000), sample(2000), sample(2000), sample(1500), sample(3000)]);
    expect(bins.map(([, bytes]) => bytes)).toEqual([1000, 1000, 1000]);
    expect(last.ignored_samples).toBe(2);
  });

  it('takes a little disagreement of clocks for no gap and no overlap', () => {
    const { bins } = binsOf([
      sample(1000),
      sample(2010, { interval_ms: 995 }),
      sample(3000, { interval_ms: 1005 }),
    ]);
    const sum = bins.reduce((all, [, bytes]) => all + bytes!, 0);
    expect(bins).toHaveLength(3);
    expect(sum).toBe(3000);
  });

  it('starts anew after a gap too long to fill', () => {
    const { bins, restarts } = binsOf([sample(1000), sample(1_000_000)]);
    expect(restarts).toBe(1);
    expect(bins).toEqual([
      [0, 1000],
      [999_000, 1000],
    ]);
  });
});
