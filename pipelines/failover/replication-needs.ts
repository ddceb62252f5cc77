/**
 * failover.replication-needs: over a sliding window, the bandwidth that replication of a device needs for its recovery
 * point objective, at all times and at 90 % of the time, and what a given link would attain.
 *
 * I1  The queue is carried from bin to bin and outlives the window: a burst's backlog is not forgotten at its edge.
 * I2  Every bin belongs to exactly one row's step, so violations of several rows may be added up.
 * I3  A bin without samples stands for the mean of the window's others, in whole bytes, and is counted.
 * See docs/failover.md.
 */
import { processor, type Processor } from '#engine/topology/processor.ts';
import {
  ioSamples,
  replicationNeeds as replicationNeedsStream,
  replicationStateSchema,
  type IoSample,
  type ReplicationNeed,
  type ReplicationState,
} from '#schemas/failover/generated.ts';
import { addSample, emptyBinning, type Bin } from './bins.ts';
import { seriesOf } from './io-series.ts';
import { bandwidthDemands, leastBandwidth } from './least-bandwidth.ts';
import { oldestUnsentBins, queueAfterBin } from './replication-queue.ts';
import { refusalOf } from './sample-check.ts';

export const replicationParameters = {
  /** Length of a bin, milliseconds. */
  binMs: 1_000,
  /** Bins in the sliding window. */
  windowBins: 300,
  /** Bins from one row to the next. */
  stepBins: 5,
  /** Recovery point objective, milliseconds: how much of the newest data may be lost. */
  rpoTargetMs: 5_000,
  /** Bandwidth of the replication link, bytes per second; 100 Mbit/s. */
  bandwidth: 12_500_000,
};
type ReplicationParameters = typeof replicationParameters;

/** A bin without samples, in `bins`. */
const MISSING = -1;

const initial: ReplicationState = {
  binning: emptyBinning,
  bins: [],
  window_end: 0,
  queue_bytes: 0,
  step_bins: 0,
  violation_bins: 0,
  attained_rpo_bins: 0,
  beyond_window: false,
  run_bins: 0,
  longest_run_bins: 0,
};

export const replicationNeeds: Processor = processor({
  name: 'failover.replication-needs',
  inputs: { ioSamples },
  outputs: { needs: replicationNeedsStream },
  state: { schema: replicationStateSchema, version: 1, initial: () => initial },
  parameters: replicationParameters,
  on: {
    ioSamples: (state, event, at) => {
      const reject = refusalOf(event);
      return reject === undefined ? onSample(state, event, at.parameters) : { reject };
    },
  },
  // As in failover.io-prediction: addSample orders by the samples' own times.
  late: 'handle',
});

function onSample(
  before: ReplicationState,
  event: IoSample,
  p: ReplicationParameters,
): { state: ReplicationState; emit: { to: 'needs'; value: ReplicationNeed }[] } {
  const binned = addSample(before.binning, event, { binMs: p.binMs, maxGapBins: p.windowBins });
  let state: ReplicationState = { ...(binned.restarted ? initial : before), binning: binned.binning };
  const emit: { to: 'needs'; value: ReplicationNeed }[] = [];
  for (const bin of binned.closed) {
    state = afterBin(state, bin, p);
    if (state.step_bins < p.stepBins) continue;
    const value = needOf(state, event, p);
    if (value !== undefined) emit.push({ to: 'needs', value });
    state = {
      ...state,
      step_bins: 0,
      violation_bins: 0,
      attained_rpo_bins: 0,
      beyond_window: false,
      longest_run_bins: state.run_bins,
    };
  }
  return { state, emit };
}

/** The window's bytes with the mean of the known bins in the place of missing ones; undefined if none is known. */
function known(bins: readonly number[]): readonly number[] | undefined {
  const observed = bins.filter((bytes) => bytes !== MISSING);
  if (observed.length === 0) return undefined;
  if (observed.length === bins.length) return bins;
  const mean = Math.round(observed.reduce((sum, bytes) => sum + bytes, 0) / observed.length);
  return bins.map((bytes) => (bytes === MISSING ? mean : bytes));
}

function afterBin(state: ReplicationState, bin: Bin, p: ReplicationParameters): ReplicationState {
  const bins = [...state.bins, bin.bytes ?? MISSING].slice(-p.windowBins);
  const written = known(bins);
  const moved = { ...state, bins, window_end: bin.startMs + p.binMs, step_bins: state.step_bins + 1 };
  if (written === undefined) return moved;
  const sentPerBin = Math.round((p.bandwidth * p.binMs) / 1000);
  const queue = queueAfterBin(state.queue_bytes, written.at(-1)!, sentPerBin);
  const age = oldestUnsentBins(queue, written);
  const ageBins = age ?? bins.length;
  const violated = ageBins * p.binMs > p.rpoTargetMs;
  const run = violated ? state.run_bins + 1 : 0;
  return {
    ...moved,
    queue_bytes: queue,
    violation_bins: state.violation_bins + (violated ? 1 : 0),
    attained_rpo_bins: Math.max(state.attained_rpo_bins, ageBins),
    beyond_window: state.beyond_window || age === null,
    run_bins: run,
    longest_run_bins: Math.max(state.longest_run_bins, run),
  };
}

function needOf(
  state: ReplicationState,
  event: IoSample,
  p: ReplicationParameters,
): ReplicationNeed | undefined {
  const written = known(state.bins);
  if (written === undefined) return undefined;
  const demands = bandwidthDemands(written, p.rpoTargetMs / p.binMs);
  const perSecond = 1000 / p.binMs;
  return {
    ...seriesOf(event),
    window_start: state.window_end - state.bins.length * p.binMs,
    window_end: state.window_end,
    bin_ms: p.binMs,
    bins: state.bins.length,
    missing_bins: state.bins.filter((bytes) => bytes === MISSING).length,
    ignored_samples: state.binning.ignored_samples,
    written_bytes: written.reduce((sum, bytes) => sum + bytes, 0),
    peak_rate: written.reduce((peak, bytes) => Math.max(peak, bytes), 0) * perSecond,
    rpo_target_ms: p.rpoTargetMs,
    bandwidth_100: leastBandwidth(demands, 1) * perSecond,
    bandwidth_90: leastBandwidth(demands, 0.9) * perSecond,
    bandwidth: p.bandwidth,
    queue_bytes: state.queue_bytes,
    attained_rpo_ms: state.attained_rpo_bins * p.binMs,
    rpo_beyond_window: state.beyond_window,
    step_bins: state.step_bins,
    violation_bins: state.violation_bins,
    longest_violation_ms: state.longest_run_bins * p.binMs,
  };
}
