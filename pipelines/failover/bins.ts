/**
 * From samples of uneven intervals to bins of even length: a sample's bytes are spread over the bins that its interval
 * overlaps, in proportion.
 *
 * I1  Bytes are neither lost nor counted twice: what a sample adds to bins sums to its bytes, and time that an earlier
 *     sample has covered is not covered again. Bins hold whole bytes, rounded so that they still sum to the sample's: with
 *     fractions, a residue of 1e-10 bytes would count as unsent, and make the oldest unsent byte a bin older.
 * I2  Missing is not zero: a bin that samples cover by less than half has the value null. One covered in part is scaled
 *     up to its length.
 * I3  Where samples were lost, the cumulative counter tells the bytes of the gap: they are spread over it evenly.
 */
import { counterRate } from '#engine/functions/rate.ts';
import type { IoSample, PredictionBinning } from '#schemas/failover/generated.ts';
import { replicationBytes } from './io-series.ts';

/** The bin being filled; a part of a processor's state. */
export type Binning = PredictionBinning;

export const emptyBinning: Binning = {
  open_start: 0,
  open_bytes: 0,
  open_covered_ms: 0,
  last_end: 0,
  last_total: null,
  ignored_samples: 0,
};

/** A bin that is over. */
export interface Bin {
  readonly startMs: number;
  /** Bytes written in it; null: not known. */
  readonly bytes: number | null;
}

export interface Binned {
  readonly binning: Binning;
  /** Bins that this sample ended, in order, without gaps. */
  readonly closed: readonly Bin[];
  /** Whether the gap before this sample was longer than `maxGapBins`: the bins in it are not listed. */
  readonly restarted: boolean;
}

export interface BinOptions {
  readonly binMs: number;
  readonly maxGapBins: number;
}

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
  readonly bytes: number;
}

/** Adds a sample. One that ends at or before the last one used is counted and ignored: repeated or out of order. */
export function addSample(binning: Binning, sample: IoSample, options: BinOptions): Binned {
  const endMs = sample.sampled_at;
  if (binning.last_end > 0 && endMs <= binning.last_end) {
    return {
      binning: { ...binning, ignored_samples: binning.ignored_samples + 1 },
      closed: [],
      restarted: false,
    };
  }
  const { binMs, maxGapBins } = options;
  const { startMs, spans } = spansOf(binning, sample);
  const first = binning.last_end === 0;
  const restarted = !first && startMs - binning.open_start > maxGapBins * binMs;
  const fresh = first || restarted;
  const used = fresh ? spans.filter((span) => span.fromMs >= startMs) : spans;
  const openStart = fresh ? Math.floor(startMs / binMs) * binMs : binning.open_start;
  const fill = new Filling(
    openStart,
    binMs,
    fresh ? 0 : binning.open_bytes,
    fresh ? 0 : binning.open_covered_ms,
  );
  for (const span of used) fill.add(span);
  fill.closeUntil(endMs);
  return {
    binning: {
      open_start: fill.startMs,
      open_bytes: fill.bytes,
      open_covered_ms: fill.coveredMs,
      last_end: endMs,
      last_total: sample.write_bytes_total,
      ignored_samples: binning.ignored_samples,
    },
    closed: fill.closed,
    restarted,
  };
}

/** The spans of time that a sample tells the bytes of, oldest first: the gap before it, if any, and its own interval. */
function spansOf(binning: Binning, sample: IoSample): { startMs: number; spans: readonly Span[] } {
  const endMs = sample.sampled_at;
  const bytes = replicationBytes(sample);
  // Without bytes of its own (an agent's first reading) all that the counter tells belongs to the time before.
  const reported = bytes === null && !sample.counter_reset ? endMs : endMs - sample.interval_ms;
  const lastMs = binning.last_end;
  // Wall clocks jitter against the monotonic interval; less than half an interval is no lost sample.
  const gap = lastMs > 0 && reported - lastMs > (bytes === null ? 0 : sample.interval_ms / 2);
  const startMs = lastMs > 0 && !gap ? lastMs : reported;
  const spans: Span[] = [];
  const inGap = gap ? bytesInGap(binning, sample, bytes ?? 0) : null;
  if (inGap !== null) spans.push({ fromMs: lastMs, toMs: startMs, bytes: inGap });
  if (bytes !== null && endMs > startMs) spans.push({ fromMs: startMs, toMs: endMs, bytes });
  return { startMs, spans };
}

function bytesInGap(binning: Binning, sample: IoSample, ownBytes: number): number | null {
  const { last_total: before, last_end: lastMs } = binning;
  if (before === null || sample.write_bytes_total === null || sample.counter_reset) return null;
  const rate = counterRate(
    { at_ms: lastMs, value: before },
    { at_ms: sample.sampled_at, value: sample.write_bytes_total },
  );
  // Unique bytes may be fewer than written ones; the difference then bounds those of the gap from above.
  return rate.kind === 'rate' && rate.delta >= ownBytes ? rate.delta - ownBytes : null;
}

/** The span's bytes up to a time, rounded: differences of these are whole and sum to all of them. */
function bytesUntil(span: Span, timeMs: number): number {
  if (timeMs >= span.toMs) return span.bytes;
  return Math.round(span.bytes * ((timeMs - span.fromMs) / (span.toMs - span.fromMs)));
}

/** Fills bins from the open one on. */
class Filling {
  readonly closed: Bin[] = [];
  readonly #binMs: number;
  startMs: number;
  bytes: number;
  coveredMs: number;

  constructor(startMs: number, binMs: number, bytes: number, coveredMs: number) {
    this.startMs = startMs;
    this.#binMs = binMs;
    this.bytes = bytes;
    this.coveredMs = coveredMs;
  }

  add(span: Span): void {
    let fromMs = Math.max(span.fromMs, this.startMs);
    let before = bytesUntil(span, fromMs);
    this.closeUntil(fromMs);
    while (fromMs < span.toMs) {
      const toMs = Math.min(span.toMs, this.startMs + this.#binMs);
      const until = bytesUntil(span, toMs);
      this.bytes += until - before;
      this.coveredMs += toMs - fromMs;
      before = until;
      fromMs = toMs;
      this.closeUntil(fromMs);
    }
  }

  closeUntil(timeMs: number): void {
    while (this.startMs + this.#binMs <= timeMs) {
      const known = this.coveredMs * 2 >= this.#binMs;
      this.closed.push({
        startMs: this.startMs,
        bytes: known ? Math.round((this.bytes * this.#binMs) / this.coveredMs) : null,
      });
      this.startMs += this.#binMs;
      this.bytes = 0;
      this.coveredMs = 0;
    }
  }
}
