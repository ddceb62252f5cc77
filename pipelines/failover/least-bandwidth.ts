/**
 * The least bandwidth that meets a recovery point objective, for a known series of writes.
 *
 * Let A(u) be the bytes written in the first u bins. All of them must be sent R bins later. The sender works without
 * pause from the last moment s at which its queue was empty, so that holds iff B >= (A(u) - A(s)) / ((u - s) + R) for all
 * s < u. Its largest value over s is what bin u demands, and the largest demand is B*.
 *
 * For "90 % of the time" the demands are sorted: B meets the objective at the deadline of bin u iff B is at least that
 * bin's demand (I3 of replication-queue.ts), so the least B that does so for a share p of the bins is the ceil(p n)-th
 * smallest demand. Exact; no search.
 *
 * A demand is the largest slope from the points (s, A(s)), s < u, to (u + R, A(u)), which is a tangent to their lower
 * convex hull: a hull kept as a stack and a binary search for each bin, O(n log n) in all.
 * Checked against the O(n^2) definition and against a simulated queue in least-bandwidth.test.ts.
 */

/**
 * For each bin, the least bandwidth (bytes per bin) with which everything written by its end is sent `rpoBins` later.
 * `rpoBins` may be a fraction; 0 or more.
 */
export function bandwidthDemands(writtenBytes: readonly number[], rpoBins: number): Float64Array {
  const n = writtenBytes.length;
  const total = new Float64Array(n + 1);
  for (let i = 0; i < n; i++) total[i + 1] = total[i]! + writtenBytes[i]!;
  const hull = new Int32Array(n + 1);
  let size = 0;
  const demands = new Float64Array(n);
  for (let u = 1; u <= n; u++) {
    size = pushLowerHull(hull, size, total, u - 1);
    demands[u - 1] = largestSlope(hull, size, total, u, rpoBins);
  }
  return demands;
}

/**
 * Least bandwidth (bytes per bin) that meets the objective for at least `share` of the bins, 0 < share <= 1; 1 gives B*.
 * 0 for no bins.
 */
export function leastBandwidth(demands: Float64Array, share: number): number {
  if (demands.length === 0) return 0;
  const needed = Math.max(1, Math.ceil(demands.length * share - 1e-9));
  return demands.toSorted()[needed - 1]!;
}

/** Adds point (x, total[x]) to a lower hull of points of rising x; returns the hull's new size. */
function pushLowerHull(hull: Int32Array, size: number, total: Float64Array, x: number): number {
  let top = size;
  while (top >= 2) {
    const a = hull[top - 2]!;
    const b = hull[top - 1]!;
    // Drop b when it lies on or above the chord from a to x.
    if ((total[b]! - total[a]!) * (x - a) < (total[x]! - total[a]!) * (b - a)) break;
    top -= 1;
  }
  hull[top] = x;
  return top + 1;
}

/** The largest slope from a point of the hull to (u + rpoBins, total[u]); along the hull it rises to it, then falls. */
function largestSlope(
  hull: Int32Array,
  size: number,
  total: Float64Array,
  u: number,
  rpoBins: number,
): number {
  const slope = (i: number): number => (total[u]! - total[hull[i]!]!) / (u - hull[i]! + rpoBins);
  let low = 0;
  let high = size - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (slope(middle) < slope(middle + 1)) low = middle + 1;
    else high = middle;
  }
  return slope(low);
}
