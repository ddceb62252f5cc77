/**
 * The HTTP server of metrics and health. It must not hurt the run, whoever asks and however.
 *
 * I1  GET and HEAD of a few paths; no body is read, no answer depends on the request but for its path.
 * I2  Bounded: connections, the size of a header, the time of a request and of its answer. A client that reads too slowly, or
 *     says nothing, is cut off.
 * I3  An answer that takes work is made at most once in `freshMs` and shared by all who ask.
 * I4  `close` cuts everything off and is over at once.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIPv6, type AddressInfo } from 'node:net';
import { CliError } from '../cli-error.ts';

export interface Answer {
  readonly status: 200 | 503;
  readonly contentType: string;
  readonly body: string;
}

export interface OperationsServerConfig {
  /** Loopback unless said otherwise. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** By path. One that throws is answered with 500, and told to `onError`. */
  readonly answers: ReadonlyMap<string, () => Answer>;
  readonly onError: (error: unknown) => void;
  readonly limits?: Partial<TimeLimits>;
}

interface TimeLimits {
  /** From a request to the last byte of its answer. 10 s by default. */
  readonly exchangeMs: number;
  /** Of a connection without a request, and of the header of a request. 5 s by default. */
  readonly idleMs: number;
}

export interface OperationsServer {
  /** `http://host:port` */
  readonly url: string;
  close(): Promise<void>;
}

const maxConnections = 32;
const maxHeaderSize = 8 << 10;
const defaultLimits: TimeLimits = { exchangeMs: 10_000, idleMs: 5_000 };
const freshMs = 200;

/**
 * Listens.
 *
 * @throws CliError `environment` when the port is taken or the address is not this machine's
 */
export async function startOperationsServer(config: OperationsServerConfig): Promise<OperationsServer> {
  const { host, port, answers, onError } = config;
  const { exchangeMs, idleMs } = { ...defaultLimits, ...config.limits };
  const shared = new Map([...answers].map(([path, answer]) => [path, sharedFor(freshMs, answer)]));
  const server = createServer(
    {
      maxHeaderSize,
      headersTimeout: idleMs,
      requestTimeout: idleMs,
      connectionsCheckingInterval: idleMs / 5,
    },
    (request, response) => {
      const deadline = setTimeout(() => request.socket.destroy(), exchangeMs);
      response.once('close', () => {
        clearTimeout(deadline);
      });
      respond(request, response, shared, onError);
    },
  );
  server.keepAliveTimeout = idleMs;
  server.maxConnections = maxConnections;
  server.setTimeout(exchangeMs);
  await listening(server, host, port);
  // Metrics alone keep no process alive.
  server.unref();
  server.on('error', onError);
  const { address, port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${isIPv6(address) ? `[${address}]` : address}:${taken}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const remedy =
        error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND'
          ? 'give an address of this machine: --metrics-host <address>'
          : 'give another port, or 0 for a free one: --metrics-port <number>';
      reject(
        new CliError(
          'environment',
          `metrics cannot be served on ${host}:${port} (${error.code ?? error.message})`,
          {
            remedies: [remedy],
            cause: error,
          },
        ),
      );
    });
    server.listen({ host, port, exclusive: true }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

/** The answer, made anew when the last one is older than `ms`. */
function sharedFor(ms: number, make: () => Answer): () => Answer {
  let last: Answer | undefined;
  let madeAtMs = -Infinity;
  return () => {
    const nowMs = performance.now();
    if (last === undefined || nowMs - madeAtMs > ms) {
      last = make();
      madeAtMs = nowMs;
    }
    return last;
  };
}

type Reply = Omit<Answer, 'status'> & { readonly status: number };

const plain = (status: number, text: string): Reply => ({
  status,
  contentType: 'text/plain; charset=utf-8',
  body: `${text}\n`,
});

function replyTo(
  { method, url = '' }: IncomingMessage,
  answers: ReadonlyMap<string, () => Answer>,
  onError: (error: unknown) => void,
): Reply {
  if (method !== 'GET' && method !== 'HEAD') return plain(405, 'GET and HEAD only');
  const answer = answers.get(url.split('?', 1)[0]!);
  if (answer === undefined) return plain(404, `there is ${[...answers.keys()].join(', ')}`);
  try {
    return answer();
  } catch (error) {
    onError(error);
    return plain(500, 'the answer could not be made; see the log');
  }
}

function respond(
  request: IncomingMessage,
  response: ServerResponse,
  answers: ReadonlyMap<string, () => Answer>,
  onError: (error: unknown) => void,
): void {
  const { status, contentType, body } = replyTo(request, answers, onError);
  const hasBody =
    request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status === 405 ? { allow: 'GET, HEAD' } : {}),
    // A body is not read, so the connection cannot be gone on with.
    ...(hasBody ? { connection: 'close' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
