/** Repeating what fails for a while: exponential backoff with jitter, until it succeeds or is stopped. */
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '#engine/engine-error.ts';
import { SinkError } from './error.ts';
import { classify, describeFailure } from './insert-error.ts';

export interface RetryConfig {
  /** Pause after the first failure. */
  readonly initialMs: number;
  /** Longest pause. */
  readonly maxMs: number;
}

export const DEFAULT_RETRY: RetryConfig = { initialMs: 50, maxMs: 10_000 };

export interface Retrying {
  readonly place: string;
  readonly attempt: number;
  readonly pauseMs: number;
  /** Its message names the place. An EngineError where it was Kafka that failed, not ClickHouse. */
  readonly error: SinkError | EngineError;
}

/**
 * Runs `request` until it succeeds. Transient failures are repeated after a pause that doubles, of which a random half
 * keeps many clients apart. Rejects with other failures as they came, and with a `stopped` SinkError once `signal` aborts.
 */
export async function retryTransient<T>(
  request: () => Promise<T>,
  place: string,
  signal: AbortSignal,
  config: RetryConfig,
  onRetry: (retrying: Retrying) => void,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    if (isStopped(signal)) throw new SinkError('stopped', `${place}: stopped`);
    try {
      return await request();
    } catch (error) {
      if (isStopped(signal)) throw new SinkError('stopped', `${place}: stopped`, { cause: error });
      if (classify(error) !== 'transient') throw error;
      const fullMs = Math.min(config.maxMs, config.initialMs * 2 ** (attempt - 1));
      const pauseMs = fullMs * (0.5 + Math.random() / 2);
      onRetry({ place, attempt, pauseMs, error: described(error, place) });
      await pause(pauseMs, signal);
    }
  }
}

function described(error: unknown, place: string): SinkError | EngineError {
  if (!(error instanceof EngineError)) return describeFailure(error, 'transient', place);
  return new EngineError(error.code, `${place}: ${error.message}`, { retryable: true, cause: error });
}

function isStopped(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Resolves after the time, or when the signal aborts. */
async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(durationMs, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
