/**
 * failover.telemetry-suspicion: says when a device's samples have been silent for longer than their own rhythm explains.
 *
 * A silent monitor and a dead site look alike from afar, so this is evidence beside others and never by itself a reason
 * to fail over. It also keeps "no samples" from being read as "no I/O".
 *
 * I1  One `suspected` for each silence, and one `trusted` when it ends.
 * I2  An interval that ended in a suspicion does not enter the rhythm: an outage must not teach that outages are normal.
 */
import { processor, type At, type Processor } from '#engine/topology/processor.ts';
import {
  ioSamples,
  suspicions,
  suspicionStateSchema,
  type IoSample,
  type Suspicion,
  type SuspicionState,
} from '#schemas/failover/generated.ts';
import { phi, silenceAtPhi } from './phi-accrual.ts';

export const suspicionParameters = {
  /** Phi from which a silence is suspect: 8 is a chance of 1 in 10^8, Akka's default. */
  threshold: 8,
  /** Intervals observed before a silence can be suspect. */
  minIntervals: 5,
  /** Weight of the newest interval in mean and variance. */
  weight: 0.1,
  /** Least standard deviation, milliseconds: a steady rhythm must not make a late packet an outage. */
  minSdMs: 200,
  /** Silence granted on top, milliseconds: garbage collection, a slow link. */
  pauseMs: 1_000,
};
type Context = At<unknown, typeof suspicionParameters>;

const initial: SuspicionState = {
  app: '',
  host: '',
  device: '',
  last_at: 0,
  intervals: 0,
  mean_ms: 0,
  variance_ms2: 0,
  suspected: false,
};

export const telemetrySuspicion: Processor = processor({
  name: 'failover.telemetry-suspicion',
  inputs: { ioSamples },
  outputs: { suspicions },
  state: { schema: suspicionStateSchema, version: 1, initial: () => initial },
  parameters: suspicionParameters,
  on: { ioSamples: onSample },
  timers: { silence: { clock: 'event', fire: onSilence } },
  late: 'handle',
});

interface Decided {
  readonly state: SuspicionState;
  readonly emit: readonly { to: 'suspicions'; value: Suspicion }[];
  readonly timers: readonly { set: 'silence'; atMs: number }[];
}

function onSample(before: SuspicionState, event: IoSample, at: Context): Decided | undefined {
  const { app, host, device, sampled_at: sampledAt } = event;
  if (sampledAt <= before.last_at) return undefined;
  const rhythm =
    before.suspected || before.last_at === 0 ? before : withInterval(before, sampledAt - before.last_at, at);
  const state: SuspicionState = { ...rhythm, app, host, device, last_at: sampledAt, suspected: false };
  const emit = before.suspected ? [verdict(before, 'trusted', sampledAt, at)] : [];
  if (state.intervals < at.parameters.minIntervals) return { state, emit, timers: [] };
  const { meanMs, sdMs } = expected(state, at);
  const atMs = sampledAt + silenceAtPhi(at.parameters.threshold, meanMs, sdMs);
  return { state, emit, timers: [{ set: 'silence', atMs }] };
}

function onSilence(state: SuspicionState, at: Context): Decided | undefined {
  if (state.suspected) return undefined;
  return {
    state: { ...state, suspected: true },
    emit: [verdict(state, 'suspected', at.eventTimeMs, at)],
    timers: [],
  };
}

/** Exponentially weighted mean and variance after one more interval. Source: West, CACM 22(9), 1979. */
function withInterval(state: SuspicionState, intervalMs: number, at: Context): SuspicionState {
  if (state.intervals === 0) return { ...state, intervals: 1, mean_ms: intervalMs };
  const { weight } = at.parameters;
  const distance = intervalMs - state.mean_ms;
  return {
    ...state,
    intervals: state.intervals + 1,
    mean_ms: state.mean_ms + weight * distance,
    variance_ms2: (1 - weight) * (state.variance_ms2 + weight * distance * distance),
  };
}

function expected(state: SuspicionState, at: Context): { meanMs: number; sdMs: number } {
  const { minSdMs, pauseMs } = at.parameters;
  return { meanMs: state.mean_ms + pauseMs, sdMs: Math.max(minSdMs, Math.sqrt(state.variance_ms2)) };
}

function verdict(
  state: SuspicionState,
  to: Suspicion['state'],
  atMs: number,
  at: Context,
): { to: 'suspicions'; value: Suspicion } {
  const { meanMs, sdMs } = expected(state, at);
  const silentMs = atMs - state.last_at;
  return {
    to: 'suspicions',
    value: {
      device_id: at.key,
      app: state.app,
      host: state.host,
      device: state.device,
      state: to,
      phi: phi(silentMs, meanMs, sdMs),
      silent_ms: silentMs,
      mean_interval_ms: state.mean_ms,
      sd_interval_ms: sdMs,
      at: atMs,
    },
  };
}
