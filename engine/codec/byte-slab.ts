/**
 * Where an encoder writes: slabs of which each encoded value is a part. An allocation of its own for each value costs more than
 * encoding it, and memory outside of the heap has the garbage collector work early (measured: a third of a task's garbage).
 *
 * I1  What was cut is never written to again. One value is written at a time: an encoder that is called while it encodes, as by a
 *     getter of the value, is refused.
 * I2  A value that does not fit is written again in a slab with room for it, however large. One as large as the last fits at once.
 * I3  A slab lives as long as any of its parts: it is as small as the pool of Node's own buffers, for the sake of those who keep few.
 */

const slabBytes = 8_192;
/** The room of a larger one is not provided for the next. */
const largestExpected = 1 << 16;

export class ByteSlab {
  /** Write from `at` on, never before it (I1); writing past the end must not throw. */
  bytes: Buffer = Buffer.alloc(0);
  at = 0;
  #expected = 0;

  /** Has room for `wanted` bytes from `at` on, and for as many as the last value had. */
  reserve(wanted: number): void {
    const room = Math.max(wanted, this.#expected);
    if (this.at + room <= this.bytes.length) return;
    this.bytes = Buffer.allocUnsafeSlow(Math.max(slabBytes, room));
    this.at = 0;
  }

  /**
   * What was written from `start` to before `end` of `bytes`, as a buffer of its own; the next value comes after it.
   *
   * @throws Error when another value was cut in between
   */
  cut(bytes: Buffer, start: number, end: number): Buffer {
    if (bytes !== this.bytes || start < this.at)
      throw new Error('a value was encoded while another one was: values must not encode when they are read');
    this.at = end;
    const length = end - start;
    this.#expected = length <= largestExpected ? length : 0;
    return bytes.subarray(start, end);
  }
}
