/** Shared by the tests of the embedded ClickHouse server: a server on a directory of its own, and plain requests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type EmbeddedServer,
  startEmbeddedServer,
  type SupervisionConfig,
} from '#sinks/clickhouse/server/embedded-server.ts';
import type { EmbeddedServerConfig } from '#sinks/clickhouse/server/server-options.ts';

export interface TestServer {
  readonly server: EmbeddedServer;
  readonly dataDir: string;
  /** POST a statement, by default without expecting success. */
  post(
    sql: string | Buffer,
    parameters?: Record<string, string>,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  /** POST a statement that must succeed; its answer as text without the last line end. */
  sql(sql: string, parameters?: Record<string, string>): Promise<string>;
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  close(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  /** `X-ClickHouse-Exception-Code`, 0 without one. */
  readonly code: number;
}

/** One HTTP request with nothing added but what HTTP needs. */
export async function send(
  url: string,
  options: {
    readonly method: string;
    readonly headers?: Record<string, string>;
    readonly body?: string | Buffer;
  },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      { method: options.method, headers: options.headers ?? {}, agent: false },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.once('error', reject);
        incoming.once('end', () => {
          const body = Buffer.concat(chunks);
          const code = Number(incoming.headers['x-clickhouse-exception-code'] ?? 0);
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body,
            text: body.toString('utf8'),
            code,
          });
        });
      },
    );
    outgoing.once('error', reject);
    outgoing.end(options.body);
  });
}

/** A new directory below the system's temporary one. */
export async function newDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'weir-clickhouse-'));
}

/** Start a server on a new directory. */
export async function startTestServer(
  config: Partial<EmbeddedServerConfig & SupervisionConfig> = {},
): Promise<TestServer> {
  const dataDir = config.dataDir ?? (await newDirectory());
  const server = await startEmbeddedServer({ ...config, dataDir });
  const post: TestServer['post'] = (sql, parameters = {}, headers = {}) =>
    send(`${server.url}/?${new URLSearchParams(parameters).toString()}`, {
      method: 'POST',
      headers,
      body: sql,
    });
  return {
    server,
    dataDir,
    post,
    sql: async (sql, parameters) => {
      const answer = await post(sql, parameters);
      if (answer.status !== 200) throw new Error(`${sql.slice(0, 200)}: ${answer.text}`);
      return answer.text.trimEnd();
    },
    get: (path, headers = {}) => send(server.url + path, { method: 'GET', headers }),
    close: async () => {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Much longer than anything takes: a machine that is slow fails no test. */
const longMs = 60_000;

/** Wait until `condition` holds. */
export async function until(condition: () => Promise<boolean> | boolean, timeoutMs = longMs): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not so within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
