/**
 * How what happens is told: events get their ids, some are delivered twice, and those of a lagging source come late.
 *
 * I1  Two deliveries of one event have the same id; two events never do.
 */
import type { Acknowledgement, LinkState, Phase } from '#schemas/migration/generated.ts';
import { randomFor } from './random.ts';
import { schedule } from './world.ts';
import type {
  Draft,
  Interface,
  InterfaceName,
  OngoingMigration,
  SimulatedEvent,
  VirtualDevice,
} from './world.ts';

/** Event time of what happens now: whole milliseconds. */
export function eventTimeMs(draft: Draft): number {
  return Math.floor(draft.nowMs);
}

function tell(draft: Draft, event: SimulatedEvent, lagMs: number): void {
  if (lagMs > 0) schedule(draft, lagMs, { kind: 'deliver', event });
  else draft.emitted.push(event);
  const random = randomFor(draft.model.seed, `duplicate/${event.id}`);
  if (random.chance(draft.model.duplicateShare)) {
    schedule(draft, lagMs + random.between(20, 400), { kind: 'deliver', event });
  }
}

/** Numbered by device and stream, so that what is told of one device does not renumber another's events. */
function nextId(draft: Draft, deviceId: string, stream: SimulatedEvent['stream']): string {
  const device = draft.devices.get(deviceId);
  if (device === undefined) return `${stream}/stray/${draft.strays++}`;
  const number = device.told[stream];
  draft.devices.set(deviceId, { ...device, told: { ...device.told, [stream]: number + 1 } });
  return `${stream}/${deviceId}/${number}`;
}

/** Migrations of later runs have other uids: to what keeps its state from run to run, those of the same ones are over. */
function reportedUid({ model: { firstEpoch } }: Draft, uid: string): string {
  return firstEpoch === 1 ? uid : `${uid}@${firstEpoch}`;
}

/** What `host` claims about one interface of a device: normally the truth, under the newest epoch. */
export interface LinkClaim {
  readonly host: string;
  readonly interface: InterfaceName;
  readonly state: Interface;
  readonly epoch: number;
}

export function tellLink(draft: Draft, device: VirtualDevice, claim: LinkClaim): void {
  const value: LinkState = {
    device_id: device.deviceId,
    vm_id: device.vmId,
    mac: device.mac,
    host: claim.host,
    interface: claim.interface,
    attached: claim.state.attached,
    link_up: claim.state.linkUp,
    path_epoch: claim.epoch,
    observed_at: eventTimeMs(draft),
  };
  const plan = draft.vms.get(device.vmId)?.migration?.plan;
  const lagMs = plan?.sourceNode === claim.host ? plan.sourceLagMs : 0;
  tell(
    draft,
    { stream: 'linkStates', value, id: nextId(draft, device.deviceId, 'linkStates'), host: claim.host },
    lagMs,
  );
}

/** Tells the state of an interface on the host where the device is. */
export function tellInterface(draft: Draft, device: VirtualDevice, name: InterfaceName): void {
  tellLink(draft, device, {
    host: device.host,
    interface: name,
    state: device[name],
    epoch: device.pathEpoch,
  });
}

/** What a phase report says beyond the state itself. */
export interface PhaseDetails {
  readonly remainingBytes?: number;
  readonly dirtyRate?: number;
  readonly bandwidth?: number;
  readonly failureReason?: string;
}

/** Tells a VFIO device state of one side, for every device of the VM: each has a VFIO device of its own. */
export function tellPhase(
  draft: Draft,
  vmId: string,
  migration: OngoingMigration,
  side: Phase['side'],
  state: Phase['device_state'],
  details: PhaseDetails = {},
): void {
  const { plan } = migration;
  for (const deviceId of draft.vms.get(vmId)!.deviceIds) {
    const value: Phase = {
      device_id: deviceId,
      vm_id: vmId,
      migration_uid: reportedUid(draft, plan.uid),
      source_node: plan.sourceNode,
      target_node: plan.targetNode,
      side,
      device_state: state,
      data_remaining_bytes: details.remainingBytes === undefined ? null : Math.round(details.remainingBytes),
      dirty_rate: details.dirtyRate ?? null,
      bandwidth: details.bandwidth ?? null,
      failure_reason: details.failureReason ?? null,
      observed_at: eventTimeMs(draft),
    };
    const host = side === 'source' ? plan.sourceNode : plan.targetNode;
    const lagMs = side === 'source' ? plan.sourceLagMs : 0;
    tell(draft, { stream: 'phases', value, id: nextId(draft, deviceId, 'phases'), host }, lagMs);
  }
}

export function tellAcknowledgement(draft: Draft, value: Acknowledgement): void {
  tell(
    draft,
    {
      stream: 'acknowledgements',
      value,
      id: nextId(draft, value.device_id, 'acknowledgements'),
      host: value.host,
    },
    0,
  );
}
