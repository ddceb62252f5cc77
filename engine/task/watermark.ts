/**
 * The watermark of a task: how far event time has come over all its input partitions.
 *
 * I1  It never goes back.
 * I2  While any partition is active it is the minimum, over active partitions, of (largest event time - allowed lateness).
 * I3  A partition is idle after `idleAfterMs` of wall time without a record, counted only over ticks at which the driver
 *     had nothing left to read from it: an unreachable broker makes no partition idle.
 * I4  When every partition is idle it goes on from the furthest partition's mark at the pace of the wall clock, so quiet
 *     streams still close their windows.
 * I5  It is a function of the task's journalled inputs: records and ticks. A restart changes no late/on-time decision.
 */

export interface PartitionClock {
  readonly allowedLatenessMs: number;
  readonly idleAfterMs: number;
  maxEventTimeMs: number;
  /** Wall time of the last record, or of the last tick at which the partition was not read to its end. */
  lastActiveWallMs: number;
  idle: boolean;
}

export class Watermark {
  readonly #partitions: PartitionClock[] = [];
  #currentMs = -Infinity;
  #wallMs = -Infinity;

  /** Adds an input partition; before the first record. Returns its index. */
  add(allowedLatenessMs: number, idleAfterMs: number): number {
    this.#partitions.push({
      allowedLatenessMs,
      idleAfterMs,
      maxEventTimeMs: -Infinity,
      lastActiveWallMs: -Infinity,
      idle: false,
    });
    return this.#partitions.length - 1;
  }

  get currentMs(): number {
    return this.#currentMs;
  }

  /** Wall time of the last tick; -Infinity before the first. */
  get wallMs(): number {
    return this.#wallMs;
  }

  get partitions(): readonly PartitionClock[] {
    return this.#partitions;
  }

  /** Takes a record's event time into account. Returns the watermark after it. */
  record(index: number, eventTimeMs: number): number {
    const partition = this.#partitions[index]!;
    this.touch(index);
    if (eventTimeMs > partition.maxEventTimeMs) {
      partition.maxEventTimeMs = eventTimeMs;
      this.#advance();
    }
    return this.#currentMs;
  }

  /** Notes that something was read from a partition, even if it has no event time. */
  touch(index: number): void {
    const partition = this.#partitions[index]!;
    partition.lastActiveWallMs = this.#wallMs;
    partition.idle = false;
  }

  /**
   * Takes a wall tick into account; a tick behind the last one counts as the last one. `caughtUp(i)` says whether
   * partition `i` had been read to its end when the driver made the tick. Returns the watermark after it.
   */
  tick(wallMs: number, caughtUp: (index: number) => boolean): number {
    this.#wallMs = Math.max(this.#wallMs, Math.floor(wallMs));
    for (let i = 0; i < this.#partitions.length; i += 1) {
      const partition = this.#partitions[i]!;
      if (!caughtUp(i) || partition.lastActiveWallMs === -Infinity) this.touch(i);
      else if (this.#wallMs - partition.lastActiveWallMs >= partition.idleAfterMs) partition.idle = true;
    }
    this.#advance();
    return this.#currentMs;
  }

  /**
   * Whether a tick would change more than the wall time: bring the watermark to `limitMs` or beyond, or find a partition
   * with something left to read. Leaving out ticks for which it is false makes nothing late that would have been on time, and
   * reaches the limit at the same tick: partitions that were read to their end at all of them become idle at the next tick as
   * they would have at the first. One that has something to read by then was not idle at all, and the watermark waits for it.
   */
  tickMatters(wallMs: number, caughtUp: (index: number) => boolean, limitMs: number): boolean {
    for (let i = 0; i < this.#partitions.length; i += 1) {
      if (!caughtUp(i) || this.#partitions[i]!.lastActiveWallMs === -Infinity) return true;
    }
    if (limitMs === Infinity) return false;
    const nowMs = Math.max(this.#wallMs, Math.floor(wallMs));
    return this.#mark(nowMs, (p) => p.idle || nowMs - p.lastActiveWallMs >= p.idleAfterMs) >= limitMs;
  }

  /** Puts back what was saved, at restore. */
  restore(currentMs: number, wallMs: number, partitions: readonly PartitionClock[]): void {
    this.#currentMs = currentMs;
    this.#wallMs = wallMs;
    for (let i = 0; i < this.#partitions.length; i += 1) {
      const saved = partitions[i];
      if (saved !== undefined) Object.assign(this.#partitions[i]!, saved);
    }
  }

  #advance(): void {
    const next = this.#mark(this.#wallMs, isIdle);
    if (next > this.#currentMs) this.#currentMs = next;
  }

  /** Where the watermark stands at a wall time, before I1. */
  #mark(wallMs: number, idle: (partition: PartitionClock) => boolean): number {
    let active = Infinity;
    let furthest = -Infinity;
    let allIdleSince = -Infinity;
    for (const partition of this.#partitions) {
      const mark = partition.maxEventTimeMs - partition.allowedLatenessMs;
      if (!idle(partition) && mark < active) active = mark;
      if (mark > furthest) furthest = mark;
      allIdleSince = Math.max(allIdleSince, partition.lastActiveWallMs + partition.idleAfterMs);
    }
    return active === Infinity ? furthest + (wallMs - allIdleSince) : active;
  }
}

const isIdle = (partition: PartitionClock): boolean => partition.idle;
