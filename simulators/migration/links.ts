/** The physical side of a device's interfaces: plugging, carrier, flaps, and a host that does not let go of a MAC address. */
import { tellInterface, tellLink } from './emission.ts';
import { randomFor } from './random.ts';
import { changeDevice, schedule } from './world.ts';
import type { Action, Draft } from './world.ts';

const DETACHED = { attached: false, linkUp: false };
const NO_CARRIER = { attached: true, linkUp: false };
const UP = { attached: true, linkUp: true };
const CLAIM_EVERY_MS = 700;

/** Takes the primary away, as the orchestrator does before a migration. */
export function unplugPrimary(draft: Draft, deviceId: string): void {
  const { plugging } = draft.devices.get(deviceId)!;
  const device = changeDevice(draft, deviceId, { primary: DETACHED, plugging: plugging + 1 });
  tellInterface(draft, device, 'primary');
}

/** Plugs a primary in, on `host`, if the device is there and has none; its link comes up a little later. */
export function plugInPrimary(draft: Draft, deviceId: string, host: string): void {
  const before = draft.devices.get(deviceId)!;
  const migrating = draft.vms.get(before.vmId)!.migration !== undefined;
  if (before.host !== host || before.primary.attached || migrating) return;
  const plugging = before.plugging + 1;
  const device = changeDevice(draft, deviceId, { primary: NO_CARRIER, plugging });
  tellInterface(draft, device, 'primary');
  const random = randomFor(draft.model.seed, `carrier/${deviceId}/${plugging}`);
  schedule(draft, random.between(100, 400), { kind: 'carrier', deviceId, plugging });
}

/** The primary's link comes up, unless it was unplugged in the meantime. */
export function raiseCarrier(draft: Draft, deviceId: string, plugging: number): void {
  const before = draft.devices.get(deviceId)!;
  if (before.plugging !== plugging || !before.primary.attached || before.primary.linkUp) return;
  tellInterface(draft, changeDevice(draft, deviceId, { primary: UP }), 'primary');
}

/** Hosts repeat what they see, so that one who joins late, or lost an event, learns the state. */
export function report(draft: Draft, deviceId: string): void {
  const device = draft.devices.get(deviceId)!;
  tellInterface(draft, device, 'primary');
  tellInterface(draft, device, 'standby');
  schedule(draft, draft.model.reportMs, { kind: 'report', deviceId });
}

/** Whether a device's primary flaps in bursts: the same devices throughout a run. */
export function isFlapper(draft: Pick<Draft, 'model'>, deviceId: string): boolean {
  return randomFor(draft.model.seed, `flapper/${deviceId}`).chance(draft.model.flapperShare);
}

/**
 * The primary's link goes down for a moment. `left` more flaps follow in this burst, then there is peace until the next.
 * While it is unplugged or already down there is nothing to flap.
 */
export function flap(draft: Draft, action: Extract<Action, { kind: 'flap' }>): void {
  const { deviceId, ordinal, left } = action;
  const random = randomFor(draft.model.seed, `flap/${deviceId}/${ordinal}`);
  const downMs = random.between(200, 800);
  const before = draft.devices.get(deviceId)!;
  if (before.primary.attached && before.primary.linkUp) {
    const device = changeDevice(draft, deviceId, { primary: NO_CARRIER });
    tellInterface(draft, device, 'primary');
    schedule(draft, downMs, { kind: 'carrier', deviceId, plugging: device.plugging });
  }
  const next = { kind: 'flap', deviceId, ordinal: ordinal + 1 } as const;
  if (left > 0) {
    schedule(draft, downMs + random.between(300, 1500), { ...next, left: left - 1 });
    return;
  }
  const { flapGapMs, burstGapMs } = draft.model;
  const bursts = isFlapper(draft, deviceId);
  const gapMs = bursts ? random.between(...burstGapMs) : random.exponential(flapGapMs);
  schedule(draft, downMs + gapMs, { ...next, left: bursts ? flapsInBurst(draft, random.uniform()) - 1 : 0 });
}

/** Number of flaps in a burst, from a uniform draw. */
export function flapsInBurst(draft: Pick<Draft, 'model'>, uniform: number): number {
  const [from, to] = draft.model.flapsPerBurst;
  return Math.max(1, Math.round(from + uniform * (to - from)));
}

/**
 * The host that a device has left tells what it still has of it, under the epoch of then: `left` more times that it is there,
 * at last that it has let go.
 */
export function claim(draft: Draft, action: Extract<Action, { kind: 'claim' }>): void {
  const device = draft.devices.get(action.deviceId)!;
  const { host, epoch, left } = action;
  if (device.host === host) return;
  tellLink(draft, device, { host, interface: action.interface, state: left > 0 ? UP : DETACHED, epoch });
  if (left > 0) schedule(draft, CLAIM_EVERY_MS, { ...action, left: left - 1 });
}
