/**
 * Phases: follows a migration on both of its nodes, checks the device's states against VFIO's state machine, forecasts
 * its pre-copy, and tells how it ended.
 *
 * I1  Each node's reports are judged against that node's own: the target's may come before the source's.
 * I2  A migration has exactly one outcome.
 * I3  Downtime is told only when both its ends were seen and their clocks agree; else it is null, never a guess.
 */
import type { DeviceState, MigrationProgress, OutcomeKind, Phase } from '#schemas/migration/generated.ts';
import { alert, Decision, type Context, type Decided, type Rejected } from './decision.ts';
import { forecastPreCopy } from './pre-copy-forecast.ts';
import { isPreCopy, isStopped, vfioWay, type VfioState } from './vfio-device-state.ts';

export function onPhase(state: DeviceState, event: Phase, at: Context): Decided | Rejected {
  const wrong = badFigure(event);
  if (wrong !== undefined) return { reject: wrong };
  const decision = new Decision({ ...state, vm_id: event.vm_id }, at);
  const current = state.migration;
  if (current !== null && current.uid !== event.migration_uid) {
    if (event.observed_at < current.started_at) {
      const detail = `${nodeOf(event)} reported ${event.device_state} of migration ${event.migration_uid}, which was over: ignored`;
      alert(decision, 'out_of_order', 'info', detail, about(event));
      return decision.result();
    }
    closeSuperseded(decision, current, event);
  }
  const progress = current?.uid === event.migration_uid ? current : begun(event);
  follow(decision, progress, event);
  return decision.result();
}

function badFigure(event: Phase): string | undefined {
  for (const field of ['data_remaining_bytes', 'dirty_rate', 'bandwidth'] as const) {
    const value = event[field];
    if (value !== null && !(value >= 0 && Number.isFinite(value)))
      return `${field} is ${value}; it must be 0 or more`;
  }
  return undefined;
}

function nodeOf(event: Phase): string {
  return event.side === 'source' ? event.source_node : event.target_node;
}

function about(event: Phase): { host: string; migrationUid: string } {
  return { host: nodeOf(event), migrationUid: event.migration_uid };
}

function begun(event: Phase): MigrationProgress {
  return {
    uid: event.migration_uid,
    source_node: event.source_node,
    target_node: event.target_node,
    source_state: '',
    source_at: 0,
    target_state: '',
    target_at: 0,
    started_at: event.observed_at,
    stopped_at: null,
    running_at: null,
    prediction: 'unknown',
    expected_downtime_ms: null,
    ended: false,
  };
}

/** One report: the arc, the forecast, and what follows from them. */
function follow(decision: Decision, progress: MigrationProgress, event: Phase): void {
  const source = event.side === 'source';
  const previous = source ? progress.source_state : progress.target_state;
  const previousAt = source ? progress.source_at : progress.target_at;
  if (event.observed_at < previousAt) {
    const detail = `${nodeOf(event)} reported ${event.device_state}, observed before its ${previous}: ignored`;
    alert(decision, 'out_of_order', 'info', detail, about(event));
    return;
  }
  checkArc(decision, previous, event);
  const moved: MigrationProgress = source
    ? { ...progress, source_state: event.device_state, source_at: event.observed_at }
    : { ...progress, target_state: event.device_state, target_at: event.observed_at };
  const timed = {
    ...moved,
    started_at: Math.min(moved.started_at, event.observed_at),
    ...ends(moved, previous, event),
  };
  const forecast = { ...timed, ...forecastOf(decision, timed, event) };
  decision.set({ migration: forecast });
  if (!forecast.ended) conclude(decision, forecast, previous, event);
}

function checkArc(decision: Decision, previous: string, event: Phase): void {
  const next = event.device_state;
  if (previous !== '') {
    const way = vfioWay(previous as VfioState, next);
    if (way.kind === 'illegal') {
      alert(
        decision,
        'illegal_arc',
        'warning',
        `${nodeOf(event)}: ${previous} to ${next}: ${way.why}`,
        about(event),
      );
    }
  }
  if (next === 'error' && previous !== 'error') {
    alert(decision, 'device_error', 'critical', `${nodeOf(event)}: the device went to error`, about(event));
  }
}

