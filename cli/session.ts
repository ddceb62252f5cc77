/**
 * A stack on a data directory for the length of one command: announced in the directory, watched, and stopped whatever
 * happens.
 *
 * I1  The stack is stopped once, within `stopMs`, also when the work fails, when ClickHouse is given up, or when Ctrl-C comes
 *     and the work does not end.
 */
import { mkdir } from 'node:fs/promises';
import { EmbeddedServerError } from '#sinks/clickhouse/server/embedded-server-error.ts';
import { CliError } from './cli-error.ts';
import { removeEndpoint, runningEndpoint, writeEndpoint } from './endpoint.ts';
import type { CliIo } from './io.ts';
import { startProgress, type Progress } from './present/progress.ts';
import { startStack, type Stack, type StackEnd, type StackOptions } from './stack.ts';

/** From Ctrl-C to the end of the stack: below the 5 s after which the process is ended (signals.ts). */
const stopMs = 4_500;
/** Of it, how long the work may take to end. It can hang: a full topic has no room while ClickHouse does not answer. */
const workMs = 2_200;

export interface Session {
  readonly stack: Stack;
  readonly progress: Progress;
}

/**
 * Runs `work` over a stack. Rejects with the work's error, or with the stack's if that fails first.
 * @param signal aborts when the user wants an end; the work is to heed it
 */
export async function withStack<T>(
  io: CliIo,
  options: Omit<StackOptions, 'onNote'>,
  signal: AbortSignal,
  work: (session: Session) => Promise<T>,
): Promise<{ readonly value: T; readonly end: StackEnd }> {
  await makeDirectory(options.dataDir);
  const deadline = deadlineAfter(signal);
  const progress = startProgress(
    io,
    options.server === undefined ? 'starting ClickHouse' : `connecting to ${options.server.url}`,
  );
  try {
    const stack = await start({
      ...options,
      onNote: (note) => {
        progress.note(`weir: ${note}`);
      },
    });
    let end: StackEnd | undefined;
    let value: T;
    try {
      await writeEndpoint(options.dataDir, { url: stack.url, pid: process.pid });
      value = await Promise.race([work({ stack, progress }), stack.failed, deadline.overdue]);
    } finally {
      progress.update('stopping: delivering what is left');
      await removeEndpoint(options.dataDir);
      end = await stack.stop(deadline.remainingMs());
    }
    return { value, end };
  } finally {
    deadline.clear();
    progress.stop();
  }
}

/** Starts the stack. A directory that is in use is in use by another `weir`, not by the child that has the lock. */
async function start(options: StackOptions): Promise<Stack> {
  try {
    return await startStack(options);
  } catch (error) {
    if (!(error instanceof EmbeddedServerError) || error.code !== 'data-dir-locked') throw error;
    const other = await runningEndpoint(options.dataDir);
    if (other === undefined) throw error;
    throw new CliError(
      'environment',
      `the data directory ${options.dataDir} is in use by another weir, process ${other.pid}, with ClickHouse at ${other.url}`,
      { remedies: ['stop it, or give another directory: --data <directory>'], cause: error },
    );
  }
}

interface Deadline {
  /** Time left for the stack to stop. */
  remainingMs(): number;
  /** Rejects `workMs` after the signal. */
  readonly overdue: Promise<never>;
  clear(): void;
}

function deadlineAfter(signal: AbortSignal): Deadline {
  let atMs: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  let reject: (error: CliError) => void;
  const overdue = new Promise<never>((_, fail) => {
    reject = fail;
  });
  const onAbort = (): void => {
    atMs = performance.now() + stopMs;
    timer = setTimeout(() => {
      reject(new CliError('failure', 'interrupted before everything was in ClickHouse'));
    }, workMs);
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return {
    remainingMs: () => (atMs === undefined ? stopMs : Math.max(0, atMs - performance.now())),
    overdue,
    clear: () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    },
  };
}

async function makeDirectory(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true });
  } catch (error) {
    throw new CliError(
      'environment',
      `cannot use the data directory ${dataDir}: ${error instanceof Error ? error.message : String(error)}`,
      {
        remedies: ['give one that can be written: --data <directory>'],
        cause: error,
      },
    );
  }
}
