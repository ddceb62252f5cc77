/** The `weir` command as a process of its own, a stack in this process, and what their data directory holds afterwards. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ClickHouseClient } from '@clickhouse/client';
import { expect } from 'vitest';
import { weirApp } from '#cli/app.ts';
import { allMigrations } from '#cli/migrations.ts';
import { startStack, type Stack, type StackOptions } from '#cli/stack.ts';
import { auditTable } from '#sinks/clickhouse/audit.ts';
import { identityOf } from '#local/process-identity.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { startEmbeddedServer } from '#sinks/clickhouse/server/embedded-server.ts';
import { qualified, tableOf } from '#sinks/clickhouse/tables.ts';
import { send, until } from './embedded-clickhouse.fixture.ts';

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** How a `weir` ended, and what it wrote. */
export interface Ended {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningWeir {
  readonly pid: number;
  readonly stdin: NonNullable<ChildProcess['stdin']>;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly ended: Promise<Ended>;
  /** To the process and its children, as a terminal does it. */
  readonly signalGroup: (signal: NodeJS.Signals) => void;
}

/** Starts `weir` with standard input open. */
export function startWeir(args: readonly string[]): RunningWeir {
  const child = spawn(process.execPath, [program, ...args], { stdio: 'pipe', detached: true });
  const pid = child.pid ?? 0;
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // It may end without having read its input.
  child.stdin.on('error', () => undefined);
  return {
    pid,
    stdin: child.stdin,
    stdout: () => stdout,
    stderr: () => stderr,
    ended: once(child, 'close').then(([exitCode, signal]) => ({
      exitCode: exitCode as number | null,
      signal: signal as NodeJS.Signals | null,
      stdout,
      stderr,
    })),
    signalGroup: (signal) => process.kill(-pid, signal),
  };
}

/** Runs `weir` to its end. */
export async function weir(args: readonly string[], stdin: string | Buffer = ''): Promise<Ended> {
  const running = startWeir(args);
  running.stdin.end(stdin);
  return running.ended;
}

/** Runs a test with a directory of its own, removed afterwards. */
export async function inDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-test-'));
  try {
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Uses a stack in this process, which is stopped afterwards if the use has not done so. */
export async function inStack<T>(
  dataDir: string,
  use: (stack: Stack, notes: readonly string[]) => Promise<T>,
  options: Partial<StackOptions> = {},
): Promise<T> {
  const notes: string[] = [];
  const onNote = (note: string): void => void notes.push(note);
  const stack = await startStack({
    app: weirApp,
    migrations: allMigrations(),
    dataDir,
    database: 'default',
    onNote,
    ...options,
  });
  let stopped: ReturnType<Stack['stop']> | undefined;
  const stop: Stack['stop'] = (timeoutMs) => (stopped ??= stack.stop(timeoutMs));
  try {
    return await Promise.race([use({ ...stack, stop }, notes), stack.failed]);
  } finally {
    // An error of the use is what the test is to show, not what comes of it.
    await Promise.allSettled([stop(1_000)]);
  }
}

/** A process that has ended is not alive, though its parent has not asked yet how (a zombie). */
export function isAlive(pid: number): boolean {
  return identityOf(pid) !== undefined;
}

/** The process that has the ClickHouse data of this directory, if one does. */
export async function clickHousePid(dataDir: string): Promise<number | undefined> {
  const text = await readFile(join(dataDir, 'clickhouse', 'lock'), 'utf8').catch(() => '');
  const pid = Number(text.split(' ')[0]);
  return pid > 0 && isAlive(pid) ? pid : undefined;
}

/** Waits until nobody has the ClickHouse data: after a SIGKILL of `weir` its child closes it in order. */
export async function released(dataDir: string): Promise<void> {
  await until(async () => (await clickHousePid(dataDir)) === undefined);
}

/** Waits until a running `weir` on this directory announces its ClickHouse. */
export async function endpointOf(dataDir: string): Promise<{ readonly url: string; readonly pid: number }> {
  const path = join(dataDir, 'endpoint.json');
  let text = '';
  await until(async () => {
    text = await readFile(path, 'utf8').catch(() => '');
    return text !== '';
  });
  return JSON.parse(text) as { url: string; pid: number };
}

/** Waits until the ClickHouse of a running `weir` has this many rows of a topic: the run is in full swing. */
export async function untilRows(url: string, topic: string, count: number): Promise<void> {
  const table = tables.find(({ stream }) => stream.topic === topic)!;
  const query = `SELECT count() FROM ${qualified(table)}`;
  await until(async () => Number((await send(url, { method: 'POST', body: query })).text) >= count);
}

export const tables = weirApp.streams.map((stream) => tableOf(stream, 'default'));

/** Looks at what is in a data directory when nothing runs on it. */
export async function inspect<T>(dataDir: string, look: (data: Inspection) => Promise<T>): Promise<T> {
  const server = await startEmbeddedServer({ dataDir: join(dataDir, 'clickhouse') });
  const client = openClient({ url: server.url });
  try {
    return await look(inspection(client));
  } finally {
    await client.close();
    await server.stop();
  }
}

export interface Inspection {
  /** Rows of a query. */
  readonly rows: <Row>(sql: string) => Promise<readonly Row[]>;
  /** Rows of each topic's table. */
  readonly rowsByTopic: () => Promise<Readonly<Record<string, number>>>;
  /** Fails unless every table has every offset of every partition from 0 on, once. */
  readonly expectExactlyOnce: () => Promise<void>;
}

export function inspection(client: ClickHouseClient): Inspection {
  const rows = async <Row>(sql: string): Promise<readonly Row[]> => {
    const result = await client.query({
      query: sql,
      format: 'JSONEachRow',
      clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
    });
    return result.json<Row>();
  };
  return {
    rows,
    rowsByTopic: async () => {
      const each = tables.map(
        (table) => `SELECT '${table.stream.topic}' AS topic, count() AS n FROM ${qualified(table)}`,
      );
      const counted = await rows<{ topic: string; n: number }>(each.join(' UNION ALL '));
      return Object.fromEntries(counted.map(({ topic, n }) => [topic, n]));
    },
    expectExactlyOnce: async () => {
      for (const table of tables) {
        for (const { topic, partition, minOffset, missing, duplicates } of await auditTable(client, table)) {
          expect({ topic, partition, minOffset, missing, duplicates }).toEqual({
            topic,
            partition,
            minOffset: 0,
            missing: 0,
            duplicates: 0,
          });
        }
      }
    },
  };
}
