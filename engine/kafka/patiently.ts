/** Repeats what failed and may succeed later. */
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '../engine-error.ts';

const firstPauseMs = 50;
const longestPauseMs = 1_000;

export interface Patience {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Whether the same may succeed later; by default, where a retryable EngineError says so. */
  readonly mayRepeat?: (error: unknown) => boolean;
}

const isRetryable = (error: unknown): boolean => error instanceof EngineError && error.retryable;

/** Repeats `work` while it fails with an error that may mend itself, for `timeoutMs` at most; then rejects with the last error. */
export async function patiently<T>(
  work: () => Promise<T>,
  { timeoutMs, signal, mayRepeat = isRetryable }: Patience,
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
    try {
      return await work();
    } catch (error) {
      if (!mayRepeat(error) || performance.now() + pauseMs > deadlineMs) throw error;
      await sleep(pauseMs, undefined, { signal });
    }
  }
}
