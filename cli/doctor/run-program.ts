/** Runs a program of this machine briefly, to see whether and how it answers. */
import { execFile } from 'node:child_process';

export interface ProgramAnswer {
  /** 0: it answered. Any other exit code, a signal's name, or the system's error code (`ENOENT`: there is none). */
  readonly outcome: number | string;
  /** Its standard output and error. */
  readonly text: string;
}

/** Never rejects. A program that takes longer than `timeoutMs` is killed (SIGKILL). */
export function runProgram(
  file: string,
  args: readonly string[],
  options: { readonly timeoutMs: number; readonly cwd?: string },
): Promise<ProgramAnswer> {
  return new Promise((resolve) => {
    const { timeoutMs: timeout, cwd } = options;
    execFile(
      file,
      [...args],
      { timeout, killSignal: 'SIGKILL', ...(cwd === undefined ? {} : { cwd }) },
      (error, stdout, stderr) => {
        const outcome = error === null ? 0 : (error.signal ?? error.code ?? 1);
        resolve({ outcome, text: `${stdout}\n${stderr}`.trim() });
      },
    );
  });
}
