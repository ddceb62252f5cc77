/**
 * What a command sees of the world around it, so that commands run in-process in tests.
 *
 * I1  Results go to stdout, everything else (progress, notes, errors) to stderr.
 * I2  Colours only on a terminal, unless FORCE_COLOR or NO_COLOR says otherwise (https://no-color.org,
 *     https://force-color.org; FORCE_COLOR wins, as in Node).
 * I3  A reader of stdout that goes away (`weir report x | head`) is no error: later output is dropped and `outputClosed`
 *     is aborted, so that a long command can come to its end.
 */
import { isatty, type WriteStream } from 'node:tty';
import type { ExitCode } from './exit-code.ts';

export interface TextOutput {
  write(text: string): void;
}

export interface CliIo {
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  /** Whether stdout is a terminal. */
  readonly isTty: boolean;
  /** Whether stdout takes colours. */
  readonly colours: boolean;
  /** Width of the terminal of stdout in columns; Infinity where stdout is none. */
  readonly columns: number;
  readonly stderrIsTty: boolean;
  readonly stderrColours: boolean;
  /** Width of the terminal of stderr in columns; Infinity where stderr is none. */
  readonly stderrColumns: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Wall time in milliseconds since the epoch. */
  now(): number;
  /** The code that the process will end with. */
  setExitCode(code: ExitCode): void;
  /** Aborted when the reader of stdout has gone away. */
  readonly outputClosed: AbortSignal;
}

/** Whether to write colours to a stream. See I2. */
export function wantsColours(isTty: boolean, env: Readonly<Record<string, string | undefined>>): boolean {
  const force = env['FORCE_COLOR'];
  if (force !== undefined) return !['0', 'false'].includes(force);
  if ((env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb') return false;
  return isTty;
}

/** A pipe whose reader has gone, or a terminal that was closed. */
const closedCodes: ReadonlySet<string> = new Set(['EPIPE', 'EIO', 'ERR_STREAM_DESTROYED']);

function output(stream: NodeJS.WritableStream, onClosed: () => void): TextOutput {
  let closed = false;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (!closedCodes.has(error.code ?? '')) throw error;
    closed = true;
    onClosed();
  });
  return {
    write: (text) => {
      if (!closed) stream.write(text);
    },
  };
}

function columnsOf(stream: WriteStream): number {
  return stream.isTTY && stream.columns > 0 ? stream.columns : Infinity;
}

/** The surroundings of this process. Call once: it listens to errors of stdout and stderr. */
export function processIo(): CliIo {
  const closed = new AbortController();
  const { stdout, stderr, env } = process;
  const isTty = isatty(stdout.fd);
  const stderrIsTty = isatty(stderr.fd);
  return {
    stdout: output(stdout, () => {
      closed.abort();
    }),
    stderr: output(stderr, () => undefined),
    isTty,
    colours: wantsColours(isTty, env),
    columns: columnsOf(stdout),
    stderrIsTty,
    stderrColours: wantsColours(stderrIsTty, env),
    stderrColumns: columnsOf(stderr),
    env,
    now: () => Date.now(),
    setExitCode: (code) => {
      process.exitCode = code;
    },
    outputClosed: closed.signal,
  };
}
