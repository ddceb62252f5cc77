/**
 * What a run tells besides its progress: without floods, and without alarms over what is over in a moment.
 *
 * I1  What matters at once is told at once (`tell`), and again at most every 10 s, with how often it came.
 * I2  Trouble that mends itself (`trouble`) is told when it has lasted 5 s, again every minute, and when it is over: a group
 *     whose coordinator is loading, or a leader that moves, is told to nobody.
 */

export interface Notes {
  /** `code` tells repeats apart. */
  tell(code: string, note: string): void;
  /** Something that is tried again until it succeeds. */
  trouble(code: string, note: string): void;
  /** Tells what is over; to be called every second or so. */
  look(): void;
}

const repeatMs = 10_000;
const patienceMs = 5_000;
const repeatTroubleMs = 60_000;
/** Above the longest pause between two attempts of anything. */
const overMs = 15_000;

interface Told {
  readonly atMs: number;
  suppressed: number;
}

interface Trouble {
  readonly firstAtMs: number;
  readonly note: string;
  lastAtMs: number;
  toldAtMs: number | undefined;
}

/** @param nowMs milliseconds that never go back */
export function startNotes(print: (note: string) => void, nowMs: () => number): Notes {
  const told = new Map<string, Told>();
  const troubles = new Map<string, Trouble>();
  return {
    tell: (code, note) => {
      const before = told.get(code);
      const now = nowMs();
      if (before !== undefined && now - before.atMs < repeatMs) {
        before.suppressed += 1;
        return;
      }
      told.set(code, { atMs: now, suppressed: 0 });
      const more = before?.suppressed ?? 0;
      print(more === 0 ? note : `${note} (and ${more} more of the kind)`);
    },
    trouble: (code, note) => {
      const now = nowMs();
      let trouble = troubles.get(code);
      if (trouble === undefined || now - trouble.lastAtMs > overMs) {
        trouble = { firstAtMs: now, note, lastAtMs: now, toldAtMs: undefined };
        troubles.set(code, trouble);
      }
      trouble.lastAtMs = now;
      const isDue =
        trouble.toldAtMs === undefined
          ? now - trouble.firstAtMs >= patienceMs
          : now - trouble.toldAtMs >= repeatTroubleMs;
      if (!isDue) return;
      trouble.toldAtMs = now;
      print(`${note} (for ${secondsOf(now - trouble.firstAtMs)}; it is tried again and again)`);
    },
    look: () => {
      for (const [code, { firstAtMs, lastAtMs, toldAtMs, note }] of troubles) {
        if (nowMs() - lastAtMs <= overMs) continue;
        troubles.delete(code);
        if (toldAtMs !== undefined) print(`over after ${secondsOf(lastAtMs - firstAtMs)}: ${note}`);
      }
    },
  };
}

const secondsOf = (ms: number): string => `${Math.round(ms / 1_000)} s`;
