/**
 * A controller for tests of the simulation, much simpler than the processor: primary when its newest report says that it
 * works, else standby. It sees only events, and answers with commands.
 */
import type { Command } from '#schemas/migration/generated.ts';
import { step } from './step.ts';
import type { PathTruth, SimulatedEvent, World } from './world.ts';

interface Known {
  epoch: number;
  decided: Command['to'];
}

/** A function from events to the commands that they call for. */
export function simpleController(): (events: readonly SimulatedEvent[], nowMs: number) => Command[] {
  const known = new Map<string, Known>();
  return (events, nowMs) => {
    const commands: Command[] = [];
    for (const event of events) {
      if (event.stream !== 'linkStates' || event.value.interface !== 'primary') continue;
      const { device_id: deviceId, vm_id: vmId, path_epoch: epoch, attached, link_up: linkUp } = event.value;
      const device: Known = known.get(deviceId) ?? { epoch, decided: 'primary' };
      known.set(deviceId, device);
      if (epoch < device.epoch - 1) continue;
      device.epoch = Math.max(device.epoch, epoch);
      const to = attached && linkUp ? 'primary' : 'standby';
      if (to === device.decided) continue;
      device.decided = to;
      device.epoch++;
      commands.push(switchCommand(deviceId, to, device.epoch, { vm_id: vmId, issued_at: nowMs }));
    }
    return commands;
  };
}

/** A command; its id follows from device, target and epoch. */
export function switchCommand(
  deviceId: string,
  to: Command['to'],
  epoch: number,
  more: Partial<Command> = {},
): Command {
  return {
    command_id: `${deviceId}/${epoch}/${to}`,
    device_id: deviceId,
    vm_id: deviceId.slice(0, 5),
    kind: 'switch_interface',
    to,
    path_epoch: epoch,
    cause: { topic: 'migration.link-states', partition: 0, offset: 0 },
    reason: 'test',
    attempt: 1,
    issued_at: 0,
    ...more,
  };
}

export interface Run {
  readonly world: World;
  readonly events: SimulatedEvent[];
  readonly truth: PathTruth[];
  readonly commands: Command[];
}

/** Drives a world for `durationMs` in steps of `stepMs`; the controller's commands arrive with the next step. */
export function drive(
  start: World,
  durationMs: number,
  stepMs: number,
  control: (events: readonly SimulatedEvent[], nowMs: number) => Command[] = () => [],
): Run {
  const events: SimulatedEvent[] = [];
  const truth: PathTruth[] = [];
  const commands: Command[] = [];
  let world = start;
  let inbox: Command[] = [];
  for (let nowMs = start.nowMs + stepMs; nowMs <= start.nowMs + durationMs; nowMs += stepMs) {
    const result = step(world, nowMs, inbox);
    world = result.world;
    events.push(...result.events);
    truth.push(...result.truth);
    inbox = control(result.events, nowMs);
    commands.push(...inbox);
  }
  return { world, events, truth, commands };
}
