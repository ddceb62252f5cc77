/** What fate has in store for one migration: drawn from the seed and the migration's uid before it starts. */
import type { MigrationModel } from './config.ts';
import { randomFor } from './random.ts';

export interface MigrationPlan {
  readonly uid: string;
  readonly sourceNode: string;
  readonly targetNode: string;
  readonly memoryBytes: number;
  /** Means, in bytes per second; reports vary around them. */
  readonly bandwidth: number;
  readonly dirtyRate: number;
  /** How pre-copy ends: by itself, by force at the time-out, by cancelling then, or because the target's device fails. */
  readonly fate: 'converges' | 'forced' | 'cancelled' | 'target-error';
  /** How much later than they happen the source's events arrive. */
  readonly sourceLagMs: number;
  readonly replugged: boolean;
  readonly doubleMac: boolean;
  readonly illegalArc: boolean;
}

/** The plan of the migration of a VM away from `sourceNode` to one of the other `hosts`. */
export function planMigration(
  model: MigrationModel,
  uid: string,
  sourceNode: string,
  hosts: readonly string[],
): MigrationPlan {
  const random = randomFor(model.seed, uid);
  const others = hosts.filter((host) => host !== sourceNode);
  const bandwidth = random.between(...model.bandwidth);
  const converging = !random.chance(model.nonConvergingShare);
  const failing = random.chance(model.targetErrorShare);
  const forced = random.chance(model.forcedShare);
  return {
    uid,
    sourceNode,
    targetNode: others[random.integer(others.length)]!,
    memoryBytes: Math.round(random.between(...model.memoryBytes)),
    bandwidth,
    dirtyRate: bandwidth * (converging ? random.between(0.1, 0.7) : random.between(1.15, 1.6)),
    fate: failing ? 'target-error' : converging ? 'converges' : forced ? 'forced' : 'cancelled',
    sourceLagMs: random.chance(model.lateSourceShare) ? random.between(150, 700) : 0,
    replugged: !random.chance(model.noReplugShare),
    doubleMac: random.chance(model.doubleMacShare),
    illegalArc: random.chance(model.illegalArcShare),
  };
}
