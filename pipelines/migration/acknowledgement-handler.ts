/**
 * Acknowledgements: a command is repeated, under the same id, until its actuator answers or it is given up.
 *
 * I1  At most one command of a device waits; an answer to another one, by its id or by its epoch, changes nothing.
 * I2  A stale rejection is answered with a new command under an epoch above the one that the actuator knows.
 * I3  Attempts are bounded, over repetitions and renewals alike; giving up is reported as critical.
 */
import type { Acknowledgement, DeviceState, PendingCommand } from '#schemas/migration/generated.ts';
import { alert, commandIdOf, Decision, issue, type Context, type Decided } from './decision.ts';

export function onAcknowledgement(
  state: DeviceState,
  event: Acknowledgement,
  at: Context,
): Decided | undefined {
  const { pending } = state;
  if (pending === null || !isAnswerTo(pending, event)) return undefined;
  const decision = new Decision(state, at);
  const about = { host: event.host, pathEpoch: event.path_epoch };
  const told = `${event.host} on switch to ${pending.to} (epoch ${pending.path_epoch}): ${event.detail}`;
  switch (event.outcome) {
    case 'applied':
      settle(decision);
      break;
    case 'failed':
      // The time-out issues it again.
      alert(decision, 'command_failed', 'warning', `failed: ${told}`, about);
      break;
    case 'rejected_stale':
      decision.set({ path_epoch: Math.max(state.path_epoch, event.path_epoch) });
      alert(decision, 'command_rejected', 'warning', `rejected as stale: ${told}`, about);
      renew(decision, pending);
      break;
  }
  return decision.result();
}

/** The epoch is compared too: data must not be taken for moved because an older switch was carried out, or refused. */
function isAnswerTo(pending: PendingCommand, event: Acknowledgement): boolean {
  if (pending.command_id !== event.command_id) return false;
  switch (event.outcome) {
    case 'applied':
      return event.path_epoch === pending.path_epoch;
    case 'rejected_stale':
      return event.path_epoch >= pending.path_epoch;
    case 'failed':
      // Here it is the newest epoch that the actuator knows, which may be an older one; the command waits on in any case.
      return true;
  }
}

function settle(decision: Decision): void {
  decision.set({ pending: null });
  decision.clearTimer('ackTimeout');
}

function renew(decision: Decision, pending: PendingCommand): void {
  if (pending.attempt >= decision.at.parameters.maxAttempts) {
    giveUp(decision, pending);
    return;
  }
  const pathEpoch = decision.state.path_epoch + 1;
  issue(decision, {
    ...pending,
    command_id: commandIdOf(decision.at, pending.to, pathEpoch),
    path_epoch: pathEpoch,
    attempt: pending.attempt + 1,
  });
}

/** Timer: no acknowledgement has come. */
export function onAckTimeout(state: DeviceState, at: Context): Decided | undefined {
  const { pending } = state;
  if (pending === null) return undefined;
  const decision = new Decision(state, at);
  if (pending.attempt >= at.parameters.maxAttempts) giveUp(decision, pending);
  else issue(decision, { ...pending, attempt: pending.attempt + 1 });
  return decision.result();
}

function giveUp(decision: Decision, pending: PendingCommand): void {
  settle(decision);
  const tries = `${pending.attempt} attempts, ${decision.at.parameters.ackTimeoutMs} ms each`;
  const detail = `switch to ${pending.to} (epoch ${pending.path_epoch}) was not applied in ${tries}: given up`;
  alert(decision, 'command_unacknowledged', 'critical', detail, { pathEpoch: pending.path_epoch });
}
