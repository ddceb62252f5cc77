/**
 * The one producer that may write for a task: librdkafka's, with the task's transactional id.
 *
 * A transaction is begun when there is something to commit, and lasts only as long as the commit: readers downstream never
 * wait for a task that thinks, and a producer that is frozen or killed leaves nothing open that others must wait for.
 *
 * I1  `open` returns once the predecessor's transaction is decided and the predecessor is fenced for good.
 * I2  `commit` resolves only when all records and positions are committed, every record of them acknowledged: librdkafka fails
 *     the transaction when a single record was not delivered.
 * I3  When `commit` rejects with `transaction-aborted` nothing of it will ever be visible. With `outcome-unknown` it may have been
 *     committed: only a new producer, whose `open` decides it, can tell. With `fenced` it may have been committed too, and the
 *     task is another's.
 * I4  `close` ends within its time. librdkafka's own disconnect may hang (node-rdkafka #1144); it is then left behind.
 * I5  The connection is not taken down while a call is under way in another thread: node-rdkafka would free what it uses.
 * I6  No call is waited for without end: `sendOffsetsToTransaction` keeps to no time-out when the group's coordinator has gone
 *     (librdkafka #5456, #5511). The outcome is unknown then, and the producer is left behind with the thread that it holds.
 * I7  A producer whose commit was rejected commits nothing more. An abort purges the records that wait to be sent again, and
 *     librdkafka (2.12.0, rd_kafka_toppar_purge_queues) then gives their sequence numbers to those of the next transaction,
 *     without a new epoch. If the broker had taken one of them and only its answer was lost, it would take its successor for a
 *     repetition, acknowledge it and drop it: the next commit would lack a record. A new producer has a new epoch.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '../../engine-error.ts';
import type { NewRecord } from '../../log/log.ts';
import type { Position } from '../../task/task-io.ts';
import { type KafkaConnection, librdkafkaConfig } from '../connection.ts';
import { kafkaFailure } from '../connection-failure.ts';
import { explainConnecting } from '../connection-librdkafka.ts';
import {
  called,
  codes,
  isFencing,
  isRefusal,
  type LibrdkafkaFailure,
  librdkafkaFailure,
  loadLibrdkafka,
  type Producer,
} from './librdkafka.ts';
import type { OffsetsHandle } from './offsets-handle.ts';
import { within } from './within.ts';

/** A record with its partition. */
export type PlacedRecord = Omit<NewRecord, 'partition'> & { readonly partition: number };

export interface Transaction {
  readonly records: readonly PlacedRecord[];
  /** Offsets of the next records to read. */
  readonly positions: readonly Position[];
}

export interface TransactionalProducerConfig {
  readonly connection: KafkaConnection;
  readonly transactionalId: string;
  /** Of the group that the positions are committed for. */
  readonly offsets: OffsetsHandle;
  /** How long brokers leave a transaction open whose producer is silent; 30 s by default. */
  readonly transactionTimeoutMs?: number;
  /** How long a commit is tried before its outcome counts as unknown; 20 s by default. */
  readonly commitTimeoutMs?: number;
  /** What brokers or the connection complain about; nothing is lost by it. */
  readonly onTrouble?: (error: EngineError) => void;
}

/** Each call blocks a thread of libuv's pool meanwhile, so it is made in small portions and repeated. */
const callMs = 1_000;
const retryPauseMs = 100;
/** A call that was given `callMs` and has not come back after so long will not. */
const callLimitMs = 10_000;
/** A connection that is closed has a call that hangs look again (I6), which frees its thread: process.exit waits for that. */
const idleConnectionMs = 20_000;
/**
 * The coordinator answers a commit before it has written the transaction's markers, and refuses the next transaction until then
 * (CONCURRENT_TRANSACTIONS); librdkafka then waits 20 ms. Measured: that was the tail of urgent commits that came right after
 * another one; a wait of its own costs them at most this.
 */
const markersMs = 4;
const connectMs = 10_000;
const queueFullPauseMs = 5;
/**
 * Of a record as it is before it is compressed. The topic decides what is too large; this is just less than the largest request that
 * brokers take (`socket.request.max.bytes`), after which they would cut the connection again and again.
 */
const maxRecordBytes = 100_000_000;
/** What is not acknowledged when a producer is closed belongs to a transaction that nobody will commit. */
const flushMs = 100;

export class TransactionalProducer {
  readonly #producer: Producer;
  readonly #config: Required<TransactionalProducerConfig>;
  #isClosed = false;
  /** I7 */
  #isSpent = false;
  #committedAtMs = -Infinity;
  /** Why brokers refuse this client, when they do. */
  #refusal: EngineError | undefined;
  /** The call that is under way, or was last. */
  #call: Promise<void> = Promise.resolve();

