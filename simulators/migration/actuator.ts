/**
 * The actuator of a virtual device: it does what it is told, within its rules, and says what became of it.
 *
 * I1  A command is carried out at most once: one that was applied or rejected is answered again the same way. One that
 *     failed is tried again when it is issued again (a higher attempt), not when it is merely delivered again.
 *     One id stands for one command: another command under the same id is refused.
 * I2  It never goes back behind the newest epoch that it has seen.
 * I3  It cannot use an interface that is not plugged in or has no carrier, as a bond refuses such an active slave.
 */
import type { Acknowledgement, Command } from '#schemas/migration/generated.ts';
import { eventTimeMs, tellAcknowledgement } from './emission.ts';
import { randomFor } from './random.ts';
import { changeDevice, schedule } from './world.ts';
import type { Answer, Draft, VirtualDevice } from './world.ts';

/** Commands an actuator remembers having answered. */
const REMEMBERED = 64;

/** A command reaches its actuator, which sets to work. */
export function receiveCommand(draft: Draft, command: Command): void {
  const device = draft.devices.get(command.device_id);
  if (device === undefined) {
    tellAcknowledgement(draft, {
      ...identity(command),
      host: 'unknown',
      path_epoch: command.path_epoch,
      outcome: 'failed',
      detail: 'ENODEV: no such device',
      at: eventTimeMs(draft),
    });
    return;
  }
  const sameId = (other: Command): boolean => other.command_id === command.command_id;
  const underWay = device.underWay.find(sameId);
  const answer = device.answers.find((other) => sameId(other.command));
  const known = underWay ?? answer?.command;
  if (known !== undefined && !isRepetition(known, command)) {
    refuseOtherCommand(draft, device, known, command);
    return;
  }
  if (underWay !== undefined) return;
  if (answer !== undefined && (answer.outcome !== 'failed' || command.attempt <= answer.command.attempt)) {
    acknowledge(draft, device, command, answer.outcome, 'repeated: answered before');
    return;
  }
  changeDevice(draft, device.deviceId, { underWay: [...device.underWay, command] });
  const random = randomFor(draft.model.seed, `actuator/${command.command_id}/${command.attempt}`);
  schedule(draft, random.between(...draft.model.actuatorMs), { kind: 'apply', command });
}

/** Whether two commands of one id are one command, issued or delivered twice. */
function isRepetition(known: Command, command: Command): boolean {
  // All that stays the same when a command is issued again.
  const content = ({ vm_id, kind, to, path_epoch, cause, reason }: Command): string =>
    JSON.stringify([vm_id, kind, to, path_epoch, cause.topic, cause.partition, cause.offset, reason]);
  return content(known) === content(command);
}

/** Two commands under one id: the issuer could not tell their answers apart, so the second one is not carried out. */
function refuseOtherCommand(draft: Draft, device: VirtualDevice, known: Command, command: Command): void {
  const outcome = command.path_epoch < device.pathEpoch ? 'rejected_stale' : 'failed';
  const asked = `this id was that of another command: ${known.to} under epoch ${known.path_epoch}, ${known.reason}`;
  acknowledge(draft, device, command, outcome, `EEXIST: ${asked}`);
}

/** The actuator is done with a command. */
export function applyCommand(draft: Draft, command: Command): void {
  const before = draft.devices.get(command.device_id)!;
  const { outcome, detail } = verdict(draft, before, command);
  const answer: Answer = { command, outcome };
  const others = before.answers.filter((other) => other.command.command_id !== command.command_id);
  const device = changeDevice(draft, before.deviceId, {
    underWay: before.underWay.filter((other) => other.command_id !== command.command_id),
    answers: [...others, answer].slice(-REMEMBERED),
    pathEpoch: Math.max(before.pathEpoch, command.path_epoch),
    ...(outcome === 'applied' ? { active: command.to } : {}),
  });
  const random = randomFor(draft.model.seed, `lost/${command.command_id}/${command.attempt}`);
  if (random.chance(draft.model.lostAcknowledgementShare)) return;
  acknowledge(draft, device, command, outcome, detail);
}

function verdict(
  draft: Draft,
  device: VirtualDevice,
  command: Command,
): { outcome: Acknowledgement['outcome']; detail: string } {
  if (command.path_epoch < device.pathEpoch) {
    return {
      outcome: 'rejected_stale',
      detail: `epoch ${command.path_epoch} is older than ${device.pathEpoch}, the newest seen`,
    };
  }
  const wanted = device[command.to];
  if (!wanted.attached) return failed(`EINVAL: ${command.to} is not attached on ${device.host}`);
  if (!wanted.linkUp) return failed(`ENETDOWN: ${command.to} has no carrier on ${device.host}`);
  const random = randomFor(draft.model.seed, `failure/${command.command_id}/${command.attempt}`);
  if (random.chance(draft.model.failureShare)) return failed('EBUSY: the device did not answer in time');
  return { outcome: 'applied', detail: '' };
}

function failed(detail: string): { outcome: 'failed'; detail: string } {
  return { outcome: 'failed', detail };
}

function acknowledge(
  draft: Draft,
  device: VirtualDevice,
  command: Command,
  outcome: Acknowledgement['outcome'],
  detail: string,
): void {
  tellAcknowledgement(draft, {
    ...identity(command),
    host: device.host,
    path_epoch: outcome === 'applied' ? command.path_epoch : device.pathEpoch,
    outcome,
    detail,
    at: eventTimeMs(draft),
  });
}

function identity(command: Command): Pick<Acknowledgement, 'command_id' | 'device_id' | 'vm_id'> {
  return { command_id: command.command_id, device_id: command.device_id, vm_id: command.vm_id };
}
