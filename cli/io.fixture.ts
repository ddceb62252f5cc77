/** A CliIo that keeps what is written to it, for tests of commands in-process. */
import type { ExitCode } from './exit-code.ts';
import type { CliIo } from './io.ts';

export interface MemoryIo extends CliIo {
  /** All that was written to stdout. */
  out(): string;
  /** All that was written to stderr. */
  err(): string;
  exitCode(): ExitCode;
}

/** stdout and stderr are no terminals unless `overrides` says so. */
export function memoryIo(overrides: Partial<CliIo> = {}): MemoryIo {
  let out = '';
  let err = '';
  let exitCode: ExitCode = 0;
  return {
    stdout: {
      write: (text) => {
        out += text;
      },
    },
    stderr: {
      write: (text) => {
        err += text;
      },
    },
    isTty: false,
    colours: false,
    columns: Infinity,
    stderrIsTty: false,
    stderrColours: false,
    stderrColumns: Infinity,
    env: {},
    now: () => Date.now(),
    setExitCode: (code) => {
      exitCode = code;
    },
    outputClosed: new AbortController().signal,
    ...overrides,
    out: () => out,
    err: () => err,
    exitCode: () => exitCode,
  };
}
