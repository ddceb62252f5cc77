/** What a user sets of the ingest endpoint. */
import type { Stream } from '#engine/topology/stream.ts';
import type { Client } from '../client.ts';
import { ClientError } from '../client-error.ts';
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

/** @throws ClientError 'invalid-config' or 'insecure-listen' */
export function resolveIngest(config: IngestConfig): Required<Omit<IngestConfig, 'tokens' | 'limits'>> & {
  readonly tokens: readonly IngestToken[] | undefined;
  readonly limits: Required<IngestLimits>;
} {
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
  const limits = {
    maxBodyBytes: 4 << 20,
    maxRecords: 10_000,
    maxConcurrentRequests: 64,
    ackTimeoutMs: 10_000,
    requestTimeoutMs: 30_000,
    answerTimeoutMs: 10_000,
    troubleAfterMs: 2_000,
    ...config.limits,
  };
  for (const [name, value] of Object.entries(limits))
    if (!(Number.isInteger(value) && value > 0))
      throw new ClientError('invalid-config', `limits.${name} must be a positive whole number, not ${value}`);
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
