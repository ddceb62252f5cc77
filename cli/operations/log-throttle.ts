/**
 * Lets the same thing through once in a while.
 *
 * I1  Memory is bounded: beyond `maxKeys` the one that was let through longest ago is forgotten, with its count.
 */

const everyMs = 10_000;
const maxKeys = 1_000;

interface Kept<T> {
  passedAtMs: number;
  suppressed: number;
  last: T;
}

export class LogThrottle<T> {
  readonly #kept = new Map<string, Kept<T>>();

  /** How many were held back since the last one that passed; undefined when this one is held back too. */
  pass(key: string, value: T, nowMs: number): number | undefined {
    const kept = this.#kept.get(key);
    if (kept !== undefined && Math.abs(nowMs - kept.passedAtMs) < everyMs) {
      kept.suppressed += 1;
      kept.last = value;
      return undefined;
    }
    // Anew, so that the map is in the order of passing.
    this.#kept.delete(key);
    this.#kept.set(key, { passedAtMs: nowMs, suppressed: 0, last: value });
    if (this.#kept.size > maxKeys) this.#kept.delete(this.#kept.keys().next().value!);
    return kept?.suppressed ?? 0;
  }

  /** What was held back and not told since, the last of each; nothing is kept. */
  rest(): readonly { readonly last: T; readonly suppressed: number }[] {
    const rest = [...this.#kept.values()].filter(({ suppressed }) => suppressed > 0);
    this.#kept.clear();
    return rest;
  }
}
