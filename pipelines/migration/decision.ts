/**
 * A decision in the making: the next state of one device, with what is to be emitted and timed. Each handler call makes
 * one, passes it through the steps below and hands it over as the processor's result.
 *
 * I1  The state that a decision starts from is never changed; `set` replaces it.
 * I2  Every command has a new path epoch, larger than any seen or issued before for this device.
 * I3  Every change of the path has exactly one transition; every alert and command names the record it goes back to.
 */
import type { At, Emission, Urgent } from '#engine/topology/processor.ts';
import type { Stream } from '#engine/topology/stream.ts';
import type {
  Alert,
  AlertKind,
  AlertSeverity,
  Command,
  DeviceState,
  Outcome,
  Transition,
} from '#schemas/migration/generated.ts';
import { penaltyAt } from './flap-damping.ts';
import type { FailoverParameters } from './parameters.ts';

interface Outputs {
  readonly commands: Urgent<Command>;
  readonly transitions: Stream<Transition>;
  readonly alerts: Stream<Alert>;
  readonly outcomes: Stream<Outcome>;
}
type TimerName = 'holdDown' | 'reuse' | 'noReplug' | 'noPath' | 'conflict' | 'ackTimeout';
type TimerChange = { readonly set: TimerName; readonly atMs: number } | { readonly clear: TimerName };

/** What a decision comes to: the processor's result. */
export interface Decided {
  readonly state: DeviceState;
  readonly emit: readonly Emission<Outputs>[];
  readonly timers: readonly TimerChange[];
}
/** A record that cannot be taken: it goes to the dead letters with this reason. */
export interface Rejected {
  readonly reject: string;
}
export type Context = At<unknown, FailoverParameters>;
export type Path = 'primary' | 'standby';

export class Decision {
  readonly #emit: Emission<Outputs>[] = [];
  readonly #timers: TimerChange[] = [];
  readonly at: Context;
  #state: DeviceState;

  constructor(state: DeviceState, at: Context) {
    this.#state = state;
    this.at = at;
  }

  get state(): DeviceState {
    return this.#state;
  }

  set(change: Partial<DeviceState>): void {
    this.#state = { ...this.#state, ...change };
  }

  emit(emission: Emission<Outputs>): void {
    this.#emit.push(emission);
  }

  startTimer(name: TimerName, atMs: number): void {
    this.#timers.push({ set: name, atMs });
  }

  clearTimer(name: TimerName): void {
    this.#timers.push({ clear: name });
  }

  result(): Decided {
    return { state: this.#state, emit: this.#emit, timers: this.#timers };
  }
}

/** The position of the record being handled; for a timer, of the record that its wait goes back to. */
function causeOf(decision: Decision): DeviceState['cause'] {
  const { at, state } = decision;
  return at.offset < 0 ? state.cause : { topic: at.topic, partition: at.partition, offset: at.offset };
}

/** Notes that what is decided or awaited from here on goes back to the record being handled. */
export function noteCause(decision: Decision): void {
  decision.set({ cause: causeOf(decision) });
}

/** Emits an alert about the device. */
export function alert(
  decision: Decision,
  kind: AlertKind,
  severity: AlertSeverity,
  detail: string,
  about: { readonly host?: string; readonly migrationUid?: string; readonly pathEpoch?: number } = {},
): void {
  const { state, at } = decision;
  decision.emit({
    to: 'alerts',
    value: {
      device_id: at.key,
      vm_id: state.vm_id,
      kind,
      severity,
      host: about.host ?? state.owner_host,
      migration_uid: about.migrationUid ?? null,
      path_epoch: about.pathEpoch ?? state.path_epoch,
      detail,
      cause: causeOf(decision),
      at: at.eventTimeMs,
    },
  });
}

/**
 * A command's id: unique, for no two decisions about a device have the same epoch (I2), and the same in a replay. `at.cause`
 * would not do: a timer may be set twice for one time. The time tells decisions apart where epochs begin anew, as they do when
 * state is lost, so that no actuator takes a new command for one that it remembers.
 */
export function commandIdOf(at: Context, to: Path, pathEpoch: number): string {
  return `switch-interface:${at.key}:${pathEpoch}:${to}@${at.eventTimeMs}`;
}

/** Moves the device's data to the other path: a transition, and the command that makes it so. */
export function switchPath(decision: Decision, to: Path, reason: string, host: string): void {
  const { at } = decision;
  noteCause(decision);
  const pathEpoch = decision.state.path_epoch + 1;
  const commandId = commandIdOf(at, to, pathEpoch);
  recordTransition(decision, { to, reason, host, pathEpoch, commandId });
  const { cause } = decision.state;
  issue(decision, { command_id: commandId, to, path_epoch: pathEpoch, cause, reason, attempt: 1 });
}

/** Records the path of a device whose first report shows a working primary: it is there already. */
export function adoptPrimary(decision: Decision, host: string): void {
  const reason = `first report: primary works on ${host}`;
  recordTransition(decision, {
    to: 'primary',
    reason,
    host,
    pathEpoch: decision.state.path_epoch,
    commandId: null,
  });
}

function recordTransition(
  decision: Decision,
  change: { to: Path; reason: string; host: string; pathEpoch: number; commandId: string | null },
): void {
  const { state, at } = decision;
  // A late record may decide something after a later one did; the path's history still goes forward.
  const decidedAtMs = Math.max(at.eventTimeMs, state.active_since);
  const first = state.active === 'none';
  decision.emit({
    to: 'transitions',
    value: {
      device_id: at.key,
      vm_id: state.vm_id,
      from: state.active,
      to: change.to,
      path_epoch: change.pathEpoch,
      command_id: change.commandId,
      reason: change.reason,
      host: change.host,
      seconds_in_from: first ? null : (decidedAtMs - state.active_since) / 1000,
      flap_penalty: penaltyAt({ at_ms: state.penalty_at, value: state.penalty }, decidedAtMs, at.parameters),
      penalty_capped: state.penalty_capped,
      suppressed: state.suppressed,
      at: decidedAtMs,
    },
  });
  decision.set({ active: change.to, active_since: decidedAtMs, path_epoch: change.pathEpoch });
}

/** Issues a command, for the first time or again, and waits for its acknowledgement. */
export function issue(decision: Decision, pending: NonNullable<DeviceState['pending']>): void {
  const { at, state } = decision;
  decision.emit({
    to: 'commands',
    value: {
      command_id: pending.command_id,
      device_id: at.key,
      vm_id: state.vm_id,
      kind: 'switch_interface',
      to: pending.to,
      path_epoch: pending.path_epoch,
      cause: pending.cause,
      reason: pending.reason,
      attempt: pending.attempt,
      issued_at: at.eventTimeMs,
    },
  });
  decision.set({ pending, path_epoch: Math.max(state.path_epoch, pending.path_epoch) });
  // By wall time: a backlog of events being read must not look like a silent actuator.
  decision.startTimer('ackTimeout', at.wallMs + at.parameters.ackTimeoutMs);
}
