/**
 * Events over HTTP, for those without a Kafka client: `POST /v1/topics/<topic>`. See docs/producing-events.md.
 *
 * I1  An event that is told as accepted is in its topic.
 * I2  Memory is bounded: bodies by `maxBodyBytes` and `maxConcurrentRequests`, events by the client's buffer. A request counts
 *     until its answer is read, for which there is `answerTimeoutMs`.
 * I3  Nothing is read of a body before its sender is known, may write the topic, and there is room for another request.
 * I4  `stop` lets requests under way end, for a bounded time.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type EventCodec, eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import type { Stream } from '#engine/topology/stream.ts';
import { ClientError } from '../client-error.ts';
import { callAfter } from '../timer.ts';
import { HttpProblem } from './http-problem.ts';
import { type IngestConfig, resolveIngest } from './ingest-config.ts';
import { foreignness } from './local-only.ts';
import { attributeProblem, contentTypeOf, parseEvents } from './parse-events.ts';
import { publishEvents, type PublishResult, type RequestIdentity } from './publish-events.ts';
import { readBody } from './request-body.ts';
import { authenticator, type IngestToken, mayWrite } from './tokens.ts';

/** Counts since the start. */
export interface IngestStats {
  readonly requests: number;
  readonly accepted: number;
  readonly rejected: number;
}

export interface Ingest {
  /** `http://host:port` */
  readonly url: string;
  readonly port: number;
  stats(): IngestStats;
  /** Takes no more; requests under way have `timeoutMs`, 10 s by default. May be called twice. */
  stop(timeoutMs?: number): Promise<void>;
}

/** @throws ClientError 'invalid-config', 'insecure-listen' or 'listen' */
export async function startIngest(config: IngestConfig): Promise<Ingest> {
  const endpoint = new IngestEndpoint(config);
  await endpoint.listen();
  return endpoint;
}

const retryAfterSeconds = '1';
const maxConnections = 1_024;
const headersTimeoutMs = 10_000;

interface Target {
  readonly stream: Stream<unknown>;
  readonly codec: EventCodec<unknown>;
}

class IngestEndpoint implements Ingest {
  readonly #config: ReturnType<typeof resolveIngest>;
  readonly #authenticate: ((header: string | undefined) => IngestToken | undefined) | undefined;
  readonly #targets: ReadonlyMap<string, Target>;
  readonly #server: Server;
  #underWay = 0;
  #stopping: Promise<void> | undefined;
  #requests = 0;
  #accepted = 0;
  #rejected = 0;

