/**
 * Cumulative I/O counters of one thing, and what happened between two readings of them.
 *
 * A counter that went down was either reset (the device was attached anew) or has wrapped: the kernel keeps operations
 * and sectors in an `unsigned long`, 32 bits on 32-bit kernels (Documentation/admin-guide/iostats.rst). At wrap-around a
 * counter continues where it was, so the difference modulo 2^32 is small; after a reset it starts at zero, so that
 * difference is as good as random.
 *
 * I1  A delta is never negative, and is never made up: after a reset there is none.
 * I2  Counters of one reading belong together: one that was reset means that all were.
 */

/** As counted by the kernel since boot or since the thing appeared. */
export interface IoCounters {
  readonly readOps: number;
  /** In units of `unitBytes`. */
  readonly readUnits: number;
  readonly writeOps: number;
  /** In units of `unitBytes`. */
  readonly writeUnits: number;
}

/** I/O between two readings. */
export interface IoDelta {
  readonly readOps: number;
  readonly readBytes: number;
  readonly writeOps: number;
  readonly writeBytes: number;
  /** Whether a counter passed its largest value in between. */
  readonly wrapped: boolean;
}

export interface CounterTraits {
  /** Bytes per unit: 512 for sectors, whatever the device's own block size; 1 for cgroup counters. */
  readonly unitBytes: number;
  /** Width of the counters. 64 means that a decrease is always a reset. */
  readonly bits: 32 | 64;
}

/** No block device or controller of today moves this much; a wrap that would need more was a reset. */
const PLAUSIBLE_BYTES_PER_SECOND = 64e9;
const PLAUSIBLE_OPS_PER_SECOND = 20e6;

/** Units or operations from `before` to `now`; undefined when only a reset explains them. */
function increase(before: number, now: number, bits: 32 | 64, plausible: number): number | undefined {
  if (now >= before) return now - before;
  if (bits === 64) return undefined;
  const wrapped = now + 2 ** 32 - before;
  return wrapped <= plausible ? wrapped : undefined;
}

/**
 * The I/O between two readings `elapsedMs` apart; undefined if the counters were reset in between, so that what happened
 * is unknown.
 */
export function ioDelta(
  before: IoCounters,
  now: IoCounters,
  elapsedMs: number,
  traits: CounterTraits,
): IoDelta | undefined {
  const { bits, unitBytes } = traits;
  const ops = (PLAUSIBLE_OPS_PER_SECOND * elapsedMs) / 1000;
  const units = (PLAUSIBLE_BYTES_PER_SECOND * elapsedMs) / 1000 / unitBytes;
  const readOps = increase(before.readOps, now.readOps, bits, ops);
  const readUnits = increase(before.readUnits, now.readUnits, bits, units);
  const writeOps = increase(before.writeOps, now.writeOps, bits, ops);
  const writeUnits = increase(before.writeUnits, now.writeUnits, bits, units);
  if (
    readOps === undefined ||
    readUnits === undefined ||
    writeOps === undefined ||
    writeUnits === undefined
  ) {
    return undefined;
  }
  return {
    readOps,
    readBytes: readUnits * unitBytes,
    writeOps,
    writeBytes: writeUnits * unitBytes,
    wrapped:
      now.readOps < before.readOps ||
      now.readUnits < before.readUnits ||
      now.writeOps < before.writeOps ||
      now.writeUnits < before.writeUnits,
  };
}
