/**
 * Publishes until accepted.
 *
 * I1  A refusal that is `retryable` is met with the same event under the same `ce_id` again, with growing pauses; so the
 *     order within a key holds, and a reader that deduplicates sees it once.
 * I2  Any other refusal, and the first one after `signal` has aborted, is the caller's: nothing is dropped in silence.
 */
import type { Clock } from './clock.ts';
import type { Publisher } from './publisher.ts';

export interface PersistenceOptions {
  readonly clock: Clock;
  /** Once aborted, a refused event is tried a last time. */
  readonly signal: AbortSignal;
  /** Called before each repetition. */
  readonly onRetry: () => void;
  /** First pause; each next one is twice as long, up to `longestPauseMs`. Defaults 100 and 5,000. */
  readonly firstPauseMs?: number;
  readonly longestPauseMs?: number;
}

/** A publisher over `publisher` that repeats what was refused for the moment. */
export function persistentPublisher(publisher: Publisher, options: PersistenceOptions): Publisher {
  const { clock, signal, onRetry, firstPauseMs = 100, longestPauseMs = 5000 } = options;
  return {
    publish: async (stream, event, identity) => {
      for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
        try {
          await publisher.publish(stream, event, identity);
          return;
        } catch (error) {
          if (!isRetryable(error) || signal.aborted) throw error;
          onRetry();
          await clock.sleep(pauseMs, signal);
        }
      }
    },
  };
}

function isRetryable(error: unknown): boolean {
  return error instanceof Error && 'retryable' in error && error.retryable === true;
}
