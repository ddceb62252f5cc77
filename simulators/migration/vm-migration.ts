/**
 * A live migration of a VM, from its first report to its end, as the hosts would go through it.
 *
 * The devices pass VFIO's states (linux/vfio.h, vfio_device_mig_state; arcs in drivers/vfio/vfio_main.c). Source: RUNNING,
 * PRE_COPY, PRE_COPY_P2P, STOP_COPY, STOP. Target: RESUMING, STOP, RUNNING_P2P, RUNNING. Where the primary cannot move, it
 * is unplugged before and plugged in after (as virtio-net failover does); data can then only use the standby.
 *
 * I1  A VM runs in one place: on the source until STOP, on the target from RUNNING on, and nowhere in between.
 */
import { tellInterface, tellPhase } from './emission.ts';
import type { PhaseDetails } from './emission.ts';
import { unplugPrimary } from './links.ts';
import { planMigration } from './migration-plan.ts';
import { randomFor } from './random.ts';
import { changeDevice, schedule } from './world.ts';
import type { Action, Draft, MigrationPart, OngoingMigration, VirtualMachine } from './world.ts';

const REPORT_EVERY_MS = 500;
/** From running on the target until the orchestrator plugs the primary in. */
const REPLUG_MS = [300, 1500] as const;

/** From running on the target until the source has taken down what it kept. */
const SOURCE_CLEANUP_MS = 50;
/** From running on the target until a source that kept the MAC address claims it. */
const FALSE_CLAIM_AFTER_MS = 2500;

/** Hosts by number. */
export function hostName(index: number): string {
  return `host-${String(index + 1).padStart(2, '0')}`;
}

/** Begins the next migration of a VM. */
export function startMigration(draft: Draft, vmId: string): void {
  const vm = draft.vms.get(vmId)!;
  if (vm.migration !== undefined) return;
  const uid = `${vmId}-m${vm.migrations + 1}`;
  const hosts = Array.from({ length: draft.model.hosts }, (_, index) => hostName(index));
  const plan = planMigration(draft.model, uid, vm.host, hosts);
  const migration = { plan, startedMs: draft.nowMs, remainingBytes: plan.memoryBytes, reports: 0 };
  draft.vms.set(vmId, { ...vm, migrations: vm.migrations + 1, migration });
  tellPhase(draft, vmId, migration, 'source', 'running', { remainingBytes: plan.memoryBytes });
  then(draft, vmId, uid, randomFor(draft.model.seed, `${uid}/unplug`).between(100, 300), 'unplug');
}

function then(draft: Draft, vmId: string, uid: string, delayMs: number, part: MigrationPart): void {
  schedule(draft, delayMs, { kind: 'migration', vmId, uid, part });
}

/** Goes one part further with a migration, if it is still on. */
export function continueMigration(draft: Draft, action: Extract<Action, { kind: 'migration' }>): void {
  const { vmId, uid, part } = action;
  const vm = draft.vms.get(vmId)!;
  const { migration } = vm;
  if (migration?.plan.uid !== uid) return;
  switch (part) {
    case 'unplug':
      for (const deviceId of vm.deviceIds) {
        if (draft.devices.get(deviceId)!.primary.attached) unplugPrimary(draft, deviceId);
      }
      then(draft, vmId, uid, randomFor(draft.model.seed, `${uid}/pre-copy`).between(300, 600), 'pre-copy');
      return;
    case 'pre-copy':
      tellPhase(draft, vmId, migration, 'target', 'resuming');
      tellPhase(draft, vmId, migration, 'source', 'pre_copy', rates(draft, migration));
      then(draft, vmId, uid, REPORT_EVERY_MS, 'progress');
      return;
    case 'progress':
      progress(draft, vm, migration);
      return;
    case 'stop-copy':
      tellPhase(draft, vmId, migration, 'source', 'stop_copy', { remainingBytes: migration.remainingBytes });
      for (const deviceId of vm.deviceIds) changeDevice(draft, deviceId, { paused: true });
      then(draft, vmId, uid, (1000 * migration.remainingBytes) / migration.plan.bandwidth, 'stopped');
      return;
    case 'stopped':
      // A driver gone wrong: VFIO knows no way back from STOP_COPY.
      if (migration.plan.illegalArc) tellPhase(draft, vmId, migration, 'source', 'pre_copy');
      tellPhase(draft, vmId, migration, 'source', 'stop', { remainingBytes: 0 });
      tellPhase(draft, vmId, migration, 'target', 'stop');
      then(draft, vmId, uid, 10, 'resumed');
      return;
    case 'resumed':
      tellPhase(draft, vmId, migration, 'target', 'running_p2p');
      then(draft, vmId, uid, 10, 'running');
      return;
    case 'running':
      arrive(draft, vm, migration);
  }
}

