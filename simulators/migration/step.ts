/**
 * The simulation as a pure function of time and commands.
 *
 * I1  `step` changes nothing that it is given, and reads no clock and no ambient randomness.
 * I2  What happens does not depend on how time is cut into steps, as long as commands arrive at the same times.
 */
import type { Command } from '#schemas/migration/generated.ts';
import { applyCommand, receiveCommand } from './actuator.ts';
import type { MigrationModel } from './config.ts';
import { claim, flap, flapsInBurst, isFlapper, plugInPrimary, raiseCarrier, report } from './links.ts';
import { randomFor } from './random.ts';
import { continueMigration, hostName, startMigration } from './vm-migration.ts';
import { schedule } from './world.ts';
import type { Action, Draft, PathTruth, SimulatedEvent, VirtualDevice, World } from './world.ts';

export interface StepResult {
  readonly world: World;
  /** In the order in which they arrive at the log. */
  readonly events: readonly SimulatedEvent[];
  /** Changes of what really carries each device's data, in order of time. */
  readonly truth: readonly PathTruth[];
}

/** A world at `startMs` (milliseconds since the epoch): all devices on their primaries, and the future on the agenda. */
export function createWorld(model: MigrationModel, startMs: number): World {
  const empty = { model, nowMs: startMs, vms: new Map(), devices: new Map(), agenda: [], strays: 0 };
  const draft = open(empty);
  for (let number = 1; number <= model.vms; number++) {
    const vmId = `vm-${String(number).padStart(2, '0')}`;
    const random = randomFor(model.seed, vmId);
    const host = hostName(random.integer(model.hosts));
    const deviceIds = Array.from({ length: model.devicesPerVm }, (_, index) => `${vmId}-net${index}`);
    draft.vms.set(vmId, { vmId, host, deviceIds, migrations: 0, migration: undefined });
    for (const deviceId of deviceIds) addDevice(draft, vmId, deviceId, host);
    schedule(draft, random.between(0.05, 1) * model.firstMigrationWithinMs, { kind: 'migrate', vmId });
  }
  return close(draft);
}

function addDevice(draft: Draft, vmId: string, deviceId: string, host: string): void {
  const { model, nowMs } = draft;
  const random = randomFor(model.seed, deviceId);
  const octet = (): string => random.integer(256).toString(16).padStart(2, '0');
  const up = { attached: true, linkUp: true };
  const device: VirtualDevice = {
    deviceId,
    vmId,
    mac: `52:54:00:${octet()}:${octet()}:${octet()}`,
    host,
    primary: up,
    standby: up,
    plugging: 0,
    active: 'primary',
    paused: false,
    pathEpoch: model.firstEpoch,
    underWay: [],
    answers: [],
    told: { linkStates: 0, phases: 0, acknowledgements: 0 },
    totals: { atMs: nowMs, standbyMs: 0, outageMs: 0, switches: 0 },
  };
  draft.devices.set(deviceId, device);
  schedule(draft, random.between(0, 200), { kind: 'report', deviceId });
  const bursts = isFlapper(draft, deviceId);
  const firstFlapMs = bursts ? random.between(3000, 12_000) : random.exponential(model.flapGapMs);
  const left = bursts ? flapsInBurst(draft, random.uniform()) - 1 : 0;
  schedule(draft, firstFlapMs, { kind: 'flap', deviceId, ordinal: 0, left });
}

/** Lets the world go on to `nowMs`; then the commands arrive. Time never goes back: an earlier `nowMs` is taken for the world's. */
export function step(world: World, nowMs: number, commands: readonly Command[]): StepResult {
  const untilMs = Math.max(world.nowMs, nowMs);
  const first = world.agenda[0];
  if (commands.length === 0 && (first === undefined || first.atMs > untilMs)) {
    return { world: { ...world, nowMs: untilMs }, events: [], truth: [] };
  }
  const draft = open(world);
  for (let next = draft.agenda[0]; next !== undefined && next.atMs <= untilMs; next = draft.agenda[0]) {
    draft.agenda.shift();
    draft.nowMs = next.atMs;
    act(draft, next.action);
  }
  draft.nowMs = untilMs;
  for (const command of commands) receiveCommand(draft, command);
  return { world: close(draft), events: draft.emitted, truth: draft.truth };
}

/**
 * The world as it goes on when nothing happens any more but what was promised: commands under way are finished, events on
 * their way arrive, and actuators go on obeying.
 */
export function quiesce(world: World): World {
  const promised = ({ action }: { readonly action: Action }): boolean =>
    action.kind === 'apply' || action.kind === 'deliver';
  return { ...world, agenda: world.agenda.filter(promised) };
}

/** When everything on the agenda will have happened, at the earliest. */
export function lastDueMs(world: World): number {
  return world.agenda.at(-1)?.atMs ?? world.nowMs;
}

function act(draft: Draft, action: Action): void {
  switch (action.kind) {
    case 'report':
      report(draft, action.deviceId);
      return;
    case 'migrate':
      startMigration(draft, action.vmId);
      return;
    case 'migration':
      continueMigration(draft, action);
      return;
    case 'plug-in':
      plugInPrimary(draft, action.deviceId, action.host);
      return;
    case 'carrier':
      raiseCarrier(draft, action.deviceId, action.plugging);
      return;
    case 'flap':
      flap(draft, action);
      return;
    case 'claim':
      claim(draft, action);
      return;
    case 'apply':
      applyCommand(draft, action.command);
      return;
    case 'deliver':
      draft.emitted.push(action.event);
  }
}

function open(world: World): Draft {
  return {
    model: world.model,
    nowMs: world.nowMs,
    vms: new Map(world.vms),
    devices: new Map(world.devices),
    agenda: [...world.agenda],
    strays: world.strays,
    emitted: [],
    truth: [],
  };
}

function close(draft: Draft): World {
  const { model, nowMs, vms, devices, agenda, strays } = draft;
  return { model, nowMs, vms, devices, agenda, strays };
}
