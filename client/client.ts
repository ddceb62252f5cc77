/**
 * Publishes events to Kafka from anywhere: pure JavaScript, typed by the stream.
 *
 * I1  `publish` resolves when all in-sync replicas have the event, and rejects with the reason otherwise: nothing is lost in
 *     silence. While the buffer is full it waits, or rejects where `whenFull` says so.
 * I2  Each event is in its topic once, in the order of `publish` within its key, whatever connections and brokers do
 *     (producer/partition-queue.ts). Only after 'unknown-outcome' can a second `publish` of the same event double it.
 * I3  The partition is murmur2 of the key, as in Kafka's Java client.
 * I4  The schema of an event is on `weir.schemas` before the event is in its topic.
 * I5  What is buffered is bounded by `maxBufferedBytes` and `maxBufferedRecords`.
 */
import { randomUUID } from 'node:crypto';
import { fingerprintHex } from '#engine/codec/fingerprint.ts';
import { announcementOf, WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { kafkajsConfig } from '#engine/kafka/connection.ts';
import { systemClock } from '#engine/log/clock.ts';
import type { PublishOptions, Publisher } from '#engine/log/publisher.ts';
import { schemas } from '#engine/records/generated.ts';
import type { Stream } from '#engine/topology/stream.ts';
import { type ClientConfig, type ResolvedConfig, resolveConfig, type WhenFull } from './client-config.ts';
import { ClientError } from './client-error.ts';
import { flushOnExit, ProcessHold } from './exit-flush.ts';
import { Outstanding } from './outstanding.ts';
import { connector } from './producer/broker-connection.ts';
import { IdempotentProducer, type Trouble } from './producer/idempotent-producer.ts';
import { type BatchRecord, batchBytesOf } from './producer/record-batch.ts';
import { requirePublishOptions, requireStream, timeoutProblem } from './publish-arguments.ts';
import { Room } from './room.ts';
import { SchemaGate } from './schema-gate.ts';
import { type StreamEncoder, streamEncoder } from './stream-encoder.ts';
import { callAfter } from './timer.ts';

export interface ClientPublishOptions extends PublishOptions {
  /** Instead of the client's. */
  readonly whenFull?: WhenFull;
}

/** Counts since the start. */
export interface ClientStats {
  readonly acknowledged: number;
  readonly rejected: number;
  /** Not settled yet. */
  readonly buffered: number;
  readonly bufferedBytes: number;
  /** In `publish`, without room. */
  readonly waiting: number;
}

export interface Client extends Publisher {
  /** @throws ClientError; `code` and `retryable` say what to do */
  publish<T>(stream: Stream<T>, event: T, options?: ClientPublishOptions): Promise<void>;
  /**
   * Announces a stream's schema on `weir.schemas`, for writers that are not this client: `confluentId` is the id that a schema
   * registry gave it, by which their events are then read. Publishing announces by itself.
   * @throws ClientError
   */
  announce(stream: Stream<unknown>, confluentId?: number): Promise<void>;
  /** Connects now instead of at the first event. @throws ClientError 'kafka-unreachable' or 'refused' */
  connect(): Promise<void>;
  /**
   * Resolves when all that was published before is settled: acknowledged, or its `publish` rejected.
   * @throws ClientError 'flush-timeout' after `timeoutMs`, 30 s by default; Infinity is none
   */
  flush(timeoutMs?: number): Promise<void>;
  /**
   * Takes no more, flushes, ends the connections. May be called twice.
   * @throws ClientError 'flush-timeout' when something was left after `timeoutMs`, 30 s by default; its `publish` has rejected
   */
  close(timeoutMs?: number): Promise<void>;
  stats(): ClientStats;
  /**
   * What keeps events from being delivered, and since when (`performance.now()`); undefined again when one was written or, with
   * none waiting, when a broker answers and has leaders.
   */
  readonly trouble: Trouble | undefined;
}

const defaultFlushMs = 30_000;
const noOptions: ClientPublishOptions = {};
/** An answer must be in before the request is given up. */
const replicaShare = 2 / 3;

/** A client that connects at its first event. @throws ClientError 'invalid-config' */
export function createClient(config: ClientConfig): Client {
  return new KafkaClient(config);
}

interface Outcome {
  readonly acknowledge: () => void;
  readonly reject: (error: ClientError) => void;
}

interface Route {
  readonly encoder: StreamEncoder<unknown>;
  readonly gate: SchemaGate;
}

class KafkaClient implements Client {
  readonly #config: ResolvedConfig;
  readonly #producer: IdempotentProducer;
  readonly #room: Room;
  readonly #writers = new WriterSchemas();
  readonly #routes = new Map<Stream<unknown>, Route>();
  readonly #gates = new Map<string, SchemaGate>();
  readonly #hold: ProcessHold;
  readonly #unhook: () => void;
  /** Makes ids unique where the caller gives none. */
  readonly #run = randomUUID();
  #ids = 0;
  #acknowledged = 0;
  #rejected = 0;
  readonly #outstanding = new Outstanding();
  #closing: Promise<void> | undefined;

  constructor(config: ClientConfig) {
    this.#config = resolveConfig(config);
    const { requestTimeoutMs, connectTimeoutMs, flushOnExit: flushes } = this.#config;
    this.#room = new Room(this.#config.maxBufferedBytes, this.#config.maxBufferedRecords);
    this.#hold = new ProcessHold(flushes);
    this.#producer = new IdempotentProducer({
      ...this.#config,
      connect: connector({
        kafka: kafkajsConfig(this.#config.connection),
        connectTimeoutMs,
        requestTimeoutMs,
        keepsProcess: !flushes,
      }),
      replicaTimeoutMs: Math.ceil(requestTimeoutMs * replicaShare),
      maxRequestBytes: 8 << 20,
      metadataAgeMs: 300_000,
      firstPauseMs: 50,
      longestPauseMs: 1_000,
    });
    this.#unhook = flushes ? flushOnExit(() => this.flush(this.#config.exitTimeoutMs)) : () => undefined;
  }

  get trouble(): Trouble | undefined {
    return this.#producer.trouble;
  }

  async connect(): Promise<void> {
    const release = this.#hold.take();
    try {
      await this.#producer.connect();
    } finally {
      release();
    }
  }

  publish<T>(stream: Stream<T>, event: T, options: ClientPublishOptions = noOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const route = this.#routeOf(stream);
      if (this.#closing !== undefined) throw this.#closedError(stream.topic);
      if (options !== noOptions) requirePublishOptions(options);
      const id = options.id ?? `${this.#run}-${this.#ids++}`;
      const record = route.encoder.encode(event, id, options.source ?? this.#config.source);
      const bytes = batchBytesOf(record);
      this.#requireSmall(stream.topic, record, bytes);
      const whenFull = options.whenFull ?? this.#config.whenFull;
      const hasRoom = this.#room.tryTake(bytes);
      if (!hasRoom && whenFull === 'reject') throw this.#fullError(stream.topic);
      const outcome = this.#outcome(resolve, reject);
      const go = (): void => {
        this.#send(stream.topic, route.gate, record, bytes, outcome);
      };
      if (hasRoom) go();
      else this.#room.wait(bytes, go, outcome.reject);
    });
  }

  announce(stream: Stream<unknown>, confluentId?: number): Promise<void> {
    return new Promise((resolve, reject) => {
      requireStream('announce', stream);
      if (this.#closing !== undefined) throw this.#closedError(stream.topic);
      const gate = this.#gateOf(streamEncoder(stream, this.#writers, confluentId));
      const leave = this.#outstanding.enter();
      const release = this.#hold.take();
      const settle = (tell: () => void): void => {
        tell();
        leave();
        release();
      };
      gate.enter(
        () => {
          settle(resolve);
        },
        (error) => {
          settle(() => {
            reject(error);
          });
        },
      );
    });
  }

  async flush(timeoutMs = defaultFlushMs): Promise<void> {
    const problem = timeoutProblem('flush', timeoutMs);
    if (problem !== undefined) throw problem;
    const release = this.#hold.take();
    const calm = this.#producer.hurry();
    let undo = (): void => undefined;
    const late = new Promise<never>((_, reject) => {
      undo = callAfter(timeoutMs, () => {
        const { buffered: left, waiting: outside } = this.stats();
        const why = this.trouble === undefined ? '' : `: ${this.trouble.error.message}`;
        reject(
          new ClientError(
            'flush-timeout',
            `${left + outside} events were not acknowledged within ${timeoutMs} ms${why}`,
          ),
        );
      });
    });
    try {
      await Promise.race([this.#outstanding.settled(), late]);
    } finally {
      undo();
      calm();
      release();
    }
  }

  close(timeoutMs = defaultFlushMs): Promise<void> {
    const problem = timeoutProblem('close', timeoutMs);
    if (problem !== undefined) return Promise.reject(problem);
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  stats(): ClientStats {
    const { records: buffered, bytes: bufferedBytes, waiting } = this.#room;
    return { acknowledged: this.#acknowledged, rejected: this.#rejected, buffered, bufferedBytes, waiting };
  }

  async #close(timeoutMs: number): Promise<void> {
    try {
      // What is published in this turn, after `close`, is refused; what was before is flushed.
      await this.flush(timeoutMs);
    } finally {
      this.#unhook();
      this.#room.refuseWaiters(this.#closedError('an event that waited for room'));
      await this.#producer.close();
    }
  }

  /** What settles a publish: counted, and awaited by flushes. */
  #outcome(resolve: () => void, reject: (error: ClientError) => void): Outcome {
    const leave = this.#outstanding.enter();
    const release = this.#hold.take();
    const settle = (): void => {
      leave();
      release();
    };
    return {
      acknowledge: () => {
        this.#acknowledged += 1;
        resolve();
        settle();
      },
      reject: (error) => {
        this.#rejected += 1;
        reject(error);
        settle();
      },
    };
  }

  /** A record that has room: it gives it back when it is settled. */
  #send(topic: string, gate: SchemaGate, record: BatchRecord, bytes: number, outcome: Outcome): void {
    const acknowledge = (): void => {
      outcome.acknowledge();
      this.#room.give(bytes);
    };
    const reject = (error: ClientError): void => {
      outcome.reject(error);
      this.#room.give(bytes);
    };
    const queuedAtMs = performance.now();
    gate.enter(() => {
      this.#producer.send(topic, { ...record, bytes, queuedAtMs, acknowledge, reject });
    }, reject);
  }

  #routeOf<T>(stream: Stream<T>): Route {
    let route = this.#routes.get(stream);
    if (route === undefined) {
      requireStream('publish', stream);
      const encoder = streamEncoder(stream, this.#writers, this.#idOf(stream)) as StreamEncoder<unknown>;
      route = { encoder, gate: this.#gateOf(encoder) };
      this.#routes.set(stream, route);
    }
    return route;
  }

  /** Of the stream's schema in a registry, where events are framed by it. */
  #idOf(stream: Stream<unknown>): number | undefined {
    const { framing } = this.#config;
    // Announcements are what ids are learnt from, so they have none.
    if (framing.kind !== 'confluent' || stream.topic === schemas.topic) return undefined;
    try {
      return framing.idOf(stream);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ClientError('invalid-config', `${stream.topic}: framing.idOf failed: ${why}`, { cause });
    }
  }

  /** One for each schema and id: streams may share them. */
  #gateOf({ codec: { writer }, confluentId }: StreamEncoder<unknown>): SchemaGate {
    const key = `${writer.fingerprint}/${confluentId ?? ''}`;
    let gate = this.#gates.get(key);
    if (gate === undefined) {
      const isAnnounced =
        confluentId === undefined && this.#config.announced.has(fingerprintHex(writer.fingerprint));
      gate = new SchemaGate((done, failed) => {
        const announcement = announcementOf(writer, systemClock.wallMs(), confluentId);
        const encoder = streamEncoder(schemas, this.#writers, undefined);
        const record = encoder.encode(announcement, randomUUID(), this.#config.source);
        this.#producer.send(schemas.topic, {
          ...record,
          bytes: batchBytesOf(record),
          queuedAtMs: performance.now(),
          acknowledge: done,
          reject: (error) => {
            failed(announcementError(writer.name, error));
          },
        });
      }, isAnnounced);
      this.#gates.set(key, gate);
    }
    return gate;
  }

  #requireSmall(topic: string, record: BatchRecord, bytes: number): void {
    const { maxRecordBytes, maxBufferedBytes } = this.#config;
    const name = maxRecordBytes <= maxBufferedBytes ? 'maxRecordBytes' : 'maxBufferedBytes';
    const limit = Math.min(maxRecordBytes, maxBufferedBytes);
    if (bytes <= limit) return;
    throw new ClientError(
      'too-large',
      `${topic}: the event of key '${String(record.key)}' takes ${bytes} bytes, ${name} is ${limit}; send less in one ` +
        `event, or raise it and the topic's max.message.bytes`,
    );
  }

  #fullError(topic: string): ClientError {
    const { maxBufferedBytes, maxBufferedRecords } = this.#config;
    const { buffered, bufferedBytes } = this.stats();
    const why = this.trouble === undefined ? '' : `; ${this.trouble.error.message}`;
    return new ClientError(
      'buffer-full',
      `${topic}: the buffer is full with ${buffered} events of ${bufferedBytes} bytes not acknowledged ` +
        `(maxBufferedRecords ${maxBufferedRecords}, maxBufferedBytes ${maxBufferedBytes})${why}`,
    );
  }

  #closedError(what: string): ClientError {
    return new ClientError('closed', `${what}: the client was closed`);
  }
}

function announcementError(name: string, error: ClientError): ClientError {
  return new ClientError(error.code, `the schema ${name} could not be announced: ${error.message}`, {
    cause: error,
  });
}
