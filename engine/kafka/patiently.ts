/** Repeats what failed and may succeed later. */
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '../engine-error.ts';

const firstPauseMs = 50;
const longestPauseMs = 1_000;

/** Repeats `work` while it fails with a retryable error, for `timeoutMs` at most; then rejects with the last error. */
export async function patiently<T>(
  work: () => Promise<T>,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
    try {
      return await work();
    } catch (error) {
      const mayRepeat = error instanceof EngineError && error.retryable;
      if (!mayRepeat || performance.now() + pauseMs > deadlineMs) throw error;
      await sleep(pauseMs, undefined, { signal });
    }
  }
}
