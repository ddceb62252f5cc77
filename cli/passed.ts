/** A time that a user gave to a run. */

/** Resolves after a time (Infinity: never) or when the signal aborts. */
export function passed(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = Number.isFinite(durationMs) ? setTimeout(finish, durationMs) : undefined;
    function finish(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    }
    if (signal.aborted) finish();
    else signal.addEventListener('abort', finish);
  });
}
