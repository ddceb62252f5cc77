/**
 * Link states: which path a device's data should take. Active path = primary iff attached and link up, else standby.
 *
 * I1  A loss of the primary moves data to standby in the same step, suppressed or not.
 * I2  A return to primary waits until it has worked for `holdDownMs`, and while the device is suppressed.
 * I3  Stale claims (see links.ts) never move data; each is reported.
 */
import type { DeviceState, LinkState } from '#schemas/migration/generated.ts';
import {
  adoptPrimary,
  alert,
  Decision,
  noteCause,
  switchPath,
  type Context,
  type Decided,
  type Rejected,
} from './decision.ts';
import { penaltyAfterFlap, penaltyAt, reuseAfterMs } from './flap-damping.ts';
import { watchForConflict, watchForPath, watchForReplug } from './link-watches.ts';
import { holderOf, isLive, recordLink } from './links.ts';

export function onLinkState(state: DeviceState, event: LinkState, at: Context): Decided | Rejected {
  if (event.path_epoch < 0) return { reject: `path_epoch is ${event.path_epoch}; an epoch is 0 or more` };
  const decision = new Decision({ ...state, vm_id: event.vm_id }, at);
  const recorded = recordLink(state.links, event);
  if (recorded.kind !== 'recorded') {
    const kind = recorded.kind === 'older_epoch' ? 'stale_epoch' : 'out_of_order';
    const { path_epoch: epoch, observed_at: observedAt } = recorded.than;
    const newest = `epoch ${epoch} at ${new Date(observedAt).toISOString()}`;
    const detail = `${event.host} reported ${event.interface} under epoch ${event.path_epoch} after ${newest}: ignored`;
    alert(decision, kind, kind === 'stale_epoch' ? 'warning' : 'info', detail, aboutReport(event));
    return decision.result();
  }
  decision.set({ links: recorded.links, path_epoch: Math.max(state.path_epoch, event.path_epoch) });
  if (event.interface === 'primary') primaryReported(decision, event, state);
  watchForConflict(decision, state);
  watchForPath(decision, state);
  return decision.result();
}

function aboutReport(event: LinkState): { host: string; pathEpoch: number } {
  return { host: event.host, pathEpoch: event.path_epoch };
}

function primaryReported(decision: Decision, event: LinkState, before: DeviceState): void {
  if (isLive(event) && event.path_epoch < before.fence_epoch) {
    const newest = `epoch ${before.fence_epoch} is ${before.owner_host}'s`;
    const detail = `${event.host} claims the primary under epoch ${event.path_epoch}, but ${newest}: ignored`;
    alert(decision, 'stale_epoch', 'warning', detail, aboutReport(event));
    return;
  }
  const holder = holderOf(decision.state);
  if (holder !== undefined) decision.set({ owner_host: holder.host, fence_epoch: holder.path_epoch });
  watchForReplug(decision, before, event);
  const up = holder !== undefined;
  if (up !== before.primary_up) decision.set({ primary_up: up, primary_since: decision.at.eventTimeMs });
  if (before.primary_up && !up) primaryLost(decision, event);
  else if (before.active === 'none') firstReport(decision, event, up);
  else if (!before.primary_up && up && before.active === 'standby') awaitHoldDown(decision);
}

function firstReport(decision: Decision, event: LinkState, up: boolean): void {
  if (up) adoptPrimary(decision, event.host);
  else switchPath(decision, 'standby', `first report: ${describe(event)}`, event.host);
}

function describe(event: LinkState): string {
  return `primary ${event.attached ? 'lost its link' : 'was unplugged'} on ${event.host}`;
}

function primaryLost(decision: Decision, event: LinkState): void {
  decision.clearTimer('holdDown');
  countFlap(decision, event);
  if (decision.state.active !== 'standby') switchPath(decision, 'standby', describe(event), event.host);
  else noteCause(decision);
}

function countFlap(decision: Decision, event: LinkState): void {
  const { state, at } = decision;
  const { parameters } = at;
  const planned = !event.attached && state.migration !== null && !state.migration.ended;
  const added = planned ? parameters.plannedPenalty : parameters.flapPenalty;
  if (added === 0) return;
  const before = { at_ms: state.penalty_at, value: state.penalty };
  const { penalty, capped } = penaltyAfterFlap(before, at.eventTimeMs, added, parameters);
  const suppressed = state.suppressed || penalty.value > parameters.suppressThreshold;
  decision.set({ penalty: penalty.value, penalty_at: penalty.at_ms, penalty_capped: capped, suppressed });
  if (!suppressed) return;
  const reuseAtMs = penalty.at_ms + reuseAfterMs(penalty.value, parameters);
  decision.startTimer('reuse', reuseAtMs);
  if (!state.suppressed) {
    const until = new Date(Math.ceil(reuseAtMs)).toISOString();
    const figures = `penalty ${penalty.value.toFixed(0)} is over ${parameters.suppressThreshold}`;
    alert(decision, 'flapping', 'warning', `${figures}: no return to primary before ${until}`, {
      host: event.host,
    });
  }
}

function awaitHoldDown(decision: Decision): void {
  const { at } = decision;
  noteCause(decision);
  if (at.parameters.holdDownMs > 0)
    decision.startTimer('holdDown', at.eventTimeMs + at.parameters.holdDownMs);
  else returnToPrimary(decision);
}

/** Moves data back to the primary if it works, has worked for the hold-down time, and is not suppressed. */
function returnToPrimary(decision: Decision): void {
  const { state, at } = decision;
  const workedMs = at.eventTimeMs - state.primary_since;
  if (state.active !== 'standby' || !state.primary_up || state.suppressed) return;
  if (workedMs < at.parameters.holdDownMs) return;
  const reason = `primary has worked on ${state.owner_host} for ${workedMs} ms`;
  switchPath(decision, 'primary', reason, state.owner_host);
}

/** Timer: the primary may have worked for the hold-down time. */
export function onHoldDown(state: DeviceState, at: Context): Decided {
  const decision = new Decision(state, at);
  returnToPrimary(decision);
  return decision.result();
}

/** Timer: the penalty has decayed to the reuse threshold. */
export function onReuse(state: DeviceState, at: Context): Decided {
  const penalty = penaltyAt({ at_ms: state.penalty_at, value: state.penalty }, at.eventTimeMs, at.parameters);
  const decision = new Decision({ ...state, penalty, penalty_at: at.eventTimeMs, suppressed: false }, at);
  returnToPrimary(decision);
  return decision.result();
}
