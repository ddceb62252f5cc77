/** Pauses between attempts: doubled at each, up to a bound. */
export class GrowingPause {
  readonly #firstMs: number;
  readonly #longestMs: number;
  #count = 0;

  constructor({
    firstPauseMs,
    longestPauseMs,
  }: {
    readonly firstPauseMs: number;
    readonly longestPauseMs: number;
  }) {
    this.#firstMs = firstPauseMs;
    this.#longestMs = longestPauseMs;
  }

  /** In milliseconds. */
  next(): number {
    return Math.min(this.#longestMs, this.#firstMs * 2 ** Math.min(this.#count++, 16));
  }

  /** Begins again with the first. */
  reset(): void {
    this.#count = 0;
  }
}
