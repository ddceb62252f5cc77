/**
 * What a run tells besides its progress: without floods, and without alarms over what is over in a moment.
 *
 * I1  What matters at once is told at once (`tell`), and again at most every 10 s, with how often it came; what is left untold at the
 *     end is told by `close`. What says each time something of its own (`isAlwaysTold`) is never left out.
 * I2  Trouble that mends itself (`trouble`) is told when it has lasted 5 s, again every minute, and when it is over: a group
 *     whose coordinator is loading, or a leader that moves, is told to nobody.
 */
import { isAlwaysTold, type LogEntry } from '../operations/logger.ts';

export interface Notes {
  /** @param place of what concerns this place alone: the same code at another place is told beside it */
  tell(entry: LogEntry, place?: string): void;
  /**
   * Something that is tried again until it succeeds; the same code is the same trouble, wherever it is met, unless a `place` is given
   * that has it alone.
   */
  trouble(entry: LogEntry, place?: string): void;
  /** Tells what is over; to be called every second or so. */
  look(): void;
  /** Tells what was left out. Nothing is to be told after it. */
  close(): void;
}

const repeatMs = 10_000;
const patienceMs = 5_000;
const repeatTroubleMs = 60_000;
/** Above the longest pause between two attempts of anything. */
const overMs = 15_000;

interface Told {
  readonly atMs: number;
  last: LogEntry;
  suppressed: number;
}

interface Trouble {
  readonly firstAtMs: number;
  readonly first: LogEntry;
  lastAtMs: number;
  toldAtMs: number | undefined;
}

/** @param nowMs milliseconds that never go back */
export function startNotes(log: (entry: LogEntry) => void, nowMs: () => number): Notes {
  const told = new Map<string, Told>();
  const troubles = new Map<string, Trouble>();
  return {
    tell: (entry, place) => {
      const { code, message, component, worker, task } = entry;
      if (isAlwaysTold(entry)) {
        log(entry);
        return;
      }
      const key = JSON.stringify([code ?? message, component, worker, task, place]);
      const before = told.get(key);
      const now = nowMs();
      if (before !== undefined && now - before.atMs < repeatMs) {
        before.suppressed += 1;
        before.last = entry;
        return;
      }
      told.set(key, { atMs: now, last: entry, suppressed: 0 });
      log(more(entry, before?.suppressed ?? 0));
    },
    trouble: (entry, place) => {
      const now = nowMs();
      const key = JSON.stringify([entry.code ?? entry.message, place]);
      let trouble = troubles.get(key);
      if (trouble === undefined || now - trouble.lastAtMs > overMs) {
        trouble = { firstAtMs: now, first: entry, lastAtMs: now, toldAtMs: undefined };
        troubles.set(key, trouble);
      }
      trouble.lastAtMs = now;
      const isDue =
        trouble.toldAtMs === undefined
          ? now - trouble.firstAtMs >= patienceMs
          : now - trouble.toldAtMs >= repeatTroubleMs;
      if (!isDue) return;
      trouble.toldAtMs = now;
      const since = secondsOf(now - trouble.firstAtMs);
      log({ ...entry, message: `${entry.message} (for ${since}; it is tried again and again)` });
    },
    look: () => {
      for (const [key, { firstAtMs, lastAtMs, toldAtMs, first }] of troubles) {
        if (nowMs() - lastAtMs <= overMs) continue;
        troubles.delete(key);
        const { message, component } = first;
        if (toldAtMs !== undefined)
          log({
            level: 'info',
            component,
            message: `over after ${secondsOf(lastAtMs - firstAtMs)}: ${message}`,
          });
      }
    },
    close: () => {
      for (const { last, suppressed } of told.values()) if (suppressed > 0) log(more(last, suppressed - 1));
      told.clear();
    },
  };
}

function more(entry: LogEntry, suppressed: number): LogEntry {
  return suppressed === 0
    ? entry
    : { ...entry, message: `${entry.message} (and ${suppressed} more of the kind)` };
}

const secondsOf = (ms: number): string => `${Math.round(ms / 1_000)} s`;
