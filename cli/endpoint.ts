/**
 * Where the ClickHouse of a running `weir` answers: `<data directory>/endpoint.json`, written by the process that started it.
 *
 * I1  The file appears whole or not at all.
 * I2  A file left behind by a process that was killed is not believed: its process must live and its URL must answer.
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Endpoint {
  /** `http://host:port` */
  readonly url: string;
  /** The `weir` process that owns the data directory. */
  readonly pid: number;
}

/** As for any first word with a ClickHouse (reach-clickhouse.ts): one that is busy, on a busy machine, answers well within this. */
const pingTimeoutMs = 10_000;

function pathIn(dataDir: string): string {
  return join(dataDir, 'endpoint.json');
}

/** Notes the address of the ClickHouse that runs on this data directory. */
export async function writeEndpoint(dataDir: string, endpoint: Endpoint): Promise<void> {
  const path = pathIn(dataDir);
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(endpoint)}\n`);
  await rename(draft, path);
}

/** Takes the note back. No error where there is none. */
export async function removeEndpoint(dataDir: string): Promise<void> {
  await rm(pathIn(dataDir), { force: true });
}

function parse(text: string): Endpoint | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const { url, pid } = value as { readonly url?: unknown; readonly pid?: unknown };
    return typeof url === 'string' && URL.canParse(url) && Number.isInteger(pid)
      ? { url, pid: pid as number }
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, as another user.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(new URL('/ping', url), { signal: AbortSignal.timeout(pingTimeoutMs) });
    return response.ok;
  } catch (error) {
    // fetch rejects with a TypeError for a refused connection, with a TimeoutError for a silent one.
    if (error instanceof TypeError || (error instanceof Error && error.name === 'TimeoutError')) return false;
    throw error;
  }
}

/** The address of the ClickHouse that a running `weir` has on this data directory; undefined where none runs. */
export async function runningEndpoint(dataDir: string): Promise<Endpoint | undefined> {
  let text: string;
  try {
    text = await readFile(pathIn(dataDir), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR'].includes(String(error.code)))
      return undefined;
    throw error;
  }
  const endpoint = parse(text);
  if (endpoint === undefined || !isAlive(endpoint.pid)) return undefined;
  return (await answers(endpoint.url)) ? endpoint : undefined;
}
