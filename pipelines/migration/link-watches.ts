/**
 * What is watched over time: an unplugged primary, one MAC on two hosts, a device without any path. Each is normal for a
 * moment while a VM moves, and reported only when it lasts.
 *
 * I1  A watch starts when its condition begins and ends with it; a condition that lasts is reported once.
 * I2  Watches report; they never move data.
 */
import type { DeviceState, LinkState } from '#schemas/migration/generated.ts';
import { alert, Decision, type Context, type Decided } from './decision.ts';
import { isPrimaryPlugged, isStandbyDown, macConflict } from './links.ts';

/** Starts or ends the wait for a re-plug, after a report of the primary. */
export function watchForReplug(decision: Decision, before: DeviceState, event: LinkState): void {
  const { at } = decision;
  const plugged = isPrimaryPlugged(decision.state);
  const first = !before.links.some((link) => link.interface === 'primary');
  if (plugged) {
    if (!first && !isPrimaryPlugged(before)) decision.clearTimer('noReplug');
  } else if (first || isPrimaryPlugged(before)) {
    decision.startTimer('noReplug', event.observed_at + at.parameters.noReplugMs);
  }
}

/** Timer: an unplugged primary should have been plugged in again. */
export function onNoReplug(state: DeviceState, at: Context): Decided {
  const decision = new Decision(state, at);
  const { noReplugMs } = at.parameters;
  if (isPrimaryPlugged(state)) return decision.result();
  const { migration } = state;
  const lastReportMs = migration === null ? 0 : Math.max(migration.source_at, migration.target_at);
  if (migration !== null && !migration.ended && at.eventTimeMs - lastReportMs < noReplugMs) {
    // Unplugged for a migration that still reports: it is plugged in again at the migration's end.
    decision.startTimer('noReplug', lastReportMs + noReplugMs);
  } else {
    const detail = `primary has not been plugged in on any host within ${noReplugMs} ms of its unplug or of the migration's last report`;
    alert(decision, 'no_replug', 'warning', detail);
  }
  return decision.result();
}

/** Starts or ends the watch over a MAC that is live on two hosts. */
export function watchForConflict(decision: Decision, before: DeviceState): void {
  const { state, at } = decision;
  const had = macConflict(before) !== undefined;
  const has = macConflict(state) !== undefined;
  if (has && !had) {
    decision.startTimer('conflict', at.eventTimeMs + at.parameters.conflictGraceMs);
  } else if (had && !has) decision.clearTimer('conflict');
}

/** Timer: a MAC has been live on two hosts for longer than overtaking reports explain. */
export function onConflict(state: DeviceState, at: Context): Decided {
  const decision = new Decision(state, at);
  const conflict = macConflict(state);
  if (conflict !== undefined) {
    const [winner, loser] = conflict;
    const claims = `${winner.host} (epoch ${winner.path_epoch}) and ${loser.host} (epoch ${loser.path_epoch})`;
    const detail = `${winner.interface} ${winner.mac} is live on ${claims} for ${at.parameters.conflictGraceMs} ms: ${winner.host} holds it`;
    alert(decision, 'mac_on_two_hosts', 'critical', detail, {
      host: loser.host,
      pathEpoch: loser.path_epoch,
    });
  }
  return decision.result();
}

function withoutPath(state: DeviceState): boolean {
  return !state.primary_up && isStandbyDown(state);
}

/** Starts or ends the watch over a device without a working interface. */
export function watchForPath(decision: Decision, before: DeviceState): void {
  const { state, at } = decision;
  if (withoutPath(state) === withoutPath(before)) return;
  if (withoutPath(state)) decision.startTimer('noPath', at.eventTimeMs + at.parameters.noPathGraceMs);
  else decision.clearTimer('noPath');
}

/** Timer: both interfaces have been down for longer than a move between hosts takes. */
export function onNoPath(state: DeviceState, at: Context): Decided {
  const decision = new Decision(state, at);
  if (withoutPath(state)) {
    const detail = `neither interface has worked for ${at.parameters.noPathGraceMs} ms: data stays on standby`;
    alert(decision, 'no_path', 'critical', detail);
  }
  return decision.result();
}
