/**
 * Memory for batches, shared by all partitions of a sink.
 *
 * I1  Every partition may always hold FLOOR_BYTES; what it holds above that comes out of the pool. So no partition waits for
 *     another, those of a failing table cannot starve the rest, and all together stay under
 *     the pool's size + partitions x (FLOOR_BYTES + one chunk of records).
 */
export const FLOOR_BYTES = 256 * 1024;

export class BytePool {
  #freeBytes: number;

  constructor(bytes: number) {
    this.#freeBytes = bytes;
  }

  /** Changes a holding from one size to another. False (and nothing changes) where the pool has not enough left. */
  resize(fromBytes: number, toBytes: number): boolean {
    const more = above(toBytes) - above(fromBytes);
    if (more > this.#freeBytes) return false;
    this.#freeBytes -= more;
    return true;
  }
}

function above(bytes: number): number {
  return Math.max(0, bytes - FLOOR_BYTES);
}
