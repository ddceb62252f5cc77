/**
 * Writes records in transactions, with every byte of their headers, over the connections of the client.
 *
 * Why not the producers that are there: node-rdkafka takes header values as text only, so bytes that are not UTF-8 would come
 * back changed; kafkajs's own loses and doubles records when brokers fail (../producer/broker-connection.ts). It is slow, one
 * request at a time, and short: whatever goes wrong ends it, and the next one finds out by `open` what was committed.
 *
 * I1  `open` returns once what an earlier writer of this id left open is decided, down to its markers in the partitions; none
 *     of the earlier ones can write or commit after it: their epoch is old.
 * I2  A transaction is ended as committed only after every broker has acknowledged its records.
 * I3  After a rejection of `commit` the writer is not used again. Codes `refused`, `too-large`, `unknown-topic`: nothing of the
 *     transaction is or will be visible, and trying it again would end alike. `fenced`: another has opened the id. All
 *     others: it may have been committed; open anew, then look.
 * I4  A coordinator that aborts a transaction because it took too long fences its writer, as another that opens the id would: a
 *     writer that is fenced after that time takes itself for late, not for replaced.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PlacedRecord } from '#engine/kafka/driver/transactional-producer.ts';
import { ClientError } from '../client-error.ts';
import type { Connect } from '../producer/broker-connection.ts';
import { answerOf, errorName } from '../producer/kafka-answer.ts';
import { encodeBatch, type ProducerIdentity, sequenceAfter } from '../producer/record-batch.ts';
import {
  type PlacedBatch,
  produceCall,
  type ProduceResult,
  type ProtocolCall,
} from '../producer/requests.ts';
import { TopicDirectory } from '../producer/topic-directory.ts';
import {
  addPartitionsCall,
  endTransactionCall,
  findCoordinatorCall,
  initTransactionsCall,
} from './transaction-requests.ts';

export interface TransactionalWriterConfig {
  readonly connect: Connect;
  readonly transactionalId: string;
  /** How long a coordinator that is busy or moves is asked again; 30 s by default. */
  readonly patienceMs?: number;
  /** Brokers abort a transaction that takes longer; until then readers wait behind it. 30 s by default. */
  readonly transactionTimeoutMs?: number;
  readonly signal: AbortSignal;
}

const replicaTimeoutMs = 10_000;
const pauseMs = 20;

/** COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR: look for it again. */
const moved: ReadonlySet<number> = new Set([14, 15, 16]);
/** CONCURRENT_TRANSACTIONS: the one before is being decided. UNKNOWN_TOPIC_OR_PARTITION: a topic was just made. */
const passing: ReadonlySet<number> = new Set([3, 51]);
/** INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE, INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED. */
const fencing: ReadonlySet<number> = new Set([47, 48, 49, 90]);
/** Of topics, the cluster or the id: TOPIC_, CLUSTER_, TRANSACTIONAL_ID_AUTHORIZATION_FAILED. */
const forbidden: ReadonlySet<number> = new Set([29, 31, 53]);

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`;

export class TransactionalWriter {
  readonly #config: TransactionalWriterConfig;
  readonly #directory: TopicDirectory;
  readonly #transactionTimeoutMs: number;
  readonly #sequences = new Map<string, number>();
  #coordinator: number | undefined;
  #identity: ProducerIdentity | undefined;
  /** When the transaction that is under way was begun, or a little earlier. */
  #beganAtMs = Infinity;

  private constructor(config: TransactionalWriterConfig) {
    this.#config = config;
    this.#transactionTimeoutMs = config.transactionTimeoutMs ?? 30_000;
    this.#directory = new TopicDirectory(config.connect);
  }

  /** @throws ClientError `kafka-unreachable`, `refused`; what `signal` was aborted with */
  static async open(config: TransactionalWriterConfig): Promise<TransactionalWriter> {
    const writer = new TransactionalWriter(config);
    try {
      await writer.#directory.refresh();
      const { transactionalId } = config;
      const { id, epoch } = await writer.#coordinated(
        () => initTransactionsCall(transactionalId, writer.#transactionTimeoutMs),
        ({ errorCode }) => errorCode,
      );
      writer.#identity = { id, epoch };
      return writer;
    } catch (error) {
      await writer.close();
      throw writer.#explain(error);
    }
  }

  /** Writes all of them, or none that a read_committed reader will see. See I3 for what it throws. */
  async commit(records: readonly PlacedRecord[]): Promise<void> {
    const { transactionalId } = this.#config;
    const identity = this.#identity!;
    try {
      await this.#lookUp(records);
      const batches = await this.#batchesOf(records, identity);
      this.#beganAtMs = performance.now();
      await this.#coordinated(
        () => addPartitionsCall(transactionalId, identity, batches),
        (code) => code,
      );
      for (const [leader, led] of this.#byLeader(batches)) await this.#produce(leader, led);
      await this.#coordinated(
        () => endTransactionCall(transactionalId, identity, true),
        (code) => code,
      );
    } catch (error) {
      throw this.#explain(error);
    }
  }

  async close(): Promise<void> {
    await this.#directory.close();
  }

  async #lookUp(records: readonly PlacedRecord[]): Promise<void> {
    const topics = new Set(records.map(({ topic }) => topic));
    const unknown = [...topics].filter((topic) => this.#directory.leadersOf(topic) === undefined);
    for (const topic of unknown) this.#directory.add(topic);
    if (unknown.length > 0) await this.#directory.refresh();
    for (const { topic, partition } of records) {
      const refusal = this.#directory.refusalOf(topic);
      if (refusal !== undefined) throw refusal;
      const leaders = this.#directory.leadersOf(topic);
      if (leaders !== undefined && partition >= leaders.length)
        throw new ClientError(
          'unknown-topic',
          `topic ${topic} has ${leaders.length} partitions, none with the number ${partition}`,
        );
      if ((leaders?.[partition] ?? -1) < 0)
        throw new ClientError('not-delivered', `${keyOf(topic, partition)}: it has no leader now`);
    }
  }

  async #batchesOf(records: readonly PlacedRecord[], identity: ProducerIdentity): Promise<PlacedBatch[]> {
    const groups = grouped(records, ({ topic, partition }) => keyOf(topic, partition));
    const batches: PlacedBatch[] = [];
    for (const [key, group] of groups) {
      const sequence = this.#sequences.get(key) ?? 0;
      const { topic, partition } = group[0]!;
      batches.push({
        topic,
        partition,
        bytes: await encodeBatch(group, identity, sequence, 'none', true),
      });
      this.#sequences.set(key, sequenceAfter(sequence, group.length));
    }
    return batches;
  }

  #byLeader(batches: readonly PlacedBatch[]): ReadonlyMap<number, readonly PlacedBatch[]> {
    return grouped(batches, ({ topic, partition }) => this.#directory.leadersOf(topic)![partition]!);
  }

  async #produce(leader: number, batches: readonly PlacedBatch[]): Promise<void> {
    const call = produceCall(batches, replicaTimeoutMs, this.#config.transactionalId);
    const results = await this.#directory.call(leader, call, () => undefined);
    // A reason that stays says more than one that passes.
    const failed = results.filter(({ errorCode }) => errorCode !== 0).map((result) => this.#failure(result));
    if (failed.length > 0) throw failed.find(({ retryable }) => !retryable) ?? failed[0]!;
  }

  #failure({ topic, partition, errorCode, message }: ProduceResult): ClientError {
    const what = `${keyOf(topic, partition)}: the broker answers ${errorName(errorCode)}`;
    const said = message === '' ? what : `${what}: ${message}`;
    if (fencing.has(errorCode)) return this.#fenced(errorCode);
    const answer = answerOf(errorCode);
    if (answer === 'too-large')
      return new ClientError('too-large', `${said}; raise the topic's max.message.bytes`);
    if (answer === 'refused' || answer === 'bad-record') return new ClientError('refused', said);
    return new ClientError('not-delivered', said);
  }

  #fenced(errorCode: number): ClientError {
    if (performance.now() - this.#beganAtMs >= this.#transactionTimeoutMs)
      return new ClientError(
        'unknown-outcome',
        `transactional id ${this.#config.transactionalId}: the transaction took longer than ${this.#transactionTimeoutMs} ms, and ` +
          `its coordinator has aborted it (error ${errorCode})`,
      );
    return new ClientError(
      'fenced',
      `transactional id ${this.#config.transactionalId}: another process has taken it over (error ${errorCode}); ` +
        'let that one end, then start again: what is done is not done twice',
    );
  }

  /** Asks the coordinator until its answer is no passing one. */
  async #coordinated<T>(call: () => ProtocolCall<T>, codeOf: (answer: T) => number): Promise<T> {
    const { signal, patienceMs = 30_000 } = this.#config;
    const giveUpAtMs = performance.now() + patienceMs;
    for (;;) {
      signal.throwIfAborted();
      const code = await this.#findCoordinator();
      const answer =
        code === 0 ? await this.#directory.call(this.#coordinator!, call(), () => undefined) : undefined;
      const errorCode = answer === undefined ? code : codeOf(answer);
      if (answer !== undefined && errorCode === 0) return answer;
      if (moved.has(errorCode)) this.#coordinator = undefined;
      else if (!passing.has(errorCode)) throw this.#coordinatorFailure(errorCode);
      if (performance.now() > giveUpAtMs) throw this.#coordinatorFailure(errorCode);
      await sleep(pauseMs, undefined, { signal });
    }
  }

  #coordinatorFailure(errorCode: number): ClientError {
    const { transactionalId } = this.#config;
    if (fencing.has(errorCode)) return this.#fenced(errorCode);
    const said = `transactional id ${transactionalId}: its coordinator answers ${errorName(errorCode)}`;
    return forbidden.has(errorCode)
      ? new ClientError('refused', `${said}: grant writing with kafka-acls`)
      : new ClientError('unknown-outcome', said);
  }

  /** 0, or why there is none now. */
  async #findCoordinator(): Promise<number> {
    if (this.#coordinator !== undefined) return 0;
    const found = await this.#directory.callAny(findCoordinatorCall(this.#config.transactionalId));
    if (found.errorCode === 0) this.#coordinator = found.nodeId;
    return found.errorCode;
  }

  /** What is no ClientError yet is a connection's. */
  #explain(error: unknown): unknown {
    const { signal, transactionalId } = this.#config;
    if (error instanceof ClientError || signal.aborted) return error;
    const why = error instanceof Error ? error.message : String(error);
    return new ClientError('unknown-outcome', `transactional id ${transactionalId}: ${why}`, {
      cause: error,
    });
  }
}

/** The items by key, in the order of their first. */
function grouped<T, K>(items: readonly T[], keyOfItem: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOfItem(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
