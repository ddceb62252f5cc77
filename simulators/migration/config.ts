/** What a user may set of the migration simulation, and the defaults: a demonstration of half a minute with all traps in it. */
import { SimulatorError } from '../simulator-error.ts';

/** Probabilities are in [0, 1]; times in milliseconds; rates in bytes per second. */
export interface MigrationModel {
  /** Same seed, same model, same commands at the same times: same events. */
  readonly seed: number;
  /** Path epoch of every device at the start. Where processors keep their state from run to run, each run needs a higher one than the run before has reached: below it all reports are stale. */
  readonly firstEpoch: number;
  readonly vms: number;
  readonly hosts: number;
  readonly devicesPerVm: number;
  /** The first migration of each VM starts within this time. */
  readonly firstMigrationWithinMs: number;
  /** Mean time from the end of a VM's migration to its next. */
  readonly migrationGapMs: number;
  /** Memory to be transferred, from and to. */
  readonly memoryBytes: readonly [number, number];
  readonly bandwidth: readonly [number, number];
  /** Migrations whose VM dirties memory faster than it can be sent. */
  readonly nonConvergingShare: number;
  /** Of those, the ones that are forced to stop and copy, with a long downtime; the others are cancelled. */
  readonly forcedShare: number;
  /** Pre-copy that has not converged by then is forced or cancelled. */
  readonly preCopyTimeoutMs: number;
  /** Downtime at which stop-copy is entered. */
  readonly downtimeLimitMs: number;
  /** Migrations in which the target's device goes to error. */
  readonly targetErrorShare: number;
  /** Migrations whose source reports late, so that the target's events are first. */
  readonly lateSourceShare: number;
  /** Migrations after which the primary is not plugged in again, until someone sees to it. */
  readonly noReplugShare: number;
  readonly repairMs: readonly [number, number];
  /** Migrations after which the source host goes on claiming the MAC address for a while, under its old epoch. */
  readonly doubleMacShare: number;
  /** Migrations whose source reports going back from STOP_COPY to PRE_COPY, which VFIO does not allow. */
  readonly illegalArcShare: number;
  /** Devices whose primary link flaps in bursts. */
  readonly flapperShare: number;
  readonly flapsPerBurst: readonly [number, number];
  readonly burstGapMs: readonly [number, number];
  /** Mean time between single flaps of any other device's primary link. */
  readonly flapGapMs: number;
  /** Hosts repeat what they see of each interface this often. */
  readonly reportMs: number;
  /** Events that are delivered twice, under the same id. */
  readonly duplicateShare: number;
  /** How long an actuator takes. */
  readonly actuatorMs: readonly [number, number];
  /** Commands that an actuator tries and fails to carry out. */
  readonly failureShare: number;
  /** Acknowledgements that are lost on the way. */
  readonly lostAcknowledgementShare: number;
}

export const DEFAULT_MODEL: MigrationModel = {
  seed: 1,
  firstEpoch: 1,
  vms: 12,
  hosts: 4,
  devicesPerVm: 2,
  firstMigrationWithinMs: 12_000,
  migrationGapMs: 12_000,
  memoryBytes: [2e9, 4e9],
  bandwidth: [1.0e9, 1.25e9],
  nonConvergingShare: 0.2,
  forcedShare: 0.5,
  preCopyTimeoutMs: 6000,
  downtimeLimitMs: 300,
  targetErrorShare: 0.04,
  lateSourceShare: 0.25,
  noReplugShare: 0.06,
  repairMs: [30_000, 60_000],
  doubleMacShare: 0.1,
  illegalArcShare: 0.04,
  flapperShare: 0.15,
  flapsPerBurst: [3, 6],
  burstGapMs: [25_000, 60_000],
  flapGapMs: 90_000,
  reportMs: 10_000,
  duplicateShare: 0.03,
  actuatorMs: [20, 80],
  failureShare: 0.02,
  lostAcknowledgementShare: 0.01,
};

/** The model with its defaults. Throws a SimulatorError that names the option that makes no sense. */
export function migrationModel(overrides: Partial<MigrationModel>): MigrationModel {
  const model = { ...DEFAULT_MODEL, ...overrides };
  const refuse = (option: string, rule: string): never => {
    throw new SimulatorError('config', `migration simulator: ${option} must be ${rule}`);
  };
  for (const [option, value] of Object.entries(model)) {
    const values = (typeof value === 'number' ? [value] : value) as readonly number[];
    if (values.some((number) => !(number >= 0 && Number.isFinite(number))))
      refuse(option, 'finite and not negative');
    if (values.length === 2 && values[0]! > values[1]!)
      refuse(option, 'given as [from, to], from not above to');
    if (option.endsWith('Share') && values[0]! > 1) refuse(option, 'a share, from 0 to 1');
  }
  for (const option of ['seed', 'firstEpoch', 'vms', 'hosts', 'devicesPerVm'] as const) {
    if (!Number.isSafeInteger(model[option])) refuse(option, 'a whole number');
  }
  if (model.hosts < 2) refuse('hosts', 'at least 2: a migration needs another host');
  if (model.bandwidth[0] === 0) refuse('bandwidth', 'above 0');
  if (model.reportMs === 0) refuse('reportMs', 'above 0');
  return model;
}
