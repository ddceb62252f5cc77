/** A bound on waiting for brokers: one that stands still keeps its connections open, and kafkajs waits for minutes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '../engine-error.ts';

/**
 * Resolves or rejects as `work` does; what it does after `timeoutMs` is not waited for.
 *
 * @param what the place, at the beginning of the message
 * @throws EngineError `kafka-unreachable` after `timeoutMs`; the signal's reason
 */
export async function answered<T>(
  work: Promise<T>,
  {
    what,
    timeoutMs,
    signal,
  }: { readonly what: string; readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<T> {
  const over = new AbortController();
  const late = sleep(timeoutMs, undefined, { signal: AbortSignal.any([over.signal, signal]) }).then(
    () => {
      throw new EngineError(
        'kafka-unreachable',
        `${what}: brokers do not answer (for ${timeoutMs / 1_000} s)`,
        {
          retryable: true,
        },
      );
    },
    (error: unknown) => {
      signal.throwIfAborted();
      throw error;
    },
  );
  late.catch(() => undefined);
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    over.abort();
  }
}
