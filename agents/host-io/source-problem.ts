/** What could not be read or understood in a kernel file, so that the agent can name it and go on with the rest. */

export interface SourceProblem {
  readonly file: string;
  /** One-based; undefined when the file as a whole could not be read. */
  readonly line?: number;
  readonly reason: string;
}

/** `<file>:<line>: <reason>`, for logs. */
export function describeProblem(problem: SourceProblem): string {
  const place = problem.line === undefined ? problem.file : `${problem.file}:${problem.line}`;
  return `${place}: ${problem.reason}`;
}

/** A counter as the kernel prints it, or why the text is none. Counters beyond 2^53 - 1 would lose units: refused. */
export function parseCounter(text: string | undefined, name: string): number | string {
  if (text === undefined) return `${name} is missing`;
  if (!/^\d+$/.test(text)) return `${name} is not a decimal counter: '${text.slice(0, 40)}'`;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : `${name} is beyond 2^53: ${text.slice(0, 40)}`;
}

/** Whether an error came from the file system (`ENOENT`, `EACCES`, `EIO` ...), as opposed to a defect of ours. */
export function isFileError(error: unknown): error is NodeJS.ErrnoException & { readonly code: string } {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}
