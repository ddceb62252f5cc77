/**
 * The HTTP interface: routes, checks in order (web pages out, who is it, what is asked), queries.
 *
 * I1. `/ping` and refusals never wait for the engine.
 * I2. An error is answered at once; what is still to come of the body is taken in and dropped, for a while.
 * I3. When a client goes away, its SELECT is stopped; an insert that has begun goes on to its end.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { authenticate } from './auth.ts';
import type { Engine } from './engine.ts';
import { exception, exceptionOf } from './exception.ts';
import { refusalOf } from './origin-guard.ts';
import { type QueryRequest, readQueryRequest } from './query-request.ts';
import { type QueryContext, type QueryOutcome, runQuery } from './query.ts';
import { RequestBody } from './request-body.ts';
import { sendException, sendOutcome, sendText, type ServerFacts, setQueryHeaders } from './response.ts';
import type { RunningQueries } from './running-queries.ts';
import type { ServerOptions } from './server-options.ts';
import type { Sessions } from './sessions.ts';

export interface ServerParts {
  readonly engine: Engine;
  readonly facts: ServerFacts;
  readonly options: ServerOptions;
  readonly running: RunningQueries;
  readonly sessions: Sessions;
  readonly spoolPath: string;
}

interface Client extends Pick<QueryContext, 'onWrite' | 'isGone'> {
  readonly message: IncomingMessage;
}

/** Like ClickHouse's keep_alive_timeout; longer than the idle time of its clients' pools. */
const keepAliveTimeoutMs = 30_000;
/** How long the rest of a refused body is taken in. */
const longestDrainMs = 10_000;

async function serveQuery(
  parts: ServerParts,
  request: QueryRequest,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { running } = parts;
  setQueryHeaders(response, parts.facts, request.queryId);
  running.begin(request.queryId);
  let mayStop = true;
  const onGone = (): void => {
    if (!mayStop) return;
    // Nobody waits for this: a failure to stop the query leaves it to end by itself.
    running.kill(request.queryId).catch(reportLater);
  };
  response.once('close', onGone);
  const onWrite = (): void => {
    mayStop = false;
  };
  const isGone = (): boolean => response.destroyed;
  const outcome = await runLeased(parts, request, { message, onWrite, isGone }).finally(() => {
    response.off('close', onGone);
    running.end(request.queryId);
  });
  await sendOutcome(response, outcome, parts.facts, request);
}

/** Run the query on its connection and give that back before the answer is sent: the client's next request may need it. */
async function runLeased(parts: ServerParts, request: QueryRequest, client: Client): Promise<QueryOutcome> {
  const { sessions, options, spoolPath } = parts;
  const { maxBodyBytes, maxQueryBytes } = options.limits;
  const lease = sessions.lease(request.user, request.session);
  try {
    const body = new RequestBody(client.message, maxBodyBytes);
    return await runQuery({
      ...client,
      request,
      body,
      lease,
      spoolPath,
      maxQueryBytes,
      allowedEngines: options.allowedEngines,
    });
  } finally {
    lease.release();
  }
}

function reportLater(error: unknown): void {
  process.stderr.write(`a query of a client that has gone could not be stopped: ${String(error)}\n`);
}

/** Take in the rest of a body that is not wanted, so that the client gets to read the answer; but not for ever. */
async function drain(message: IncomingMessage): Promise<void> {
  const timer = setTimeout(() => message.destroy(), longestDrainMs);
  message.unpipe();
  message.resume();
  await new Promise((resolve) => message.once('close', resolve));
  clearTimeout(timer);
}

function fail(response: ServerResponse, message: IncomingMessage, error: unknown, version: string): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  for (const name of ['Content-Length', 'Content-Encoding', 'X-ClickHouse-Format', 'X-ClickHouse-Summary']) {
    response.removeHeader(name);
  }
  const isWhole = message.complete || message.destroyed;
  sendException(response, exceptionOf(error), version, isWhole ? Promise.resolve() : drain(message));
}

async function route(parts: ServerParts, message: IncomingMessage, response: ServerResponse): Promise<void> {
  const refusal = refusalOf(message.headers, parts.options);
  if (refusal !== undefined) throw exception(497, `Access denied: ${refusal}.`, 403);
  const url = new URL(message.url ?? '/', 'http://localhost');
  if (message.method !== 'GET' && message.method !== 'POST' && message.method !== 'HEAD') {
    throw exception(48, `HTTP method ${String(message.method)} is not supported: use GET, HEAD or POST.`);
  }
  if (url.pathname === '/ping' || url.pathname === '/replicas_status') {
    sendText(response, 200, 'Ok.\n');
    return;
  }
  if (url.pathname !== '/' && url.pathname !== '/query') {
    sendText(
      response,
      404,
      `There is no handle ${url.pathname}. Use / for queries, /ping and /replicas_status for health checks.\n`,
    );
    return;
  }
  if (message.method !== 'POST' && !url.searchParams.has('query')) {
    sendText(response, 200, 'Ok.\n');
    return;
  }
  const user = authenticate(message.headers, url.searchParams, parts.options);
  await serveQuery(parts, readQueryRequest(message, url.searchParams, user), message, response);
}

/** What Node refused to parse: too long, too slow, or no HTTP. */
function onClientError(error: Error & { readonly code?: string }, socket: Duplex, maxUrlBytes: number): void {
  if (socket.destroyed || !socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, text] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? [
          '414 URI Too Long',
          `The URL with all headers is longer than ${maxUrlBytes} bytes: send the query in the body.`,
        ]
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'The request did not arrive in time.']
        : ['400 Bad Request', 'This is not an HTTP request.'];
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${text.length + 1}\r\n\r\n${text}\n`,
  );
}

/** Make the HTTP server; the caller lets it listen. */
export function createHttpServer(parts: ServerParts): Server {
  const { limits } = parts.options;
  const serverOptions = {
    maxHeaderSize: limits.maxUrlBytes,
    requestTimeout: limits.requestTimeoutMs,
    headersTimeout: Math.min(60_000, limits.requestTimeoutMs),
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: 1_000,
  };
  const server = createServer(serverOptions, (message, response) => {
    route(parts, message, response).catch((error: unknown) => {
      fail(response, message, error, parts.facts.version);
    });
  });
  server.on('clientError', (error, socket) => {
    onClientError(error, socket, limits.maxUrlBytes);
  });
  return server;
}