  constructor(config: IngestConfig) {
    this.#config = resolveIngest(config);
    const { tokens, streams, limits } = this.#config;
    const headersTimeout = Math.min(headersTimeoutMs, limits.requestTimeoutMs);
    this.#authenticate = tokens === undefined ? undefined : authenticator(tokens);
    const writers = new WriterSchemas();
    this.#targets = new Map(
      streams.map((stream) => [stream.topic, { stream, codec: eventCodec(stream, writers) }]),
    );
    this.#server = createServer(
      {
        requestTimeout: limits.requestTimeoutMs,
        headersTimeout,
        // Node looks every 30 s by default.
        connectionsCheckingInterval: Math.ceil(headersTimeout / 5),
      },
      (request, response) => {
        void this.#serve(request, response, () => undefined);
      },
    );
    // curl asks first whether a large body is wanted.
    this.#server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      void this.#serve(request, response, () => {
        response.writeContinue();
      });
    });
    this.#server.maxConnections = maxConnections;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    const { host } = this.#config;
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.port}`;
  }

  listen(): Promise<void> {
    const { host, port } = this.#config;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (cause) => {
        reject(
          new ClientError(
            'listen',
            `the ingest endpoint cannot listen on ${host}:${port}: ${cause.message}`,
            {
              cause,
            },
          ),
        );
      });
      this.#server.listen({ host, port }, () => {
        this.#server.removeAllListeners('error');
        // No connection more can be taken for now, for want of file descriptors perhaps.
        this.#server.on('error', this.#config.onFailure);
        resolve();
      });
    });
  }

  stats(): IngestStats {
    return { requests: this.#requests, accepted: this.#accepted, rejected: this.#rejected };
  }

  stop(timeoutMs = 10_000): Promise<void> {
    this.#stopping ??= new Promise((resolve) => {
      const undo = callAfter(timeoutMs, () => {
        this.#server.closeAllConnections();
      });
      this.#server.close(() => {
        undo();
        resolve();
      });
      this.#server.closeIdleConnections();
    });
    return this.#stopping;
  }

  async #serve(request: IncomingMessage, response: ServerResponse, goOn: () => void): Promise<void> {
    this.#requests += 1;
    this.#underWay += 1;
    try {
      const { status, body, headers } = await this.#answer(request, goOn);
      this.#send(request, response, status, body, headers);
    } catch (error) {
      if (request.destroyed && !request.complete) return; // Its sender went away.
      if (!(error instanceof HttpProblem)) this.#config.onFailure(error);
      const problem =
        error instanceof HttpProblem ? error : new HttpProblem(500, 'internal', 'an error of the endpoint');
      const { status, code, message, headers } = problem;
      this.#send(request, response, status, { error: { code, message } }, headers);
    } finally {
      this.#awaitEnd(request, response);
    }
  }

  /** A request counts until its answer is read or its connection closed, which it is in time. */
  #awaitEnd({ socket }: IncomingMessage, response: ServerResponse): void {
    if (socket.destroyed) {
      this.#underWay -= 1;
      return;
    }
    const over = (): void => {
      clearTimeout(deadline);
      response.off('close', over);
      this.#underWay -= 1;
    };
    const deadline = setTimeout(() => {
      socket.destroy();
      // Of an answer that waits behind another one on its connection Node never says that it was closed.
      over();
    }, this.#config.limits.answerTimeoutMs);
    deadline.unref();
    response.once('close', over);
  }

  #send(
    request: IncomingMessage,
    response: ServerResponse,
    status: number,
    body: object,
    headers: Readonly<Record<string, string>>,
  ): void {
    // A body that was not read to its end would be taken for the next request.
    const close = !request.complete || this.#stopping !== undefined ? { connection: 'close' } : {};
    const text = `${JSON.stringify(body)}\n`;
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      ...close,
      ...headers,
    });
    response.end(text);
  }

  /** @param goOn is called before the body is read */
  async #answer(request: IncomingMessage, goOn: () => void): Promise<Answer> {
    const [pathname = ''] = (request.url ?? '').split('?');
    if (pathname === '/v1/health') return this.#health(request);
    const topic = /^\/v1\/topics\/([^/]+)$/.exec(pathname)?.[1];
    if (topic === undefined)
      throw new HttpProblem(404, 'not-found', 'there is nothing here: POST to /v1/topics/<topic>');
    requireMethod(request, 'POST');
    const token = this.#requireSender(request);
    const target = this.#requireTarget(topic, token);
    this.#requireRoom();
    const type = contentTypeOf(request.headers['content-type']);
    const identity = identityOf(request, token);
    const { maxBodyBytes, maxRecords, ackTimeoutMs } = this.#config.limits;
    goOn();
    const body = await readBody(request, maxBodyBytes);
    const events = parseEvents(target.stream, target.codec, type, body, maxRecords);
    const result = await publishEvents(this.#config.client, target.stream, events, identity, ackTimeoutMs);
    this.#accepted += result.accepted;
    this.#rejected += result.rejected;
    const status = statusOf(result);
    return {
      status,
      body: result,
      headers: status === 503 ? { 'retry-after': retryAfterSeconds } : {},
    };
  }

  #health(request: IncomingMessage): Answer {
    requireMethod(request, 'GET');
    const trouble = this.#lastingTrouble();
    return trouble === undefined
      ? { status: 200, body: { status: 'ok' }, headers: {} }
      : { status: 503, body: { status: 'kafka-unreachable' }, headers: {} };
  }

  #requireSender(request: IncomingMessage): IngestToken | undefined {
    if (this.#authenticate === undefined) {
      const foreign = foreignness(request.headers);
      if (foreign !== undefined) throw new HttpProblem(403, 'forbidden', foreign);
      return undefined;
    }
    const token = this.#authenticate(request.headers.authorization);
    if (token !== undefined) return token;
    throw new HttpProblem(401, 'unauthorized', 'send a known token: Authorization: Bearer <token>', {
      'www-authenticate': 'Bearer realm="weir"',
    });
  }

  #requireTarget(encoded: string, token: IngestToken | undefined): Target {
    const topic = decoded(encoded);
    if (token !== undefined && !mayWrite(token, topic))
      throw new HttpProblem(403, 'forbidden', `the token '${token.name}' is not for topic ${topic}`);
    const target = this.#targets.get(topic);
    if (target !== undefined) return target;
    throw new HttpProblem(
      404,
      'unknown-topic',
      `there is no topic '${topic}' here; there are ${[...this.#targets.keys()].sort().join(', ')}`,
    );
  }

  #requireRoom(): void {
    const wait = { 'retry-after': retryAfterSeconds };
    if (this.#stopping !== undefined)
      throw new HttpProblem(503, 'unavailable', 'the endpoint is being stopped', wait);
    const { maxConcurrentRequests } = this.#config.limits;
    if (this.#underWay > maxConcurrentRequests)
      throw new HttpProblem(
        429,
        'too-many-requests',
        `${maxConcurrentRequests} requests are under way: try again`,
        wait,
      );
    const trouble = this.#lastingTrouble();
    if (trouble !== undefined) throw new HttpProblem(503, 'unavailable', trouble, wait);
  }

  /** What keeps Kafka from taking events, once it has lasted. */
  #lastingTrouble(): string | undefined {
    const { trouble } = this.#config.client;
    // Topics without trouble take events meanwhile; the others' are answered one by one.
    if (trouble === undefined || !trouble.isGeneral) return undefined;
    const lasts = performance.now() - trouble.sinceMs > this.#config.limits.troubleAfterMs;
    return lasts ? `Kafka does not take events now: ${trouble.error.code}` : undefined;
  }
}

