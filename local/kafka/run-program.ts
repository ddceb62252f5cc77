/** One run of a program to its end, with what it wrote. */
import { spawn } from 'node:child_process';

export interface ProgramEnd {
  /** null when a signal ended it, or when it did not start. */
  readonly exitCode: number | null;
  /** Standard output and error as they came, the last `keptBytes` of them. */
  readonly output: string;
  /** Whether there is no such program. */
  readonly missing: boolean;
}

const keptBytes = 16_384;

/** Run a program; `signal` kills it. Never rejects: how it ended is the result. */
export function runProgram(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    let output = '';
    let missing = false;
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString('utf8')).slice(-keptBytes);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error: NodeJS.ErrnoException) => {
      missing = error.code === 'ENOENT' || error.code === 'EACCES';
      output += error.message;
    });
    child.once('close', (exitCode) => {
      resolve({ exitCode: missing ? null : exitCode, output, missing });
    });
  });
}

/** Frames of a Java stack trace, which would push its message out of the last lines. */
const stackFrame = /^\s+(at .+\(.*\)|\.\.\. \d+ more)$/;

/** The last lines of a text, indented and without stack frames, for an error's message. */
export function lastLines(text: string, count: number): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !stackFrame.test(line));
  return lines
    .slice(-count)
    .map((line) => `  ${line}`)
    .join('\n');
}
