/** Parameters of migration.device-failover, with their defaults. Each can be set in a replay to see what it changes. */
export const parameters = {
  /** RFC 2439: penalty of one unplanned loss of the primary. */
  flapPenalty: 1000,
  /** Penalty of an unplug during a migration: planned, so by default it is no flap. */
  plannedPenalty: 0,
  /** A return to primary is suppressed while the penalty is above this ... */
  suppressThreshold: 2000,
  /** ... until it has decayed to this. */
  reuseThreshold: 750,
  /** Time in which the penalty halves. RFC 2439 suggests 15 min. */
  halfLifeMs: 900_000,
  /** Suppression ends at the latest this long after the last flap. RFC 2439 suggests 60 min. */
  maxSuppressMs: 3_600_000,
  /** The primary must have been usable for this long before data moves back to it. */
  holdDownMs: 1_000,
  /** An unplugged primary that is not plugged in again within this time is reported; a migration that goes on is waited for. */
  noReplugMs: 15_000,
  /** Two hosts may claim one MAC for this long: the target's report may overtake the source's. */
  conflictGraceMs: 1_000,
  /** A device without a working interface is reported after this long; moving to another host takes a moment. */
  noPathGraceMs: 2_000,
  /** Wall time after which an unacknowledged command is issued again. */
  ackTimeoutMs: 2_000,
  /** Issues of one command, the first included, before it is given up and reported. */
  maxAttempts: 5,
  /** Pre-copy forecast: the guest is stopped once the rest can be sent in this time (QEMU's default). */
  downtimeLimitMs: 300,
  /** Pre-copy forecast: and at the latest after so many rounds. */
  maxPreCopyRounds: 30,
};

export type FailoverParameters = typeof parameters;