interface Answer {
  readonly status: number;
  readonly body: object;
  readonly headers: Readonly<Record<string, string>>;
}

function requireMethod(request: IncomingMessage, method: 'GET' | 'POST'): void {
  if (request.method === method) return;
  throw new HttpProblem(405, 'method-not-allowed', `use ${method}`, { allow: method });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // URIError: no name of a topic either.
    return text;
  }
}

/** From the CloudEvents headers of the HTTP binding's binary mode, or `Idempotency-Key`. */
function identityOf(request: IncomingMessage, token: IngestToken | undefined): RequestIdentity {
  const header = (name: string): string | undefined => {
    const value = request.headers[name];
    const text = Array.isArray(value) ? value.join(',') : value;
    const problem = text === undefined ? undefined : attributeProblem(`header ${name}`, text);
    if (problem !== undefined) throw new HttpProblem(400, 'invalid-header', problem);
    return text;
  };
  return {
    id: header('ce-id') ?? header('idempotency-key'),
    source: header('ce-source') ?? `/weir/ingest/${token?.name ?? 'local'}`,
  };
}

/** Codes of rejections that are not the sender's fault. */
const unavailableCodes: ReadonlySet<string> = new Set(['unknown-topic', 'closed']);

function statusOf({ accepted, rejected, errors }: PublishResult): number {
  if (rejected === 0) return 200;
  if (accepted > 0) return 207;
  if (errors.some(({ retryable, code }) => retryable || unavailableCodes.has(code))) return 503;
  return errors.every(({ code }) => code === 'too-large') ? 413 : 400;
}
