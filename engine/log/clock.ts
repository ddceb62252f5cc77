/**
 * The clock that programs at the edge (agents, simulators) get handed in, so that a test can run hours in milliseconds.
 * Processors have no clock: see engine/topology/processor.ts.
 */

export interface Clock {
  /** Milliseconds since the epoch; may jump when the host's clock is set. */
  wallMs(): number;
  /** Milliseconds from an arbitrary start, never going back. For intervals. */
  monotonicMs(): number;
  /** Resolves after `durationMs`, or as soon as `signal` aborts. Never rejects. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

/** The clocks of this host: CLOCK_REALTIME and CLOCK_MONOTONIC. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (durationMs, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const finish = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', finish);
        resolve();
      };
      const timer = setTimeout(finish, durationMs);
      signal?.addEventListener('abort', finish, { once: true });
    }),
};