/** Rates as measured now: around the means of the plan. */
function rates(draft: Draft, migration: OngoingMigration): Required<Omit<PhaseDetails, 'failureReason'>> {
  const { plan, reports, remainingBytes } = migration;
  const random = randomFor(draft.model.seed, `${plan.uid}/report/${reports}`);
  return {
    remainingBytes,
    dirtyRate: plan.dirtyRate * random.between(0.93, 1.07),
    bandwidth: plan.bandwidth * random.between(0.97, 1.03),
  };
}

/** Pre-copy as a fluid: what is left falls by bandwidth minus dirty rate, and is never more than the memory there is. */
function progress(draft: Draft, vm: VirtualMachine, before: OngoingMigration): void {
  const { plan } = before;
  const { dirtyRate, bandwidth } = rates(draft, before);
  const left = before.remainingBytes - ((bandwidth - dirtyRate) * REPORT_EVERY_MS) / 1000;
  const remainingBytes = Math.min(plan.memoryBytes, Math.max(0, left));
  const migration = { ...before, remainingBytes, reports: before.reports + 1 };
  draft.vms.set(vm.vmId, { ...vm, migration });
  const now = rates(draft, migration);
  const timedOut = draft.nowMs - before.startedMs >= draft.model.preCopyTimeoutMs;
  if (plan.fate === 'target-error' && migration.reports === 3) {
    const failureReason = 'target: device state cannot be loaded (EIO)';
    tellPhase(draft, vm.vmId, migration, 'target', 'error', { failureReason });
    stayOnSource(draft, vm, migration, { failureReason });
    return;
  }
  if (plan.fate === 'cancelled' && timedOut) {
    tellPhase(draft, vm.vmId, migration, 'target', 'stop');
    stayOnSource(draft, vm, migration, {});
    return;
  }
  const short = remainingBytes <= (plan.bandwidth * draft.model.downtimeLimitMs) / 1000;
  if (short || (plan.fate === 'forced' && timedOut)) {
    tellPhase(draft, vm.vmId, migration, 'source', 'pre_copy_p2p', now);
    then(draft, vm.vmId, plan.uid, 10, 'stop-copy');
    return;
  }
  tellPhase(draft, vm.vmId, migration, 'source', 'pre_copy', now);
  then(draft, vm.vmId, plan.uid, REPORT_EVERY_MS, 'progress');
}

/** The migration is given up: the source's devices run on, and get their primaries back. */
function stayOnSource(
  draft: Draft,
  vm: VirtualMachine,
  migration: OngoingMigration,
  why: PhaseDetails,
): void {
  tellPhase(draft, vm.vmId, migration, 'source', 'running', why);
  end(draft, vm, migration);
}

/** The VM runs on the target: there its devices begin on the standby, the only interface they have. */
function arrive(draft: Draft, vm: VirtualMachine, migration: OngoingMigration): void {
  const { plan } = migration;
  for (const deviceId of vm.deviceIds) {
    const before = draft.devices.get(deviceId)!;
    const device = changeDevice(draft, deviceId, {
      host: plan.targetNode,
      paused: false,
      active: 'standby',
      standby: { attached: true, linkUp: true },
      pathEpoch: before.pathEpoch + 1,
    });
    tellInterface(draft, device, 'standby');
    const left = { deviceId, host: plan.sourceNode, epoch: before.pathEpoch };
    schedule(draft, SOURCE_CLEANUP_MS, { kind: 'claim', ...left, interface: 'standby', left: 0 });
    if (plan.doubleMac) {
      schedule(draft, FALSE_CLAIM_AFTER_MS, { kind: 'claim', ...left, interface: 'primary', left: 3 });
    }
  }
  tellPhase(draft, vm.vmId, migration, 'target', 'running');
  end(draft, { ...vm, host: plan.targetNode }, migration);
}

function end(draft: Draft, vm: VirtualMachine, migration: OngoingMigration): void {
  const { plan } = migration;
  const { model } = draft;
  draft.vms.set(vm.vmId, { ...vm, migration: undefined });
  const random = randomFor(model.seed, `${plan.uid}/end`);
  const gapMs = random.exponential(model.migrationGapMs);
  for (const deviceId of vm.deviceIds) {
    const delayMs = plan.replugged ? random.between(...REPLUG_MS) : random.between(...model.repairMs);
    schedule(draft, delayMs, { kind: 'plug-in', deviceId, host: vm.host });
  }
  // The next migration must not begin before the orchestrator has put this one right.
  const repairedMs = plan.replugged ? REPLUG_MS[1] : model.repairMs[1];
  schedule(draft, repairedMs + 1000 + gapMs, { kind: 'migrate', vmId: vm.vmId });
}
