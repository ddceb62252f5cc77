/**
 * Route flap damping applied to a virtual device's fast path: each loss of it adds to a penalty that decays; a device
 * over the suppress threshold stays on standby until its penalty has decayed to the reuse threshold.
 *
 * I1  The penalty halves in every half-life, whenever it is looked at: reading it changes nothing.
 * I2  The penalty never exceeds the ceiling from which it decays to `reuse` in `maxSuppressMs`, so suppression is bounded.
 * I3  Damping delays a return to the fast path only. A switch to standby is never delayed: a dead path carries nothing.
 * Source: RFC 2439, section 4.2 (figure of merit, cutoff, reuse, ceiling).
 */
import { decayedAdd, decayedTo, type DecayedCounter } from '#engine/functions/rate.ts';

export interface FlapDamping {
  readonly halfLifeMs: number;
  /** Suppressed above this. */
  readonly suppressThreshold: number;
  /** Used again at or below this. */
  readonly reuseThreshold: number;
  /** A device is not suppressed for longer than this after its last flap. */
  readonly maxSuppressMs: number;
}

/** The penalty as of a time; a time before its own leaves it as it is. */
export function penaltyAt(penalty: DecayedCounter, atMs: number, damping: FlapDamping): number {
  return decayedTo(penalty, atMs, damping.halfLifeMs).value;
}

/** The penalty after a flap that adds `added`, and whether the ceiling cut it. */
export function penaltyAfterFlap(
  penalty: DecayedCounter,
  atMs: number,
  added: number,
  damping: FlapDamping,
): { readonly penalty: DecayedCounter; readonly capped: boolean } {
  const raised = decayedAdd(penalty, atMs, added, damping.halfLifeMs);
  const ceiling = damping.reuseThreshold * 2 ** (damping.maxSuppressMs / damping.halfLifeMs);
  if (raised.value <= ceiling) return { penalty: raised, capped: false };
  return { penalty: { at_ms: raised.at_ms, value: ceiling }, capped: true };
}

/** Milliseconds until a penalty of this size has decayed to the reuse threshold; 0 if it is there. */
export function reuseAfterMs(penalty: number, damping: FlapDamping): number {
  return penalty <= damping.reuseThreshold
    ? 0
    : damping.halfLifeMs * Math.log2(penalty / damping.reuseThreshold);
}
