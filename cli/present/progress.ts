/**
 * Progress of anything that may take longer than a second, on stderr.
 *
 * I1  Never on stdout; nothing at all for what ends within the first second.
 * I2  On a terminal one line, written over in place and removed at the end; elsewhere a plain line every 5 s.
 */
import type { CliIo } from '../io.ts';
import { styled } from './style.ts';
import { displayWidth, printable, truncate } from './width.ts';

/** Work shorter than this shows nothing. */
const quietMs = 1_000;
/** Often enough to look alive; each redraw is one write. */
const redrawMs = 200;
const plainLineMs = 5_000;

export interface Progress {
  /** What is being done or has been reached; shown at the next redraw. */
  update(text: string): void;
  /** Prints a line of its own on stderr, above the progress line. */
  note(line: string): void;
  /** Ends the progress and removes its line. Safe to call twice. */
  stop(): void;
}

function elapsed(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Starts showing progress; `text` says what is being done ("starting ClickHouse"). */
export function startProgress(io: CliIo, text: string): Progress {
  const startedMs = io.now();
  let current = text;
  let shown = false;
  const clear = (): void => {
    if (shown && io.stderrIsTty) io.stderr.write('\r\u001b[K');
    shown = false;
  };
  const draw = (): void => {
    const sinceMs = io.now() - startedMs;
    if (sinceMs < quietMs) return;
    const line = `${printable(current)} (${elapsed(sinceMs)})`;
    if (io.stderrIsTty) {
      const width = io.stderrColumns === Infinity ? displayWidth(line) : io.stderrColumns - 1;
      io.stderr.write(`\r${styled(io.stderrColours, 'dim', truncate(line, width))}\u001b[K`);
    } else {
      io.stderr.write(`${line}\n`);
    }
    shown = true;
  };
  const timer = setInterval(draw, io.stderrIsTty ? redrawMs : plainLineMs);
  timer.unref();
  return {
    update: (next) => {
      current = next;
    },
    note: (line) => {
      clear();
      io.stderr.write(`${line}\n`);
    },
    stop: () => {
      clearInterval(timer);
      clear();
    },
  };
}

/** Shows progress while `work` runs. */
export async function withProgress<T>(
  io: CliIo,
  text: string,
  work: (progress: Progress) => Promise<T>,
): Promise<T> {
  const progress = startProgress(io, text);
  try {
    return await work(progress);
  } finally {
    progress.stop();
  }
}
