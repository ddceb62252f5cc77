/** Bounds how long something is waited for; it goes on all the same. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves when `work` has ended in any way, or after `timeoutMs`. */
export async function within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  const abort = new AbortController();
  const ended = work.then(
    () => undefined,
    () => undefined,
  );
  await Promise.race([ended, sleep(timeoutMs, undefined, { signal: abort.signal }).catch(() => undefined)]);
  abort.abort();
}