/** When the source device stopped and the target device ran, as far as this report tells. */
function ends(progress: MigrationProgress, previous: string, event: Phase): Partial<MigrationProgress> {
  const { device_state: state, observed_at: atMs } = event;
  if (event.side === 'source') {
    return progress.stopped_at === null && isStopped(state) ? { stopped_at: atMs } : {};
  }
  // A device runs when it is opened; on the target it counts once it has been given, or can have been given, its state.
  const resumed = (previous !== '' && previous !== 'running') || progress.stopped_at !== null;
  return progress.running_at === null && state === 'running' && resumed ? { running_at: atMs } : {};
}

function forecastOf(
  decision: Decision,
  progress: MigrationProgress,
  event: Phase,
): Partial<MigrationProgress> {
  const { data_remaining_bytes: remainingBytes, dirty_rate: dirtyRate, bandwidth } = event;
  if (event.side !== 'source' || !isPreCopy(event.device_state)) return {};
  if (remainingBytes === null || dirtyRate === null || bandwidth === null) return {};
  const { downtimeLimitMs, maxPreCopyRounds: maxRounds } = decision.at.parameters;
  const forecast = forecastPreCopy({ remainingBytes, dirtyRate, bandwidth }, { downtimeLimitMs, maxRounds });
  if (forecast.converges) {
    const prediction = progress.prediction === 'no' ? 'no' : 'yes';
    return { prediction, expected_downtime_ms: forecast.downtimeMs };
  }
  if (progress.prediction !== 'no') {
    const rates = `${Math.round(dirtyRate)} bytes/s dirtied, ${Math.round(bandwidth)} bytes/s sent`;
    alert(decision, 'will_not_converge', 'warning', `pre-copy cannot converge: ${rates}`, about(event));
  }
  return { prediction: 'no', expected_downtime_ms: null };
}

function conclude(decision: Decision, progress: MigrationProgress, previous: string, event: Phase): void {
  const { device_state: state } = event;
  if (event.failure_reason !== null) end(decision, progress, 'failed', event.failure_reason, event);
  else if (state === 'error') end(decision, progress, 'failed', `device in error on ${nodeOf(event)}`, event);
  else if (progress.running_at !== null && progress.stopped_at !== null)
    end(decision, progress, 'completed', '', event);
  else if (event.side === 'source' && state === 'running' && previous !== '' && previous !== 'running') {
    end(decision, progress, 'cancelled', `runs on ${event.source_node} again`, event);
  }
}

/** Another migration has begun before this one's end was seen. */
function closeSuperseded(decision: Decision, progress: MigrationProgress, event: Phase): void {
  if (progress.ended) return;
  if (progress.running_at !== null) end(decision, progress, 'completed', '', event);
  else end(decision, progress, 'abandoned', `migration ${event.migration_uid} began`, event);
}

function end(
  decision: Decision,
  progress: MigrationProgress,
  outcome: OutcomeKind,
  reason: string,
  event: Phase,
): void {
  const { at } = decision;
  decision.emit({
    to: 'outcomes',
    value: {
      device_id: at.key,
      vm_id: decision.state.vm_id,
      migration_uid: progress.uid,
      source_node: progress.source_node,
      target_node: progress.target_node,
      outcome,
      reason,
      downtime_ms: downtime(decision, progress),
      expected_downtime_ms: progress.expected_downtime_ms,
      predicted_to_converge: progress.prediction,
      started_at: progress.started_at,
      ended_at: event.observed_at,
    },
  });
  decision.set({ migration: { ...progress, ended: true } });
}

function downtime(decision: Decision, progress: MigrationProgress): number | null {
  const { stopped_at: stoppedAt, running_at: runningAt } = progress;
  if (stoppedAt === null || runningAt === null) return null;
  if (runningAt >= stoppedAt) return runningAt - stoppedAt;
  const detail = `target ran ${stoppedAt - runningAt} ms before the source stopped: their clocks differ, so downtime is not known`;
  const migrationUid = progress.uid;
  alert(decision, 'clock_skew', 'warning', detail, { host: progress.target_node, migrationUid });
  return null;
}
