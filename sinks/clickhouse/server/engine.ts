/**
 * The ClickHouse engine in this process: the native part of the npm package `chdb`.
 *
 * One connection per request keeps settings, database, parameters and `readonly` apart, and lets statements
 * run side by side (measured: opening and closing costs 0.12 ms; an insert beside a long SELECT 5 ms).
 * The native functions are used and not `Session`, because `Session.close` waits for the statements of all
 * sessions: behind one long query, closed sessions would pile up.
 *
 * I1. A connection runs one statement at a time and is closed only after its statement has ended.
 * I2. Statements run on libuv's threads (UV_THREADPOOL_SIZE, set by the parent), never on the event loop.
 */
import { createRequire } from 'node:module';
import { sep } from 'node:path';

interface NativeResult {
  readonly bytes: Uint8Array;
  readonly elapsed: number;
  readonly rowsRead: number;
  readonly bytesRead: number;
}

interface NativeEngine {
  CreateConnection(path: string, args: readonly string[]): unknown;
  CloseConnection(connection: unknown): void;
  QueryAsyncConnection(
    connection: unknown,
    sql: string,
    format: string,
    parameters?: Readonly<Record<string, string>>,
  ): Promise<NativeResult>;
  EngineVersion(): string;
}

const nativeFunctions = [
  'CreateConnection',
  'CloseConnection',
  'QueryAsyncConnection',
  'EngineVersion',
] as const;

function isNativeEngine(candidate: unknown): candidate is NativeEngine {
  if (typeof candidate !== 'object' || candidate === null) return false;
  const functions = new Map(Object.entries(candidate));
  return nativeFunctions.every((name) => typeof functions.get(name) === 'function');
}

/** Why the engine cannot be used here. The message says what to install. */
export class EngineMissing extends Error {
  constructor(reason: string) {
    super(
      `the embedded ClickHouse engine is not available for ${process.platform}-${process.arch}: ${reason}. ` +
        `It comes with the npm package chdb for Linux (x64, arm64, glibc) and macOS: install without ` +
        `--omit=optional, or use a ClickHouse server instead`,
    );
    this.name = 'EngineMissing';
  }
}

function loadNative(): NativeEngine {
  const require = createRequire(import.meta.url);
  try {
    const main = require.resolve('chdb');
    // chdb's `exports` hide its loader; a relative require from inside of the package does not ask them.
    const loader: unknown = createRequire(main)(`.${sep}dist${sep}loader.js`);
    if (typeof loader === 'object' && loader !== null && 'loadNative' in loader) {
      const { loadNative: load } = loader;
      const native: unknown = typeof load === 'function' ? Reflect.apply(load, undefined, []) : undefined;
      if (isNativeEngine(native)) return native;
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new EngineMissing(reason.split('\n', 1)[0] ?? '');
  }
  throw new EngineMissing('this version of chdb has other native functions than 3.4.0');
}

/** What a statement did. */
export interface EngineResult {
  /** Formatted rows; empty when they went into a file. */
  readonly bytes: Uint8Array;
  /** Rows returned, or rows inserted for an INSERT. */
  readonly rows: number;
  /** Bytes of these rows in memory. */
  readonly rowBytes: number;
  readonly elapsedSeconds: number;
}

/** One connection. Close it when done. */
export class EngineConnection {
  readonly #native: NativeEngine;
  readonly #handle: unknown;
  #running: Promise<unknown> | undefined;
  #closed = false;

  constructor(native: NativeEngine, handle: unknown) {
    this.#native = native;
    this.#handle = handle;
  }

  /**
   * Run one or more statements. Rejects with the engine's error text.
   * @param parameters values of `{name:Type}` placeholders, escaped as in TabSeparated
   */
  async run(
    sql: string,
    format = 'TabSeparated',
    parameters: Readonly<Record<string, string>> = {},
  ): Promise<EngineResult> {
    if (this.#closed || this.#running !== undefined) throw new Error('the connection is closed or busy');
    const running = this.#native.QueryAsyncConnection(this.#handle, sql, format, parameters);
    this.#running = running;
    try {
      const { bytes, elapsed, rowsRead, bytesRead } = await running;
      return { bytes, rows: rowsRead, rowBytes: bytesRead, elapsedSeconds: elapsed };
    } finally {
      this.#running = undefined;
    }
  }

  /** Release the connection. The caller has awaited its last `run`. */
  close(): void {
    if (this.#closed) return;
    if (this.#running !== undefined) throw new Error('a statement is still running on this connection');
    this.#closed = true;
    this.#native.CloseConnection(this.#handle);
  }
}

/** The engine on one data directory. It stays open as long as this object's own connection does. */
export class Engine {
  readonly #native: NativeEngine;
  readonly #dataPath: string;
  readonly #args: readonly string[];
  readonly #keepOpen: EngineConnection;

  /** Opens the data directory, which takes from 0.02 s up to seconds, by what is in it. Throws EngineMissing or the engine's error. */
  constructor(dataPath: string, configPath: string) {
    this.#native = loadNative();
    this.#dataPath = dataPath;
    this.#args = [`--config-file=${configPath}`];
    this.#keepOpen = this.connect();
  }

  connect(): EngineConnection {
    return new EngineConnection(this.#native, this.#native.CreateConnection(this.#dataPath, this.#args));
  }

  /** Shut the engine down. All other connections are closed already. */
  close(): void {
    this.#keepOpen.close();
  }
}

/** Rows of a query, each an array of strings. For short answers of the engine's own tables. */
export async function readRows(
  connection: EngineConnection,
  sql: string,
): Promise<readonly (readonly string[])[]> {
  const { bytes } = await connection.run(sql, 'JSONCompactStringsEachRow');
  const lines = Buffer.from(bytes).toString('utf8').split('\n');
  return lines.filter((line) => line !== '').map(stringsOf);
}

function stringsOf(line: string): readonly string[] {
  const row: unknown = JSON.parse(line);
  return Array.isArray(row) ? row.map((cell: unknown) => (typeof cell === 'string' ? cell : '')) : [];
}
