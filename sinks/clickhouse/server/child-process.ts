/** One run of the ClickHouse child process, from its start to its end, as the parent sees it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { engineHolder, lockedBy } from './data-dir.ts';
import { EmbeddedServerError } from './embedded-server-error.ts';
import { readFromChild, type ToChild } from './protocol.ts';
import type { ServerOptions } from './server-options.ts';

/** How a run ended. */
export interface ChildExit {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last lines that it wrote to its standard error. */
  readonly lastWords: string;
}

export interface ChildRun {
  readonly pid: number;
  readonly port: number;
  readonly engineVersion: string;
  readonly readyAtMs: number;
  readonly exit: Promise<ChildExit>;
  send(message: ToChild): void;
  kill(): void;
}

/** Threads for things other than statements: files, compression, parsing statements. */
const spareThreads = 14;
const keptLines = 20;

/** The compiled child. From sources (tests), it is the one that `npm run build` made. */
export function childEntry(): string {
  const own = import.meta.url;
  const entry = own.endsWith('.ts')
    ? new URL('../../../dist/sinks/clickhouse/server/child.js', own)
    : new URL('./child.js', own);
  const path = fileURLToPath(entry);
  if (!existsSync(path)) {
    throw new EmbeddedServerError(
      'not-built',
      `the ClickHouse child process ${path} is missing: run "npm run build"`,
    );
  }
  return path;
}

function describe({ exitCode, signal }: ChildExit): string {
  return signal === null ? `it ended with exit code ${String(exitCode)}` : `it was ended by ${signal}`;
}

/** Watch how the process ends, and hand on its output line by line. */
function watch(child: ChildProcess, onLog: (line: string) => void): Promise<ChildExit> {
  const kept: string[] = [];
  const onOutput = (chunk: Buffer): void => {
    for (const line of chunk.toString('utf8').split('\n')) {
      if (line.trim() === '') continue;
      kept.push(line);
      if (kept.length > keptLines) kept.shift();
      onLog(line);
    }
  };
  child.stdout?.on('data', onOutput);
  child.stderr?.on('data', onOutput);
  return new Promise((resolve) => {
    child.once('error', (error) => kept.push(error.message));
    child.once('close', (exitCode, signal) => {
      resolve({ exitCode, signal, lastWords: kept.join('\n') });
    });
  });
}

/** The engine says why it does not open its data only on its standard error. */
async function explain(
  error: unknown,
  { lastWords }: ChildExit,
  { dataDir }: ServerOptions,
): Promise<unknown> {
  if (!(error instanceof EmbeddedServerError) || error.code !== 'engine-failed' || lastWords === '')
    return error;
  if (lastWords.includes('Cannot lock file')) return lockedBy(dataDir, await engineHolder(dataDir));
  return new EmbeddedServerError('engine-failed', `${error.message}: ${lastWords}`);
}

/**
 * Has the engine's allocator (jemalloc) and the C library's give freed memory back at once: a small machine shares its
 * memory with Weir. Measured on the embedded benchmark: 40 MB less at the peak.
 */
const memoryThrift = { JE_MALLOC_CONF: 'dirty_decay_ms:0,muzzy_decay_ms:0,narenas:2', MALLOC_ARENA_MAX: '2' };

/**
 * Start the child and wait until it answers requests.
 * Rejects with an EmbeddedServerError when it cannot start, or with the signal's reason; the process has ended then.
 */
export async function startChild(
  options: ServerOptions,
  startTimeoutMs: number,
  onLog: (line: string) => void,
  signal?: AbortSignal,
): Promise<ChildRun> {
  signal?.throwIfAborted();
  const threads = options.limits.maxConcurrentQueries + spareThreads;
  const child = spawn(process.execPath, [childEntry()], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...memoryThrift, ...process.env, UV_THREADPOOL_SIZE: String(threads), NODE_OPTIONS: '' },
  });
  const exit = watch(child, onLog);
  const send = (message: ToChild): void => {
    if (child.connected) child.send(message, () => undefined);
  };
  const kill = (): void => void child.kill('SIGKILL');
  let timer: NodeJS.Timeout | undefined;
  let onAbort = (): void => undefined;
  try {
    const run = await new Promise<ChildRun>((resolve, reject) => {
      onAbort = (): void => {
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', onAbort);
      timer = setTimeout(() => {
        const text = `ClickHouse on ${options.dataDir} did not start within ${startTimeoutMs} ms: allow more time if its data is large`;
        reject(new EmbeddedServerError('start-timeout', text));
      }, startTimeoutMs);
      child.on('message', (raw) => {
        const message = readFromChild(raw);
        if (message?.type === 'failed') reject(new EmbeddedServerError(message.code, message.message));
        if (message?.type !== 'ready') return;
        const { port, engineVersion } = message;
        resolve({ pid: child.pid ?? 0, port, engineVersion, readyAtMs: performance.now(), exit, send, kill });
      });
      void exit.then((ended) => {
        reject(
          new EmbeddedServerError(
            'engine-failed',
            `ClickHouse on ${options.dataDir} did not start: ${describe(ended)}`,
          ),
        );
      });
      send({ type: 'start', options });
    });
    return run;
  } catch (error) {
    kill();
    throw await explain(error, await exit, options);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}
