/**
 * Replication as a fluid queue: in each bin W bytes are written and up to B bytes are sent, oldest first.
 * The recovery point objective attained is the age of the oldest unsent byte, counted in bins and rounded up: a byte
 * written in the last bin and not sent in it has age 1.
 *
 * I1  Q = max(0, Q + W - B): nothing is lost and nothing is sent twice.
 * I2  All quantities are whole bytes, below 2^53 in sum, so that sums and differences are exact: of fractions, a residue
 *     would stay unsent and count as the oldest byte.
 * I3  More bandwidth never makes a queue longer or an age larger.
 */

/** The unsent bytes after one more bin. */
export function queueAfterBin(queuedBytes: number, writtenBytes: number, sentPerBinBytes: number): number {
  return Math.max(0, queuedBytes + writtenBytes - sentPerBinBytes);
}

/**
 * Age of the oldest unsent byte in bins, from the bytes written in the last bins (oldest first). The queue is served in
 * order, so the unsent bytes are the last `queuedBytes` that were written.
 * null: the oldest unsent byte was written before the first of these bins.
 */
export function oldestUnsentBins(queuedBytes: number, writtenBytes: readonly number[]): number | null {
  let unsent = queuedBytes;
  let age = 0;
  while (unsent > 0) {
    age += 1;
    const bin = writtenBytes.length - age;
    if (bin < 0) return null;
    unsent -= writtenBytes[bin]!;
  }
  return age;
}
