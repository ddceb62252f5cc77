/**
 * An HTTP proxy before a real ClickHouse that does to each request what the test says: passes it, answers in ClickHouse's place
 * as ClickHouse would, or cuts the connection somewhere on the way.
 */
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { httpStatusOf } from '#sinks/clickhouse/server/exception.ts';

/** A request as it came, whole. */
export interface Asked {
  readonly sql: string;
  /** The table of an insert, without its database; undefined for everything else. */
  readonly insertInto: string | undefined;
  /** `insert_deduplication_token` */
  readonly token: string;
  /** Of an insert: the block. */
  readonly body: Buffer;
}

/**
 * `answer`: an exception as ClickHouse writes it. `page`: what something that is no ClickHouse says, as a load balancer.
 * `cut-answer`: ClickHouse answers, and nobody is told. `cut-request`: ClickHouse gets the half. `hang`: no answer, ever.
 */
export type Fault =
  | { readonly kind: 'pass' }
  | {
      readonly kind: 'answer';
      readonly code: number;
      readonly name: string;
      readonly message: string;
      /** `DB::Exception` by default. */
      readonly thrownAs?: string;
    }
  | { readonly kind: 'page'; readonly status: number; readonly text: string }
  | { readonly kind: 'cut-answer' }
  | { readonly kind: 'cut-request' }
  | { readonly kind: 'hang' };

export const pass: Fault = { kind: 'pass' };

export interface FaultyClickHouse {
  readonly url: string;
  /** What is done from now on. */
  decide: (asked: Asked) => Fault;
  /** Tokens of inserts that ClickHouse answered with success, in the order of the answers, also those that were cut. */
  readonly taken: readonly string[];
  /** Where ClickHouse is from now on. */
  readonly moveTo: (port: number) => void;
  /** Refuses connections until `listen`; those that are open are cut. Returns when ClickHouse has answered what it was sent. */
  readonly refuse: () => Promise<void>;
  readonly listen: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** As ClickHouse writes an exception. */
const exceptionText = ({
  code,
  name,
  message,
  thrownAs = 'DB::Exception',
}: Fault & { kind: 'answer' }): string =>
  `Code: ${code}. ${thrownAs}: ${message} (${name}) (version 26.7.1.1 (official build))\n`;

/** Rows of a Native block of a client that names no revision. */
export function rowsOfBlock(block: Buffer): number {
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = block[at++]!;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  };
  next();
  return next();
}

/** @param port of ClickHouse, on this host */
export async function startFaultyClickHouse(port: number): Promise<FaultyClickHouse> {
  const sockets = new Set<Socket>();
  const taken: string[] = [];
  const underWay = new Set<Promise<void>>();
  let upstreamPort = port;
  const server = createServer((incoming, outgoing) => {
    const handled = handle(incoming, outgoing).finally(() => underWay.delete(handled));
    underWay.add(handled);
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await listenOn(server, 0);
  const own = (server.address() as AddressInfo).port;
  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
    } catch {
      // Whoever asked has gone.
      incoming.socket.destroy();
      return;
    }
    const body = Buffer.concat(chunks);
    const asked = askedOf(incoming.url ?? '/', body);
    const fault = proxy.decide(asked);
    const to = { port: upstreamPort, path: incoming.url ?? '/', method: incoming.method ?? 'POST' };
    await carryOut(fault, asked, { to, headers: incoming.headers, body }, incoming.socket, outgoing, taken);
  };
  const refuse = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.resetAndDestroy();
    await closed;
    await Promise.all(underWay);
  };
  const proxy: FaultyClickHouse = {
    url: `http://127.0.0.1:${own}`,
    decide: () => pass,
    taken,
    moveTo: (next) => {
      upstreamPort = next;
    },
    refuse,
    listen: () => listenOn(server, own),
    close: async () => {
      if (server.listening) await refuse();
    },
  };
  return proxy;
}

function listenOn(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function askedOf(url: string, body: Buffer): Asked {
  const { searchParams } = new URL(url, 'http://clickhouse');
  const sql = searchParams.get('query') ?? body.toString('utf8');
  return {
    sql,
    insertInto: /^INSERT INTO `[^`]+`\.`([^`]+)` .* FORMAT Native/s.exec(sql)?.[1],
    token: searchParams.get('insert_deduplication_token') ?? '',
    body,
  };
}

interface Request {
  readonly to: { readonly port: number; readonly path: string; readonly method: string };
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

async function carryOut(
  fault: Fault,
  asked: Asked,
  request: Request,
  client: Socket,
  outgoing: ServerResponse,
  taken: string[],
): Promise<void> {
  switch (fault.kind) {
    case 'hang':
      return;
    case 'page':
      outgoing.writeHead(fault.status, { 'Content-Type': 'text/html' }).end(fault.text);
      return;
    case 'answer':
      outgoing
        .writeHead(httpStatusOf(fault.code), {
          'Content-Type': 'text/plain; charset=UTF-8',
          'X-ClickHouse-Exception-Code': String(fault.code),
        })
        .end(exceptionText(fault));
      return;
    case 'cut-request':
      await forwardHalf(request);
      client.resetAndDestroy();
      return;
    case 'cut-answer':
    case 'pass': {
      const answer = await forward(request);
      if (answer?.status === 200 && asked.insertInto !== undefined) taken.push(asked.token);
      if (answer === undefined || fault.kind === 'cut-answer') client.resetAndDestroy();
      else outgoing.writeHead(answer.status, answer.headers).end(answer.body);
    }
  }
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[]>;
  readonly body: Buffer;
}

/** ClickHouse's answer; undefined where it gives none. */
function forward({ to, headers, body }: Request): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const fail = (): void => {
      resolve(undefined);
    };
    const forwarded = httpRequest(
      { ...to, host: '127.0.0.1', agent: false, headers: of(headers) },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.once('error', fail);
        answer.once('end', () => {
          resolve({
            status: answer.statusCode ?? 0,
            headers: of(answer.headers),
            body: Buffer.concat(chunks),
          });
        });
      },
    );
    forwarded.once('error', fail);
    forwarded.end(body);
  });
}

/** Sends the head and half of the body, and cuts the connection when ClickHouse has had time to read that. */
function forwardHalf({ to, headers, body }: Request): Promise<void> {
  return new Promise((resolve) => {
    const forwarded = httpRequest({ ...to, host: '127.0.0.1', agent: false, headers: of(headers) });
    forwarded.once('error', () => {
      resolve();
    });
    forwarded.once('close', resolve);
    forwarded.write(body.subarray(0, Math.floor(body.length / 2)), () => {
      setTimeout(() => forwarded.socket?.resetAndDestroy(), 20);
    });
  });
}

const betweenTwoEnds: ReadonlySet<string> = new Set(['connection', 'keep-alive']);

/** Headers that go on as they came. */
function of(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const kept = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined || betweenTwoEnds.has(name) ? [] : [[name, value] as const],
  );
  return Object.fromEntries(kept);
}