  private constructor(config: TransactionalProducerConfig) {
    this.#config = {
      transactionTimeoutMs: 30_000,
      commitTimeoutMs: 20_000,
      onTrouble: () => undefined,
      ...config,
    };
    const { Producer } = loadLibrdkafka();
    this.#producer = new Producer({
      ...librdkafkaConfig(config.connection),
      'transactional.id': config.transactionalId,
      'transaction.timeout.ms': this.#config.transactionTimeoutMs,
      'socket.timeout.ms': 10_000,
      'linger.ms': 1,
      'retry.backoff.ms': 20,
      'reconnect.backoff.max.ms': 1_000,
      'connections.max.idle.ms': idleConnectionMs,
      'queue.buffering.max.messages': 1_000_000,
      'queue.buffering.max.kbytes': 262_144,
      'compression.codec': 'lz4',
      'message.max.bytes': maxRecordBytes,
    });
    this.#producer.on('event.error', (error) => {
      // The next call says it with its code: most often that a successor has fenced this one, which is no trouble.
      if (librdkafkaFailure(error).code === codes.fatal) return;
      this.#config.onTrouble(this.#hear(error));
    });
  }

  /**
   * Connects, and waits for the predecessor's transaction to end. Goes on trying until `signal` aborts.
   *
   * @throws EngineError `fenced` when a successor was faster, `kafka-refused`, `no-librdkafka`, or `log-closed` on abort
   */
  static async open(
    config: TransactionalProducerConfig,
    signal: AbortSignal,
  ): Promise<TransactionalProducer> {
    for (;;) {
      signal.throwIfAborted();
      const producer = new TransactionalProducer(config);
      try {
        await producer.#connect();
        await producer.#init(signal);
        return producer;
      } catch (error) {
        await producer.close(1_000);
        if (error instanceof EngineError && !error.retryable) throw error;
        if (error instanceof EngineError) producer.#config.onTrouble(error);
        else if (!signal.aborted) throw error;
      }
      await sleep(retryPauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** The predecessor's markers get a moment to be written: see markersMs. */
  async #letMarkersBeWritten(): Promise<void> {
    const leftMs = this.#committedAtMs + markersMs - performance.now();
    if (leftMs > 0) await sleep(leftMs);
  }

  /** @throws EngineError `transaction-aborted`, `record-too-large`, `outcome-unknown`, `fenced` or `kafka-refused`: see I3, I7 */
  async commit(transaction: Transaction): Promise<void> {
    if (this.#isSpent)
      throw new EngineError(
        'log-closed',
        `${this.#prefix()}a commit of it has failed: open another producer`,
      );
    // Until it has succeeded: a second commit beside this one is an error as well.
    this.#isSpent = true;
    await this.#commit(transaction);
    this.#isSpent = false;
  }

  async #commit({ records, positions }: Transaction): Promise<void> {
    await this.#letMarkersBeWritten();
    const deadlineMs = performance.now() + this.#config.commitTimeoutMs;
    try {
      await this.#called((done) => {
        this.#producer.beginTransaction(done);
      });
      // Without a pause for each: that would be a promise and more for every record.
      for (const record of records)
        if (!this.#produce(record, false)) await this.#produceLater(record, deadlineMs);
      if (positions.length > 0)
        await this.#patiently(deadlineMs, (done) => {
          this.#producer.sendOffsetsToTransaction(
            [...positions],
            this.#config.offsets.consumer,
            callMs,
            done,
          );
        });
    } catch (error) {
      throw await this.#abandon(error);
    }
    try {
      await this.#patiently(deadlineMs, (done) => {
        this.#producer.commitTransaction(callMs, done);
      });
      this.#committedAtMs = performance.now();
    } catch (error) {
      if (error instanceof EngineError) throw error;
      const failure = librdkafkaFailure(error);
      throw failure.requiresAbort ? await this.#abandon(error) : this.#explain(failure);
    }
  }

  /** Ends the connection, at the latest after `timeoutMs`. May be called twice. */
  async close(timeoutMs: number): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const disconnected = this.#call.catch(() => undefined).then(() => this.#disconnect());
    await within(timeoutMs, disconnected);
  }

  /** What librdkafka says beside its calls: why it cannot connect is said here only. */
  #hear(error: unknown): EngineError {
    const failure = kafkaFailure(`transactional id ${this.#config.transactionalId}`, error);
    if (failure.code === 'kafka-refused') this.#refusal = failure;
    return failure;
  }

  #disconnect(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#producer.isConnected()) resolve();
      else {
        // It takes no lock: a poll in the moment in which another thread frees the client would be one of freed memory.
        this.#producer.setPollInterval(0);
        this.#producer.disconnect(flushMs, () => {
          resolve();
        });
      }
    });
  }

  /** @throws what librdkafka says; `log-closed` once this is closed */
  #called(call: (done: (error: unknown) => void) => void): Promise<void> {
    if (this.#isClosed)
      return Promise.reject(new EngineError('log-closed', `${this.#prefix()}the producer is closed`));
    this.#call = called(call);
    return this.#call;
  }

  async #connect(): Promise<void> {
    const connecting = this.#called((done) => {
      this.#producer.connect({ allTopics: false, timeout: connectMs }, done);
    });
    await explainConnecting(this.#producer, `transactional id ${this.#config.transactionalId}`, connecting);
    this.#producer.setPollInterval(1_000);
  }

  async #init(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      try {
        const call = this.#called((done) => {
          this.#producer.initTransactions(callMs, done);
        });
        await this.#limited(call);
        return;
      } catch (error) {
        if (error instanceof EngineError) throw error;
        const failure = librdkafkaFailure(error);
        if (isFencing(failure)) throw this.#explain(failure);
        const heard = this.#hear(error);
        if (failure.isFatal || !failure.isRetriable || this.#refusal !== undefined)
          throw this.#refusal ?? heard;
        this.#config.onTrouble(heard);
        await sleep(retryPauseMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** @returns false when librdkafka's queue is full, unless that is to be thrown as well */
  #produce(record: PlacedRecord, throwsWhenFull: boolean): boolean {
    try {
      const { topic, partition, value, key, timestampMs, headers } = record;
      this.#producer.produce(topic, partition, value, key, timestampMs, undefined, headerList(headers));
      return true;
    } catch (error) {
      const failure = librdkafkaFailure(error);
      if (failure.code === codes.messageTooLarge) throw new TooLarge(record, failure.message);
      if (failure.code !== codes.queueFull || throwsWhenFull) throw error;
      return false;
    }
  }

  async #produceLater(record: PlacedRecord, deadlineMs: number): Promise<void> {
    do await sleep(queueFullPauseMs);
    while (!this.#produce(record, performance.now() > deadlineMs));
  }

  /** Repeats a call while librdkafka says that it may be repeated. Rejects with librdkafka's error. */
  async #patiently(deadlineMs: number, call: (done: (error: unknown) => void) => void): Promise<void> {
    for (;;) {
      try {
        await this.#limited(this.#called(call));
        return;
      } catch (error) {
        if (error instanceof EngineError) throw error;
        const failure = librdkafkaFailure(error);
        if (!failure.isRetriable || failure.requiresAbort || performance.now() > deadlineMs) throw error;
        await sleep(retryPauseMs);
      }
    }
  }

  /** Rejects as the call does, or with `outcome-unknown` when it hangs: I6. */
  async #limited(call: Promise<void>): Promise<void> {
    const over = new AbortController();
    const limit = sleep(callLimitMs, undefined, { signal: over.signal }).then(() => {
      throw new EngineError(
        'outcome-unknown',
        `${this.#prefix()}librdkafka has not come back from a call for ${callLimitMs / 1_000} s; another producer is opened`,
        { retryable: true },
      );
    });
    try {
      await Promise.race([call, limit]);
    } finally {
      over.abort();
      limit.catch(() => undefined);
    }
  }

  /** Aborts the transaction that failed. Returns what to throw. */
  async #abandon(error: unknown): Promise<EngineError> {
    if (error instanceof EngineError) return error;
    const failure = librdkafkaFailure(error);
    if (isFencing(failure) || isRefusal(failure) || failure.isFatal) return this.#explain(failure);
    try {
      await this.#patiently(performance.now() + this.#config.commitTimeoutMs, (done) => {
        this.#producer.abortTransaction(callMs, done);
      });
    } catch (abortError) {
      if (abortError instanceof EngineError) return abortError;
      return this.#explain(librdkafkaFailure(abortError));
    }
    // Said by the brokers or the topic, whose limits may be below the client's.
    const isTooLarge = error instanceof TooLarge || failure.code === codes.messageTooLarge;
    if (isTooLarge)
      return new EngineError('record-too-large', this.#prefix() + failure.message, { cause: error });
    return new EngineError('transaction-aborted', this.#say(failure), { cause: error, retryable: true });
  }

  #explain(failure: LibrdkafkaFailure): EngineError {
    if (isFencing(failure)) return new EngineError('fenced', this.#say(failure));
    if (isRefusal(failure)) return new EngineError('kafka-refused', this.#say(failure));
    return new EngineError('outcome-unknown', this.#say(failure), { retryable: true });
  }

  #say({ message, code }: LibrdkafkaFailure): string {
    return `${this.#prefix()}${message} (${code})`;
  }

  #prefix(): string {
    return `transactional id ${this.#config.transactionalId}: `;
  }
}

/** A record that the brokers would never take. */
class TooLarge extends Error {
  constructor({ topic, partition, key, value }: PlacedRecord, reason: string) {
    const bytes = (key?.length ?? 0) + (value?.length ?? 0);
    super(`a record of ${bytes} bytes for ${topic}/${partition} (key '${key?.toString() ?? ''}'): ${reason}`);
  }
}

/** node-rdkafka takes header values as text only. */
function headerList(headers: NewRecord['headers']): Record<string, string>[] | undefined {
  let list: Record<string, string>[] | undefined;
  for (const name in headers) (list ??= []).push({ [name]: headers[name] as string });
  return list;
}
