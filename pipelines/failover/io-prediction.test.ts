import { describe, expect, it } from 'vitest';
import { deadLetters } from '#engine/records/generated.ts';
import {
  evaluations as evaluationStream,
  predictions as predictionStream,
} from '#schemas/failover/generated.ts';
import { ioPrediction } from './io-prediction.ts';
import { everySecond, resultsOf, sample, startMs } from './samples.fixture.ts';

/** A deterministic noise in [-1, 1). Source of the constants: Numerical Recipes' linear congruential generator. */
function noise(count: number): number[] {
  let x = 12_345;
  return Array.from({ length: count }, () => {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    return x / 2 ** 31 - 1;
  });
}

const predict = (bytes: readonly (number | null)[], parameters = {}) =>
  resultsOf(ioPrediction, predictionStream, everySecond(bytes), parameters);
const evaluate = (bytes: readonly (number | null)[], parameters = {}) =>
  resultsOf(ioPrediction, evaluationStream, everySecond(bytes), parameters);

describe('prediction of the I/O rate', () => {
  it('forecasts the bin after the last known one, from the first on', () => {
    const predictions = predict([100, 300, 200]);
    expect(predictions.map(({ rate, method }) => [rate, method])).toEqual([
      [100, 'maximum'],
      [300, 'maximum'],
      [300, 'maximum'],
    ]);
    expect(predictions[0]).toMatchObject({
      for_time: startMs + 1000,
      made_at: startMs + 1000,
      horizon_ms: 1000,
      basis: 'written',
    });
  });

  it('gives real forecasts with bounded intervals within half a minute', () => {
    const predictions = predict(noise(30).map((x) => Math.round(1000 + 100 * x)));
    const last = predictions.at(-1)!;
    expect(last.method).toBe('exponential_smoothing');
    expect(last.upper).toBeGreaterThan(last.rate);
    expect(last.coverage).toBeGreaterThan(0.5);
  });

  it('evaluates each forecast against the bin that it was for', () => {
    const evaluations = evaluate([100, 300, 200, 250]);
    expect(
      evaluations.map(({ for_time, predicted, actual, bounded, covered }) => [
        for_time - startMs,
        predicted,
        actual,
        bounded,
        covered,
      ]),
    ).toEqual([
      [1000, 100, 300, false, true],
      [2000, 300, 200, false, true],
      [3000, 300, 250, false, true],
    ]);
  });

  it('evaluates a forecast for a later bin when that bin is over', () => {
    const evaluations = evaluate([100, 300, 200, 250, 260], { horizonBins: 3 });
    expect(evaluations.map(({ for_time, predicted }) => [for_time - startMs, predicted])).toEqual([
      [3000, 100],
      [4000, 300],
    ]);
  });

  it('learns the season: after two of them it foresees the daily burst that smoothing cannot', () => {
    const day = [100, 100, 100, 900, 100, 100];
    const bytes = Array.from({ length: 10 }, () => day).flat();
    const evaluations = evaluate(bytes, { seasonLength: 6 });
    const bursts = evaluations.filter(({ actual }) => actual === 900);
    expect(bursts[0]?.predicted).toBeLessThan(300);
    expect(bursts.at(-1)).toMatchObject({ method: 'holt_winters', covered: true });
    expect(bursts.at(-1)!.predicted).toBeCloseTo(900, 6);
  });

  it('widens the interval after a miss and keeps its promise over a change of level', () => {
    const bytes = noise(600).map((x, i) => Math.round((i < 300 ? 10_000 : 40_000) + 1000 * x));
    const evaluations = evaluate(bytes, { conformalGamma: 0.05 }).filter(({ bounded }) => bounded);
    const missed = evaluations.filter(({ covered }) => !covered);
    expect(missed.length).toBeGreaterThan(10);
    for (const { alpha_before, alpha_after } of missed) expect(alpha_after).toBeLessThan(alpha_before);
    const coverage = 1 - missed.length / evaluations.length;
    expect(Math.abs(coverage - 0.9)).toBeLessThan(0.05);
  });

  it('says that a forecast was negative instead of hiding it', () => {
    const falling = Array.from({ length: 20 }, (_, i) => Math.max(0, 1000 - 100 * i));
    const predictions = predict(falling, { seasonLength: 2, beta: 0.1 });
    const floored = predictions.filter(({ rate_floored }) => rate_floored);
    expect(floored.length).toBeGreaterThan(0);
    for (const { rate, lower } of floored) expect([rate, lower]).toEqual([0, 0]);
  });

  it('neither evaluates nor learns from bins without samples, and counts them', () => {
    const bytes = [100, 100, 100, null, null, 100, 100];
    expect(evaluate(bytes).map(({ for_time }) => for_time - startMs)).toEqual([1000, 2000, 5000 + 1000]);
    expect(predict(bytes).at(-1)).toMatchObject({ rate: 100, missing_bins: 2 });
  });

  it('makes no forecast for a bin that is over', () => {
    const samples = [sample(1000), sample(6000, { interval_ms: 5000, write_bytes: 5000 })];
    const predictions = resultsOf(ioPrediction, predictionStream, samples);
    expect(predictions.map(({ for_time }) => for_time - startMs)).toEqual([1000, 6000]);
  });

  it('prefers unique bytes to written ones where they are known', () => {
    const samples = [sample(1000, { unique_bytes: 400 }), sample(2000, { unique_bytes: 400 })];
    expect(resultsOf(ioPrediction, predictionStream, samples).at(-1)).toMatchObject({
      rate: 400,
      basis: 'unique',
    });
  });

  it('sends impossible figures to the dead letters', () => {
    const bad = [
      sample(1000, { write_bytes: -1 }),
      sample(2000, { write_bytes_total: -7 }),
      sample(3000, { interval_ms: -1 }),
      sample(4000, { interval_ms: 0 }),
    ];
    const letters = resultsOf(ioPrediction, deadLetters, bad);
    expect(letters.map(({ reason }) => reason.split(' ')[0])).toEqual([
      'write_bytes',
      'write_bytes_total',
      'interval_ms',
      'interval_ms',
    ]);
  });
});
