/** What a user sets of a client, and what is taken where nothing is set. */
import type { KafkaConnection } from '#engine/kafka/connection.ts';
import type { Stream } from '#engine/topology/stream.ts';
import type { ClientError } from './client-error.ts';
import { type ClientConnection, connectionChecks, connectionOf } from './connection-options.ts';
import {
  callable,
  type Check,
  type Checks,
  fields,
  flag,
  isFields,
  kindOf,
  numberFrom,
  oneOf,
  requireOptions,
  uriReference,
  wholeFrom,
} from './option-checks.ts';
import type { Compression } from './producer/record-batch.ts';

/** How events begin on the wire (engine/codec/framing.ts). */
export type Framing =
  /** Avro single-object: resolved by the fingerprint of the schema, which is announced on `weir.schemas`. */
  | { readonly kind: 'single-object' }
  /** Confluent's: by the id that a schema registry gave to the stream's schema. It is announced on `weir.schemas` too. */
  | { readonly kind: 'confluent'; readonly idOf: (stream: Stream<unknown>) => number };

/** What `publish` does while the buffer is full. */
export type WhenFull = 'wait' | 'reject';

export interface ClientConfig extends ClientConnection {
  /** `ce_source` of what this client publishes, a URI reference: `/<program>/<host>`. */
  readonly source: string;
  /** Bytes of events that no broker has acknowledged yet, with their headers; 32 MiB by default. */
  readonly maxBufferedBytes?: number;
  /** Number of such events; 100,000 by default. */
  readonly maxBufferedRecords?: number;
  /** `wait` by default: `publish` resolves later, and back-pressure reaches the source. */
  readonly whenFull?: WhenFull;
  /** How long an event waits for others to share a batch with; 5 ms by default. */
  readonly lingerMs?: number;
  /** Of one partition, before compression; 512 KiB by default. A batch is sent once it is full. */
  readonly maxBatchBytes?: number;
  /** Of one event with its headers; 1,000,000 by default, for a topic takes 1,048,588 by default. */
  readonly maxRecordBytes?: number;
  /** `none` by default; both need nothing but Node. */
  readonly compression?: Compression;
  /** How long an event is tried before its `publish` rejects; 120 s by default. */
  readonly deliveryTimeoutMs?: number;
  /** How long a broker's answer may take; 15 s by default. */
  readonly requestTimeoutMs?: number;
  /** How long connecting to a broker may take; 3 s by default. */
  readonly connectTimeoutMs?: number;
  /** `single-object` by default. */
  readonly framing?: Framing;
  /**
   * Fingerprints (16 hexadecimal digits) of schemas that stand on `weir.schemas` for sure and are not announced again; looked at
   * when a stream is first published to. None by default: what is announced twice is compacted away.
   */
  readonly announced?: ReadonlySet<string>;
  /**
   * Deliver everything before the process ends: by itself, or by SIGINT or SIGTERM. Off by default: a program that handles
   * signals closes its client. `process.exit` and a crash cannot be helped.
   */
  readonly flushOnExit?: boolean;
  /** How long the flush on a signal may take; 5 s by default. */
  readonly exitTimeoutMs?: number;
  /** Called with what keeps events from being delivered for now. It must not throw. */
  readonly onTrouble?: (error: ClientError) => void;
}

/** A configuration with nothing left open. */
export interface ResolvedConfig extends Required<Omit<ClientConfig, keyof ClientConnection>> {
  readonly connection: KafkaConnection;
}

/** A timer of Node takes 2^31 - 1, and connecting may take twice its limit. */
const longestAnswerMs = 2 ** 30 - 1;
/** Lengths in Kafka's protocol are int32. */
const mostBytes = 2 ** 31 - 1;

const framing: Check = (value, name) => {
  const kind = isFields(value) ? value['kind'] : undefined;
  const kinds = { kind: oneOf(['single-object', 'confluent'] satisfies Framing['kind'][]) };
  return kind === 'confluent'
    ? fields({ ...kinds, idOf: callable }, ['idOf'])(value, name)
    : fields(kinds, ['kind'])(value, name);
};

/** One that is no fingerprint does no harm: they may come from `weir.schemas`, where others write too. */
const announced: Check = (value, name) =>
  value instanceof Set ? [] : [`${name} must be a Set of fingerprints, not ${kindOf(value)}`];

const checks: Checks<keyof ClientConfig> = {
  ...connectionChecks,
  source: uriReference,
  maxBufferedBytes: wholeFrom(1),
  maxBufferedRecords: wholeFrom(1),
  whenFull: oneOf(['wait', 'reject'] satisfies WhenFull[]),
  lingerMs: numberFrom(0),
  maxBatchBytes: wholeFrom(1, mostBytes),
  maxRecordBytes: wholeFrom(1, mostBytes),
  compression: oneOf(['none', 'gzip'] satisfies Compression[]),
  deliveryTimeoutMs: numberFrom(1),
  requestTimeoutMs: numberFrom(1, longestAnswerMs),
  connectTimeoutMs: numberFrom(1, longestAnswerMs),
  framing,
  announced,
  flushOnExit: flag,
  exitTimeoutMs: numberFrom(1),
  onTrouble: callable,
};

/** @throws ClientError 'invalid-config' with every option that is missing, unknown or wrong */
export function resolveConfig(config: ClientConfig): ResolvedConfig {
  requireOptions('createClient', config, checks, ['brokers', 'source']);
  return {
    connection: connectionOf(config),
    source: config.source,
    maxBufferedBytes: config.maxBufferedBytes ?? 32 << 20,
    maxBufferedRecords: config.maxBufferedRecords ?? 100_000,
    whenFull: config.whenFull ?? 'wait',
    lingerMs: config.lingerMs ?? 5,
    maxBatchBytes: config.maxBatchBytes ?? 512 << 10,
    maxRecordBytes: config.maxRecordBytes ?? 1_000_000,
    compression: config.compression ?? 'none',
    deliveryTimeoutMs: config.deliveryTimeoutMs ?? 120_000,
    requestTimeoutMs: config.requestTimeoutMs ?? 15_000,
    connectTimeoutMs: config.connectTimeoutMs ?? 3_000,
    framing: config.framing ?? { kind: 'single-object' },
    announced: config.announced ?? new Set(),
    flushOnExit: config.flushOnExit ?? false,
    exitTimeoutMs: config.exitTimeoutMs ?? 5_000,
    onTrouble: config.onTrouble ?? ((): void => undefined),
  };
}
