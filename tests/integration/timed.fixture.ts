/** How long something took, on machines that stand still now and then. */

const lookEveryMs = 50;
/** Timers are as late as this on any machine that is at work. */
const usualMs = 150;

export interface Timed<T> {
  readonly value: T;
  /** Without the time in which the machine stood still. */
  readonly tookMs: number;
  /** For how long it did: this process, which did nothing but wait, was not let run. */
  readonly stalledMs: number;
}

/** A program that was to end in order within a time may end otherwise where the machine stood still for longer. */
export const pardonedMs = 1_000;

/** Waits for work that other processes do. */
export async function timed<T>(work: () => Promise<T>): Promise<Timed<T>> {
  const startedMs = performance.now();
  let lookedMs = startedMs;
  let stalledMs = 0;
  const look = (): void => {
    const nowMs = performance.now();
    stalledMs += Math.max(0, nowMs - lookedMs - lookEveryMs - usualMs);
    lookedMs = nowMs;
  };
  const looking = setInterval(look, lookEveryMs);
  try {
    const value = await work();
    look();
    return { value, tookMs: performance.now() - startedMs - stalledMs, stalledMs };
  } finally {
    clearInterval(looking);
  }
}
