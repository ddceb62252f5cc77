/**
 * failover.io-prediction: forecasts the replication I/O rate of each device, with an interval that keeps its promised
 * coverage, and says what became of each forecast.
 *
 * I1  A forecast is made from bins that are over, for a bin that has not ended by the newest sample.
 * I2  Each forecast whose bin was observed is evaluated once, and only then teaches the interval its width.
 * I3  Coverage counts bounded intervals only: an unbounded one covers everything and proves nothing.
 * See docs/failover.md.
 */
import { processor, type Processor } from '#engine/topology/processor.ts';
import {
  evaluations,
  ioSamples,
  predictionStateSchema,
  predictions,
  type Evaluation,
  type IoSample,
  type PendingPrediction,
  type Prediction,
  type PredictionState,
} from '#schemas/failover/generated.ts';
import { addSample, emptyBinning, type Bin } from './bins.ts';
import { adaptAlpha, conformalHalfWidth } from './conformal.ts';
import { emptyForecaster, forecast, observe } from './forecaster.ts';
import { seriesOf } from './io-series.ts';
import { refusalOf } from './sample-check.ts';

export const predictionParameters = {
  /** Length of a bin, milliseconds. */
  binMs: 1_000,
  /** How many bins ahead of the last known one the forecast is for. */
  horizonBins: 1,
  /** Bins in a season. In production a day: 288 bins of 5 minutes. */
  seasonLength: 60,
  /** Bins seen before exponential smoothing takes over from the maximum. */
  smoothingAfterBins: 5,
  /** Holt-Winters: shares of the error that go into level, trend and season; alpha also smooths before. */
  alpha: 0.2,
  beta: 0.01,
  gamma: 0.1,
  /** Share of actual rates that the interval is to cover. */
  targetCoverage: 0.9,
  /** Step of adaptive conformal inference; the paper uses 0.005 for long series, larger ones adapt faster. */
  conformalGamma: 0.02,
  /** Last errors that the interval's width is taken from. */
  scoresKept: 200,
};
type PredictionParameters = typeof predictionParameters;

const initial: PredictionState = {
  binning: emptyBinning,
  ...emptyForecaster,
  alpha: 0,
  scores: [],
  evaluated: 0,
  covered: 0,
  pending: [],
};

export const ioPrediction: Processor = processor({
  name: 'failover.io-prediction',
  inputs: { ioSamples },
  outputs: { predictions, evaluations },
  state: { schema: predictionStateSchema, version: 1, initial: () => initial },
  parameters: predictionParameters,
  on: {
    ioSamples: (state, event, at) => {
      const reject = refusalOf(event);
      return reject === undefined ? onSample(state, event, at.parameters) : { reject };
    },
  },
  // Bins take samples in the order of their ends; addSample counts those that come after a later one.
  late: 'handle',
});

type Emitted = { to: 'predictions'; value: Prediction } | { to: 'evaluations'; value: Evaluation };

function onSample(
  before: PredictionState,
  event: IoSample,
  p: PredictionParameters,
): { state: PredictionState; emit: Emitted[] } {
  const binned = addSample(before.binning, event, { binMs: p.binMs, maxGapBins: 2 * p.seasonLength });
  const fresh = before.binning.last_end === 0 || binned.restarted;
  let state: PredictionState = {
    ...(fresh ? { ...initial, alpha: 1 - p.targetCoverage } : before),
    binning: binned.binning,
  };
  const emit: Emitted[] = [];
  for (const bin of binned.closed) {
    const rate = bin.bytes === null ? null : (bin.bytes * 1000) / p.binMs;
    const evaluated = evaluate(state, bin, rate, event, p);
    state = { ...evaluated.state, ...observe(evaluated.state, rate, p) };
    if (evaluated.evaluation !== undefined) emit.push({ to: 'evaluations', value: evaluated.evaluation });
    const forBinMs = bin.startMs + p.horizonBins * p.binMs;
    if (forBinMs < binned.binning.open_start) continue; // That bin is over too: no forecast any more.
    const prediction = predict(state, forBinMs, event, p);
    if (prediction === undefined) continue;
    state = { ...state, pending: [...state.pending, prediction.pending] };
    emit.push({ to: 'predictions', value: prediction.value });
  }
  return { state, emit };
}

/** Compares the prediction for a bin that is over, if there was one, with its rate. */
function evaluate(
  state: PredictionState,
  bin: Bin,
  rate: number | null,
  event: IoSample,
  p: PredictionParameters,
): { state: PredictionState; evaluation?: Evaluation } {
  const due = state.pending.find((prediction) => prediction.for_time === bin.startMs);
  const pending = state.pending.filter((prediction) => prediction.for_time > bin.startMs);
  if (due === undefined || rate === null) return { state: { ...state, pending } };
  const covered = rate >= due.lower && (due.upper === null || rate <= due.upper);
  const alpha = due.adapts
    ? adaptAlpha(state.alpha, 1 - p.targetCoverage, p.conformalGamma, !covered)
    : state.alpha;
  const bounded = due.upper !== null;
  const evaluation: Evaluation = {
    ...seriesOf(event),
    actual: rate,
    predicted: due.rate,
    lower: due.lower,
    upper: due.upper,
    covered,
    bounded,
    method: due.method,
    alpha_before: due.alpha,
    alpha_after: alpha,
    for_time: bin.startMs,
    bin_ms: p.binMs,
    evaluated_at: bin.startMs + p.binMs,
  };
  const scores = [...state.scores, Math.abs(rate - due.rate)].slice(-p.scoresKept);
  const counts = {
    evaluated: state.evaluated + (bounded ? 1 : 0),
    covered: state.covered + (bounded && covered ? 1 : 0),
  };
  return { state: { ...state, pending, alpha, scores, ...counts }, evaluation };
}

function predict(
  state: PredictionState,
  forBinMs: number,
  event: IoSample,
  p: PredictionParameters,
): { value: Prediction; pending: PendingPrediction } | undefined {
  const made = forecast(state, p.horizonBins, p);
  if (made === null) return undefined;
  const rate = Math.max(0, made.rate);
  const halfWidth = conformalHalfWidth(state.scores, state.alpha);
  const lower = halfWidth === null ? 0 : Math.max(0, rate - halfWidth);
  const upper = halfWidth === null ? null : rate + halfWidth;
  const adapts = conformalHalfWidth(state.scores, 1 - p.targetCoverage) !== null;
  const value: Prediction = {
    ...seriesOf(event),
    rate,
    rate_floored: made.rate < 0,
    lower,
    upper,
    horizon_ms: p.horizonBins * p.binMs,
    method: made.method,
    target_coverage: p.targetCoverage,
    alpha: state.alpha,
    coverage: state.evaluated === 0 ? null : state.covered / state.evaluated,
    missing_bins: state.missing,
    for_time: forBinMs,
    bin_ms: p.binMs,
    made_at: forBinMs - (p.horizonBins - 1) * p.binMs,
  };
  const { alpha, method } = value;
  return { value, pending: { for_time: forBinMs, rate, lower, upper, adapts, alpha, method } };
}
