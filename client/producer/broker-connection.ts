/**
 * Connections for writing, over kafkajs's sockets, TLS and SASL (pinned at 2.2.4, no longer developed); nothing else of its
 * producer is used. engine/kafka/reader/kafkajs-cluster.ts is the other place that reaches into kafkajs.
 *
 * Why not `kafka.producer({ idempotent: true })`: measured with 2.2.4 on Kafka 4.3, a send of which one partition's batch is
 * refused takes back the sequences of all; the next batch to a partition that was written is then taken for a
 * repetition, acknowledged, and lost. With two brokers, a failure of one makes it send the other's batch a second time
 * under new sequences, and so doubles it (sendMessages.js: the retry does not wait for requests under way).
 *
 * I1  A connection that failed is never used again: its sockets are destroyed, for a peer that froze may never close them.
 */
import { createRequire } from 'node:module';
import { type ISocketFactory, type KafkaConfig, logLevel } from 'kafkajs';
import '#engine/kafka/kafkajs-idle.ts';
import { ClientError } from '../client-error.ts';
import type { ProtocolCall } from './requests.ts';

/** Part of kafkajs's `Broker`. */
interface KafkajsBroker {
  readonly versions: Readonly<Record<string, { readonly minVersion: number; readonly maxVersion: number }>>;
  readonly connectionPool: {
    readonly host: string;
    readonly port: number;
    send(request: object): Promise<unknown>;
  };
  connect(): Promise<void>;
}

interface KafkajsEncoder {
  writeBufferInternal(bytes: Buffer): void;
}

const require = createRequire(import.meta.url);
const Broker = require('kafkajs/src/broker') as new (options: object) => KafkajsBroker;
const Encoder = require('kafkajs/src/protocol/encoder') as new (bytes?: number) => KafkajsEncoder;
const poolBuilder = require('kafkajs/src/cluster/connectionPoolBuilder') as (options: object) => {
  build(address?: { readonly host: string; readonly port: number }): Promise<object>;
};
const loggers = require('kafkajs/src/loggers') as { createLogger(options: object): unknown };
const consoleLogger: unknown = require('kafkajs/src/loggers/console');
const socketFactory = require('kafkajs/src/network/socketFactory') as () => ISocketFactory;

/** A connection to one broker. */
export interface BrokerConnection {
  /** `host:port` */
  readonly address: string;
  /** Sends a request and resolves to its answer. After a rejection the request may have been carried out or not. */
  call<T>(call: ProtocolCall<T>): Promise<T>;
  /** Ends it at once; calls under way reject. */
  destroy(): void;
}

export interface ConnectionOptions {
  /** Brokers, SASL and TLS, as kafkajs takes them. */
  readonly kafka: KafkaConfig;
  readonly connectTimeoutMs: number;
  /** How long an answer may take. */
  readonly requestTimeoutMs: number;
  /** Whether an open connection keeps the process running. */
  readonly keepsProcess: boolean;
}

/** Connects to a broker; without an address to the next one of the configuration. Rejects with kafkajs's error. */
export type Connect = (address?: {
  readonly host: string;
  readonly port: number;
}) => Promise<BrokerConnection>;

function requireVersion(broker: KafkajsBroker, address: string, call: ProtocolCall<unknown>): void {
  const range = broker.versions[String(call.apiKey)];
  if (range !== undefined && range.minVersion <= call.apiVersion && call.apiVersion <= range.maxVersion)
    return;
  throw new ClientError(
    'refused',
    `broker ${address} does not know ${call.name} version ${call.apiVersion}: use Apache Kafka 2.4 or newer`,
  );
}

async function send<T>(broker: KafkajsBroker, call: ProtocolCall<T>): Promise<T> {
  const answer = await broker.connectionPool.send({
    request: {
      apiKey: call.apiKey,
      apiVersion: call.apiVersion,
      apiName: call.name,
      encode: () => {
        const encoder = new Encoder(call.body.length);
        encoder.writeBufferInternal(call.body);
        return Promise.resolve(encoder);
      },
    },
    response: {
      decode: (payload: Buffer) => Promise.resolve({ payload }),
      parse: ({ payload }: { readonly payload: Buffer }) => Promise.resolve(payload),
    },
    logResponseError: false,
  });
  return call.decode(answer as Buffer);
}

type Sockets = Set<ReturnType<ISocketFactory>>;

function destroyAll(sockets: Sockets): void {
  // With an error: kafkajs does not listen for the end of a socket that was destroyed without one.
  for (const socket of sockets) socket.destroy(new Error('the connection was given up'));
}

/** The promise's outcome; after `limitMs` without one the sockets are destroyed and it rejects. */
async function within<T>(limitMs: number, what: string, sockets: Sockets, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`${what} had no answer within ${limitMs} ms`));
      destroyAll(sockets);
    }, limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    // It may reject still, when nobody listens any more.
    work.catch(() => undefined);
  }
}

function connectionOver(
  broker: KafkajsBroker,
  sockets: Sockets,
  { requestTimeoutMs }: ConnectionOptions,
): BrokerConnection {
  const { host, port } = broker.connectionPool;
  const address = `${host}:${port}`;
  return {
    address,
    call: (call) => {
      requireVersion(broker, address, call);
      return within(requestTimeoutMs, `${call.name} to broker ${address}`, sockets, send(broker, call));
    },
    destroy: () => {
      destroyAll(sockets);
    },
  };
}

/** With the broker that was meant: kafkajs names none when there is no connection in time. */
function named(error: unknown, address: string): unknown {
  if (error instanceof Error && error.message === 'Connection timeout')
    error.message = `connecting to ${address} took too long`;
  return error;
}

/** How to connect with these settings. */
export function connector(options: ConnectionOptions): Connect {
  const { kafka, connectTimeoutMs, keepsProcess } = options;
  const openSocket = kafka.socketFactory ?? socketFactory();
  const logger = loggers.createLogger({
    level: kafka.logLevel ?? logLevel.NOTHING,
    logCreator: kafka.logCreator ?? consoleLogger,
  });
  let turn = 0;
  return async (address) => {
    const sockets: Sockets = new Set();
    const seeds = typeof kafka.brokers === 'function' ? await kafka.brokers() : kafka.brokers;
    const meant = address === undefined ? seeds[turn++ % seeds.length]! : `${address.host}:${address.port}`;
    const pool = await poolBuilder({
      ...kafka,
      brokers: [meant],
      logger,
      connectionTimeout: connectTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      // Its check would keep the process running; `within` is ours.
      enforceRequestTimeout: false,
      socketFactory: (parameters: Parameters<ISocketFactory>[0]) => {
        const socket = openSocket(parameters);
        if (!keepsProcess) socket.unref();
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
        return socket;
      },
    }).build(address);
    const broker = new Broker({ connectionPool: pool, logger });
    try {
      await within(2 * connectTimeoutMs, `connecting to ${meant}`, sockets, broker.connect());
    } catch (error) {
      destroyAll(sockets);
      throw named(error, meant);
    }
    return connectionOver(broker, sockets, options);
  };
}
