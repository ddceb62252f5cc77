/**
 * Where encoders write: slabs of which each encoded value is a part. An allocation of its own for each value costs more than
 * encoding it, and memory outside of the heap has the garbage collector work early (measured: a third of a task's garbage).
 *
 * I1  What was cut is never written to again.
 * I2  A value that does not fit is written again in a slab with room for it, however large.
 *
 * A slab lives as long as any of its parts: encoded values are handed on and dropped, not kept for long one by one.
 */

const slabBytes = 1 << 16;

export class ByteSlab {
  /** Write from `at` on, never before it (I1); writing past the end must not throw. */
  bytes: Buffer = Buffer.alloc(0);
  at = 0;

  /** Has room for `wanted` bytes from `at` on. */
  reserve(wanted: number): void {
    if (this.at + wanted <= this.bytes.length) return;
    this.bytes = Buffer.allocUnsafeSlow(Math.max(slabBytes, wanted));
    this.at = 0;
  }

  /** The bytes from `start` to before `end`, as a buffer of its own; the next value comes after them. */
  cut(start: number, end: number): Buffer {
    this.at = end;
    return this.bytes.subarray(start, end);
  }
}

/** For all encoders of this thread. */
export const slab = new ByteSlab();
