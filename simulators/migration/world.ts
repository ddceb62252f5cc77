/**
 * The state of the simulated estate: VMs, their virtual devices, the actuators, and what is going to happen.
 *
 * A world is immutable; `step` makes the next one. While it does, it works on a draft: copies of the maps, in which it
 * replaces entries.
 *
 * I1  `agenda` is ordered by time, and by order of entry within the same time.
 */
import type { Acknowledgement, Command, LinkState, Phase } from '#schemas/migration/generated.ts';
import type { MigrationModel } from './config.ts';
import type { MigrationPlan } from './migration-plan.ts';

/** An event of the simulation, with the stream that it belongs on, and what identifies it when it is delivered again. */
export type SimulatedEvent =
  | { readonly stream: 'linkStates'; readonly value: LinkState; readonly id: string; readonly host: string }
  | { readonly stream: 'phases'; readonly value: Phase; readonly id: string; readonly host: string }
  | {
      readonly stream: 'acknowledgements';
      readonly value: Acknowledgement;
      readonly id: string;
      readonly host: string;
    };

export type InterfaceName = 'primary' | 'standby';

export interface Interface {
  readonly attached: boolean;
  readonly linkUp: boolean;
}

/** What an actuator remembers of a command it has answered. */
export interface Answer {
  /** As it was issued when it was carried out. */
  readonly command: Command;
  readonly outcome: Acknowledgement['outcome'];
}

/** A virtual device, as it really is. */
export interface VirtualDevice {
  readonly deviceId: string;
  readonly vmId: string;
  readonly mac: string;
  /** Where its VM runs. */
  readonly host: string;
  readonly primary: Interface;
  readonly standby: Interface;
  /** Counts pluggings of the primary: a flap that began before an unplug must not end after it. */
  readonly plugging: number;
  /** The interface that data transfers use. Only a command, or arriving on another host, changes it. */
  readonly active: InterfaceName;
  /** Whether the VM stands still for stop-copy. */
  readonly paused: boolean;
  /** Newest path epoch that the actuator has seen. */
  readonly pathEpoch: number;
  readonly underWay: readonly Command[];
  /** Newest last; bounded. */
  readonly answers: readonly Answer[];
  /** Events told so far, by stream: they number the events. */
  readonly told: Readonly<Record<SimulatedEvent['stream'], number>>;
  readonly totals: PathTotals;
}

/** How a device fared up to `atMs`. */
export interface PathTotals {
  readonly atMs: number;
  readonly standbyMs: number;
  /** Time in which data transfers used an interface that was unplugged or down, or the VM stood still. */
  readonly outageMs: number;
  readonly switches: number;
}

export interface VirtualMachine {
  readonly vmId: string;
  readonly host: string;
  readonly deviceIds: readonly string[];
  /** Migrations begun. */
  readonly migrations: number;
  readonly migration: OngoingMigration | undefined;
}

export interface OngoingMigration {
  readonly plan: MigrationPlan;
  readonly startedMs: number;
  readonly remainingBytes: number;
  readonly reports: number;
}

/** What is going to happen. Actions of a migration carry its uid and are void once it is over. */
export type Action =
  | { readonly kind: 'report'; readonly deviceId: string }
  | { readonly kind: 'migrate'; readonly vmId: string }
  | { readonly kind: 'migration'; readonly vmId: string; readonly uid: string; readonly part: MigrationPart }
  | { readonly kind: 'plug-in'; readonly deviceId: string; readonly host: string }
  | { readonly kind: 'carrier'; readonly deviceId: string; readonly plugging: number }
  | { readonly kind: 'flap'; readonly deviceId: string; readonly ordinal: number; readonly left: number }
  | {
      readonly kind: 'claim';
      readonly deviceId: string;
      readonly host: string;
      readonly interface: InterfaceName;
      readonly epoch: number;
      readonly left: number;
    }
  | { readonly kind: 'apply'; readonly command: Command }
  | { readonly kind: 'deliver'; readonly event: SimulatedEvent };

export type MigrationPart =
  'unplug' | 'pre-copy' | 'progress' | 'stop-copy' | 'stopped' | 'resumed' | 'running';

export interface Scheduled {
  readonly atMs: number;
  readonly action: Action;
}

export interface World {
  readonly model: MigrationModel;
  readonly nowMs: number;
  readonly vms: ReadonlyMap<string, VirtualMachine>;
  readonly devices: ReadonlyMap<string, VirtualDevice>;
  readonly agenda: readonly Scheduled[];
  /** Answers to commands for devices that do not exist. */
  readonly strays: number;
}

/** A change of what really carries a device's data. `carrying`: whether data gets through. */
export interface PathTruth {
  readonly deviceId: string;
  readonly atMs: number;
  readonly active: InterfaceName;
  readonly carrying: boolean;
  readonly host: string;
}

/** A world in the making. */
export interface Draft {
  readonly model: MigrationModel;
  nowMs: number;
  readonly vms: Map<string, VirtualMachine>;
  readonly devices: Map<string, VirtualDevice>;
  readonly agenda: Scheduled[];
  strays: number;
  readonly emitted: SimulatedEvent[];
  readonly truth: PathTruth[];
}

/** Puts an action on the agenda `delayMs` from now. */
export function schedule(draft: Draft, delayMs: number, action: Action): void {
  const entry: Scheduled = { atMs: draft.nowMs + delayMs, action };
  let low = 0;
  let high = draft.agenda.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (draft.agenda[middle]!.atMs <= entry.atMs) low = middle + 1;
    else high = middle;
  }
  draft.agenda.splice(low, 0, entry);
}

/** Whether a device's data gets through. */
export function isCarrying(device: VirtualDevice): boolean {
  const used = device[device.active];
  return !device.paused && used.attached && used.linkUp;
}

/** Replaces parts of a device, and keeps the account of its path. */
export function changeDevice(draft: Draft, deviceId: string, change: Partial<VirtualDevice>): VirtualDevice {
  const before = draft.devices.get(deviceId)!;
  const after = { ...before, ...change, totals: totalsAt(before, draft.nowMs) };
  if (after.active !== before.active) after.totals = { ...after.totals, switches: after.totals.switches + 1 };
  draft.devices.set(deviceId, after);
  const carrying = isCarrying(after);
  if (after.active !== before.active || carrying !== isCarrying(before)) {
    draft.truth.push({ deviceId, atMs: draft.nowMs, active: after.active, carrying, host: after.host });
  }
  return after;
}

/** A device's totals, with the time since they were last brought up to date. */
export function totalsAt(device: VirtualDevice, nowMs: number): PathTotals {
  const { totals } = device;
  const sinceMs = nowMs - totals.atMs;
  return {
    ...totals,
    atMs: nowMs,
    standbyMs: totals.standbyMs + (device.active === 'standby' ? sinceMs : 0),
    outageMs: totals.outageMs + (isCarrying(device) ? 0 : sinceMs),
  };
}
