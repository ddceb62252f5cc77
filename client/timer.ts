/** Time limits of any length: a timer of Node that is set for longer than it can take is over at once. */

/** https://nodejs.org/api/timers.html#settimeoutcallback-delay-args; 24 days. */
export const longestTimerMs = 2 ** 31 - 1;

/** Calls `late` after a time, never if that is infinite. The returned function undoes it. */
export function callAfter(timeoutMs: number, late: () => void): () => void {
  if (!Number.isFinite(timeoutMs)) return () => undefined;
  const timer = setTimeout(late, Math.min(timeoutMs, longestTimerMs));
  return () => {
    clearTimeout(timer);
  };
}
