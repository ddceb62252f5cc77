/**
 * A stack on a data directory for the length of one command: announced in the directory, watched, and stopped whatever
 * happens.
 *
 * I1  The stack is stopped once, within `stopMs`, also when the work fails or Ctrl-C comes.
 */
import { mkdir } from 'node:fs/promises';
import { CliError } from './cli-error.ts';
import { removeEndpoint, writeEndpoint } from './endpoint.ts';
import type { CliIo } from './io.ts';
import { startProgress, type Progress } from './present/progress.ts';
import { startStack, type Stack, type StackEnd, type StackOptions } from './stack.ts';

/** Below the 5 s after which the process is ended: see signals.ts. */
const stopMs = 4_500;

export interface Session {
  readonly stack: Stack;
  readonly progress: Progress;
}

/** Runs `work` over a stack. Rejects with the work's error, or with the stack's if that fails first. */
export async function withStack<T>(
  io: CliIo,
  options: Omit<StackOptions, 'onNote'>,
  work: (session: Session) => Promise<T>,
): Promise<{ readonly value: T; readonly end: StackEnd }> {
  await makeDirectory(options.dataDir);
  const progress = startProgress(io, options.server === undefined ? 'starting ClickHouse' : `connecting to ${options.server.url}`);
  try {
    const stack = await startStack({ ...options, onNote: (note) => { progress.note(`weir: ${note}`); } });
    let end: StackEnd | undefined;
    let value: T;
    try {
      await writeEndpoint(options.dataDir, { url: stack.url, pid: process.pid });
      value = await Promise.race([work({ stack, progress }), stack.failed]);
    } finally {
      progress.update('stopping: delivering what is left');
      await removeEndpoint(options.dataDir);
      end = await stack.stop(stopMs);
    }
    return { value, end };
  } finally {
    progress.stop();
  }
}

async function makeDirectory(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true });
  } catch (error) {
    throw new CliError('environment', `cannot use the data directory ${dataDir}: ${error instanceof Error ? error.message : String(error)}`, {
      remedies: ['give one that can be written: --data <directory>'],
      cause: error,
    });
  }
}
