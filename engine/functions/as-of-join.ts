/**
 * As-of join: what a value was at a time. A history keeps the versions of one thing (an address's owner, a device's path)
 * in the order of the times from which they hold.
 *
 * I1  `valueAsOf(history, t)` is the version with the largest `from_ms` <= t. A version put later for the same time wins.
 * I2  Of the versions before `keepFromMs` only the newest is kept: every look-up at or after `keepFromMs` stays right.
 */

export interface Version<V> {
  readonly from_ms: number;
  readonly value: V;
}

/** The history with a version added, and what lies before `keepFromMs` pruned. */
export function withVersion<V>(
  history: readonly Version<V>[],
  fromMs: number,
  value: V,
  keepFromMs: number,
): readonly Version<V>[] {
  const version = { from_ms: fromMs, value };
  const at = history.findIndex((other) => other.from_ms >= fromMs);
  const replaced = history[at]?.from_ms === fromMs ? 1 : 0;
  const added =
    at < 0 ? [...history, version] : [...history.slice(0, at), version, ...history.slice(at + replaced)];
  let firstKept = 0;
  while (firstKept + 1 < added.length && added[firstKept + 1]!.from_ms <= keepFromMs) firstKept += 1;
  return firstKept === 0 ? added : added.slice(firstKept);
}

/** The value as of a time; undefined before the first version. */
export function valueAsOf<V>(history: readonly Version<V>[], atMs: number): V | undefined {
  let low = 0;
  let high = history.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (history[middle]!.from_ms <= atMs) low = middle + 1;
    else high = middle;
  }
  return history[low - 1]?.value;
}
