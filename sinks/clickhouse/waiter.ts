/** Waiting that can be cut short: for records, for a moment, for whatever comes first. */
import type { PartitionSource } from '#engine/log/log.ts';

export class Waiter {
  readonly #source: PartitionSource;
  #current: AbortController | undefined;
  #isWoken = false;

  constructor(source: PartitionSource) {
    this.#source = source;
  }

  /** Ends the wait that is going on, or else the next one before it begins: no call is lost between a look and a wait. */
  wake(): void {
    if (this.#current === undefined) this.#isWoken = true;
    else this.#current.abort();
  }

  /** Until there may be records at `offset`, `untilMs` (of performance.now) has come, or `wake` is called. */
  async waitForData(offset: number, untilMs: number): Promise<void> {
    await this.#until(untilMs, (signal) => this.#source.waitForData(offset, signal));
  }

  /** For so long, or until `wake` is called. */
  async pause(durationMs: number): Promise<void> {
    await this.#until(
      performance.now() + durationMs,
      (signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            resolve();
          });
        }),
    );
  }

  async #until(untilMs: number, wait: (signal: AbortSignal) => Promise<void>): Promise<void> {
    if (this.#isWoken) {
      this.#isWoken = false;
      return;
    }
    const controller = new AbortController();
    this.#current = controller;
    const remainingMs = Math.max(0, untilMs - performance.now());
    const timer =
      remainingMs === Infinity
        ? undefined
        : setTimeout(() => {
            controller.abort();
          }, remainingMs);
    try {
      await wait(controller.signal);
    } finally {
      clearTimeout(timer);
      this.#current = undefined;
    }
  }
}
