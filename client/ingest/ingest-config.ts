/** What a user sets of the ingest endpoint. */
import { Secret } from '#engine/kafka/connection-secret.ts';
import type { Stream } from '#engine/topology/stream.ts';
import type { Client } from '../client.ts';
import { ClientError } from '../client-error.ts';
import {
  callable,
  type Check,
  type Checks,
  fields,
  isFields,
  kindOf,
  requireOptions,
  wholeFrom,
} from '../option-checks.ts';
import { streamProblems } from '../publish-arguments.ts';
import { longestTimerMs } from '../timer.ts';
import { isLoopback } from './local-only.ts';
import type { IngestToken } from './tokens.ts';

export interface IngestLimits {
  /** Of a body, as sent and decompressed; 4 MiB by default. */
  readonly maxBodyBytes?: number;
  /** Events in one request; 10,000 by default. */
  readonly maxRecords?: number;
  /** Requests at a time, 64 by default; more are answered with 429. */
  readonly maxConcurrentRequests?: number;
  /** How long a request waits for the brokers' acknowledgement; 10 s by default. */
  readonly ackTimeoutMs?: number;
  /** How long a client may take to send a request; 30 s by default. */
  readonly requestTimeoutMs?: number;
  /** How long a client may take to read the answer, before its connection is cut; 10 s by default. */
  readonly answerTimeoutMs?: number;
  /** After Kafka took nothing for so long requests are refused at once; 2 s by default. */
  readonly troubleAfterMs?: number;
}

export interface IngestConfig {
  /** Publishes; it is not closed by the endpoint. */
  readonly client: Client;
  /** Those that may be written to. */
  readonly streams: readonly Stream<unknown>[];
  /** 127.0.0.1 by default. Others than this machine's own need tokens. */
  readonly host?: string;
  /** 0 chooses a free one. */
  readonly port: number;
  /** Without them everybody on this machine may write. */
  readonly tokens?: readonly IngestToken[];
  readonly limits?: IngestLimits;
  /** Hears of errors that are no client's fault. */
  readonly onFailure?: (error: unknown) => void;
}

const defaults: Required<IngestLimits> = {
  maxBodyBytes: 4 << 20,
  maxRecords: 10_000,
  maxConcurrentRequests: 64,
  ackTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  answerTimeoutMs: 10_000,
  troubleAfterMs: 2_000,
};

const client: Check = (value, name) =>
  isFields(value) && typeof value['publish'] === 'function' && typeof value['stats'] === 'function'
    ? []
    : [`${name} must be what createClient returns, not ${kindOf(value)}`];

const streams: Check = (value, name) =>
  Array.isArray(value)
    ? value.flatMap((one, index) => streamProblems(one, `${name}[${index}]`))
    : [
        `${name} must be a list of streams such as linkStates of weir/schemas/migration, not ${kindOf(value)}`,
      ];

/** Without what is in them. */
const tokens: Check = (value, name) => {
  const isToken = (one: unknown): boolean =>
    isFields(one) && typeof one['name'] === 'string' && one['secret'] instanceof Secret;
  return Array.isArray(value) && value.every(isToken)
    ? []
    : [`${name} must be a list as parseTokens makes it of text, or tokensFromEnvironment`];
};

const checks: Checks<keyof IngestConfig> = {
  client,
  streams,
  host: (value, name) => (typeof value === 'string' ? [] : [`${name} must be text, not ${kindOf(value)}`]),
  port: wholeFrom(0, 65_535),
  tokens,
  limits: fields(Object.fromEntries(Object.keys(defaults).map((name) => [name, wholeFrom(1)]))),
  onFailure: callable,
};

/** @throws ClientError 'invalid-config' or 'insecure-listen' */
export function resolveIngest(config: IngestConfig): Required<Omit<IngestConfig, 'tokens' | 'limits'>> & {
  readonly tokens: readonly IngestToken[] | undefined;
  readonly limits: Required<IngestLimits>;
} {
  requireOptions('startIngest', config, checks, ['client', 'streams', 'port']);
  const host = config.host ?? '127.0.0.1';
  if (host.trim() === '')
    throw new ClientError(
      'invalid-config',
      'the host of the ingest endpoint is empty: name 127.0.0.1, or 0.0.0.0 for every address of this machine',
    );
  if (config.tokens === undefined && !isLoopback(host))
    throw new ClientError(
      'insecure-listen',
      `the ingest endpoint will not listen on ${host} without tokens, for everybody who reaches it could write: set ` +
        `WEIR_INGEST_TOKENS_FILE, or listen on 127.0.0.1`,
    );
  if (config.tokens?.length === 0)
    throw new ClientError('invalid-config', 'the list of ingest tokens is empty: nobody could write');
  const given = Object.entries(config.limits ?? {}).filter(([, value]) => value !== undefined);
  const limits: Required<IngestLimits> = { ...defaults, ...Object.fromEntries(given) };
  return {
    client: config.client,
    streams: config.streams,
    port: config.port,
    host,
    tokens: config.tokens,
    limits: {
      ...limits,
      ackTimeoutMs: Math.min(limits.ackTimeoutMs, longestTimerMs),
      answerTimeoutMs: Math.min(limits.answerTimeoutMs, longestTimerMs),
    },
    onFailure: config.onFailure ?? ((): void => undefined),
  };
}
