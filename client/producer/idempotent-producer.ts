/**
 * Writes records idempotently: each once and in order within its partition, whatever brokers and connections do.
 *
 * Everything is decided in `#pump`, which runs when a record came, a request ended or a time was reached: what has waited
 * too long is rejected, and every leader that is not busy gets one request with the batches that are due.
 *
 * I1  One request is under way for each broker, one batch for each partition (partition-queue.ts says what follows from answers).
 * I2  What cannot be delivered is tried again until `deliveryTimeoutMs`; then it is rejected, never dropped.
 * I3  Records of one topic are queued in the order of `send`.
 */
import { kafkaFailure } from '#engine/kafka/connection-failure.ts';
import { partitionOf } from '#engine/log/murmur2.ts';
import { ClientError } from '../client-error.ts';
import type { Connect } from './broker-connection.ts';
import { answerOf, errorName } from './kafka-answer.ts';
import { PartitionQueue, type QueuedRecord, type QueueLimits } from './partition-queue.ts';
import type { ProducerIdentity } from './record-batch.ts';
import { initProducerIdCall, produceCall } from './requests.ts';
import { TopicDirectory } from './topic-directory.ts';

export interface ProducerConfig extends QueueLimits {
  readonly connect: Connect;
  /** How long a leader waits for the replicas that are in sync. Less than the connections' request time-out. */
  readonly replicaTimeoutMs: number;
  /** Of one request with the batches of several partitions. */
  readonly maxRequestBytes: number;
  /** How often the leaders are looked up when nothing fails; partitions that were added are found by it. */
  readonly metadataAgeMs: number;
  /** Hears what keeps records from being delivered for now. It must not throw. */
  readonly onTrouble: (error: ClientError) => void;
}

/** What keeps records from being delivered, and since when. */
export interface Trouble {
  readonly error: ClientError;
  readonly sinceMs: number;
}

/** Records of a topic whose partitions are not known yet. */
type Unplaced = QueuedRecord[];

const nowMs = (): number => performance.now();

export class IdempotentProducer {
  readonly #config: ProducerConfig;
  readonly #directory: TopicDirectory;
  readonly #queues = new Map<string, readonly PartitionQueue[]>();
  readonly #active = new Set<PartitionQueue>();
  readonly #unplaced = new Map<string, Unplaced>();
  readonly #busy = new Set<number>();
  #identity: ProducerIdentity | undefined;
  #obtaining = false;
  #refreshing = false;
  #refreshWanted = false;
  #refreshNotBeforeMs = 0;
  #refreshedAtMs = 0;
  #failedLooks = 0;
  #timer: NodeJS.Timeout | undefined;
  #scheduled = false;
  #hurried = 0;
  #closed = false;
  #trouble: Trouble | undefined;

  constructor(config: ProducerConfig) {
    this.#config = config;
    this.#directory = new TopicDirectory(config.connect);
  }

  /** What keeps records from being delivered now; undefined when the newest request succeeded, and when none are waiting. */
  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  /** Connects, if not done yet. @throws ClientError 'kafka-unreachable' or 'refused' */
  async connect(): Promise<void> {
    try {
      await this.#directory.refresh();
      this.#wellAgain();
    } catch (cause) {
      throw explain('no broker answers', cause);
    }
  }

  /** Takes a record; its `acknowledge` or `reject` is called once. */
  send(topic: string, record: QueuedRecord): void {
    if (this.#closed) {
      record.reject(new ClientError('closed', `${topic}: the client was closed`));
      return;
    }
    const queues = this.#queues.get(topic);
    if (queues === undefined) {
      const unplaced = this.#unplaced.get(topic);
      if (unplaced === undefined) {
        this.#unplaced.set(topic, [record]);
        this.#directory.add(topic);
        this.#refreshWanted = true;
      } else unplaced.push(record);
    } else this.#place(queues, record);
    this.#schedule();
  }

  /** Until the returned function is called, nothing lingers. */
  hurry(): () => void {
    this.#hurried += 1;
    this.#schedule();
    let isOver = false;
    return () => {
      if (!isOver) this.#hurried -= 1;
      isOver = true;
    };
  }

  /** Rejects what is left and ends the connections. */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      clearTimeout(this.#timer);
      for (const queue of this.#active) queue.rejectAll('before the client was closed');
      this.#active.clear();
      for (const [topic, records] of this.#unplaced)
        for (const { reject } of records)
          reject(new ClientError('not-delivered', `${topic}: not sent before the client was closed`));
      this.#unplaced.clear();
    }
    await this.#directory.close();
  }

  #place(queues: readonly PartitionQueue[], record: QueuedRecord): void {
    const partition = record.key === null ? 0 : partitionOf(record.key, queues.length);
    const queue = queues[partition]!;
    queue.add(record);
    this.#active.add(queue);
  }

  /** Once for all that happens in this turn of the event loop. */
  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#closed) return;
    const now = nowMs();
    this.#expire(now);
    this.#refreshIfNeeded(now);
    const byLeader = this.#due(now);
    if (byLeader.size > 0 && this.#needsIdentity([...byLeader.values()].flat())) void this.#obtainIdentity();
    else for (const [leader, queues] of byLeader) void this.#request(leader, queues);
    this.#setTimer(now);
  }

  #expire(now: number): void {
    const why = this.#trouble === undefined ? '' : `: ${this.#trouble.error.message}`;
    for (const queue of this.#active) {
      queue.expire(now, why);
      if (queue.isEmpty && !queue.isInFlight) this.#active.delete(queue);
    }
    const { deliveryTimeoutMs } = this.#config;
    for (const [topic, records] of this.#unplaced) {
      const late = records.findIndex(({ queuedAtMs }) => queuedAtMs + deliveryTimeoutMs > now);
      for (const { reject } of records.splice(0, late < 0 ? records.length : late))
        reject(new ClientError('not-delivered', `${topic}: not sent within ${deliveryTimeoutMs} ms${why}`));
      if (records.length === 0) this.#unplaced.delete(topic);
    }
    if (this.#isIdle) this.#trouble = undefined;
  }

  get #isIdle(): boolean {
    return this.#active.size === 0 && this.#unplaced.size === 0;
  }

  /** Queues with a batch that is due, by leader; those without a leader have it looked up. */
  #due(now: number): Map<number, PartitionQueue[]> {
    const byLeader = new Map<number, PartitionQueue[]>();
    for (const queue of this.#active) {
      const readyAtMs = queue.readyAtMs(this.#hurried === 0);
      if (readyAtMs === undefined || readyAtMs > now) continue;
      const leader = this.#directory.leadersOf(queue.topic)?.[queue.partition] ?? -1;
      if (leader < 0) this.#lookAgain();
      else if (!this.#busy.has(leader)) {
        const others = byLeader.get(leader);
        if (others === undefined) byLeader.set(leader, [queue]);
        else if (others.length * this.#config.maxBatchBytes < this.#config.maxRequestBytes)
          others.push(queue);
      }
    }
    return byLeader;
  }

  #setTimer(now: number): void {
    clearTimeout(this.#timer);
    if (this.#isIdle) return;
    const looks = !this.#refreshing && (this.#unplaced.size > 0 || this.#refreshWanted);
    let atMs = looks ? this.#refreshNotBeforeMs : Infinity;
    for (const [first] of this.#unplaced.values())
      atMs = Math.min(atMs, first!.queuedAtMs + this.#config.deliveryTimeoutMs);
    for (const queue of this.#active) {
      const readyAtMs = queue.readyAtMs(this.#hurried === 0) ?? Infinity;
      // What is due already waits for a leader or an id, whose coming calls `#pump`.
      if (readyAtMs > now) atMs = Math.min(atMs, readyAtMs);
      atMs = Math.min(atMs, queue.expiresAtMs() ?? Infinity);
    }
    if (atMs === Infinity) return;
    this.#timer = setTimeout(
      () => {
        this.#pump();
      },
      Math.min(Math.max(1, Math.ceil(atMs - now)), 60_000),
    );
  }

  #needsIdentity(queues: readonly PartitionQueue[]): boolean {
    const { id } = this.#identity ?? {};
    return queues.some((queue) => queue.needsProducer && (id === undefined || queue.burnt === id));
  }

  async #obtainIdentity(): Promise<void> {
    if (this.#obtaining) return;
    this.#obtaining = true;
    try {
      const { errorCode, id, epoch } = await this.#directory.callAny(initProducerIdCall());
      if (errorCode !== 0) {
        const code = answerOf(errorCode) === 'refused' ? 'refused' : 'kafka-unreachable';
        throw new ClientError(code, `no producer id: the broker answers ${errorName(errorCode)}`);
      }
      this.#identity = { id, epoch };
    } catch (cause) {
      const error = explain('no producer id', cause);
      this.#report(error);
      if (error.code === 'refused') this.#refuseAll(error);
      await pause(this.#config.firstPauseMs);
    } finally {
      this.#obtaining = false;
      this.#schedule();
    }
  }

  async #request(leader: number, queues: readonly PartitionQueue[]): Promise<void> {
    this.#busy.add(leader);
    let sent = false;
    try {
      // To the end of the line: what did not fit into this request goes first into the next.
      for (const queue of queues) if (this.#active.delete(queue)) this.#active.add(queue);
      const batches = await Promise.all(
        queues.map(async (queue) => ({
          topic: queue.topic,
          partition: queue.partition,
          bytes: await queue.take(this.#identity!),
        })),
      );
      if (this.#closed) return;
      const call = produceCall(batches, this.#config.replicaTimeoutMs);
      const results = await this.#directory.call(leader, call, () => {
        sent = true;
      });
      this.#wellAgain();
      const now = nowMs();
      for (const queue of queues) {
        const result = results.find((r) => r.topic === queue.topic && r.partition === queue.partition);
        if (result === undefined) queue.failed(true, now);
        else this.#took(queue, queue.answered(result, now), result.errorCode);
      }
    } catch (cause) {
      for (const queue of queues) queue.failed(sent, nowMs());
      this.#report(explain(`broker ${leader}`, cause));
      this.#lookAgain();
    } finally {
      this.#busy.delete(leader);
      this.#schedule();
    }
  }

  #took(queue: PartitionQueue, answer: ReturnType<PartitionQueue['answered']>, errorCode: number): void {
    if (answer === 'moved') this.#lookAgain();
    if (answer === 'again' || answer === 'moved')
      this.#report(
        new ClientError(
          'kafka-unreachable',
          `${queue.topic}-${queue.partition}: the broker answers ${errorName(errorCode)}`,
        ),
      );
  }

  #lookAgain(): void {
    this.#refreshWanted = true;
  }

  #refreshIfNeeded(now: number): void {
    const isOld = now - this.#refreshedAtMs > this.#config.metadataAgeMs;
    if (this.#isIdle || this.#refreshing || now < this.#refreshNotBeforeMs || !(this.#refreshWanted || isOld))
      return;
    void this.#refresh();
  }

  async #refresh(): Promise<void> {
    const { firstPauseMs, longestPauseMs } = this.#config;
    this.#refreshing = true;
    this.#refreshWanted = false;
    try {
      await this.#directory.refresh();
      this.#failedLooks = 0;
      this.#refreshedAtMs = nowMs();
      this.#learn();
    } catch (cause) {
      const error = explain('no broker answers', cause);
      this.#report(error);
      if (error.code === 'refused') this.#refuseAll(error);
      this.#refreshWanted = true;
    } finally {
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** this.#failedLooks);
      this.#failedLooks = Math.min(this.#failedLooks + 1, 16);
      this.#refreshNotBeforeMs = nowMs() + pauseMs;
      this.#refreshing = false;
      this.#schedule();
    }
  }

  /** Takes in what a look at the metadata has shown. */
  #learn(): void {
    for (const [topic, records] of this.#unplaced) {
      const refusal = this.#directory.refusalOf(topic);
      const leaders = this.#directory.leadersOf(topic);
      if (refusal === undefined && leaders === undefined) {
        this.#refreshWanted = true;
        continue;
      }
      this.#unplaced.delete(topic);
      if (refusal !== undefined) for (const { reject } of records) reject(refusal);
      else {
        const queues = this.#queuesFor(topic, leaders!.length);
        for (const record of records) this.#place(queues, record);
      }
    }
    for (const [topic, { length }] of this.#queues) {
      const count = this.#directory.leadersOf(topic)?.length ?? 0;
      if (count > length) this.#queuesFor(topic, count);
    }
    for (const queue of this.#active) {
      const refusal = this.#directory.refusalOf(queue.topic);
      if (refusal !== undefined && !queue.isInFlight) queue.refuseAll(refusal);
    }
  }

  /** Grown, never made anew: a queue knows the sequence that the brokers expect. */
  #queuesFor(topic: string, partitions: number): readonly PartitionQueue[] {
    const known = this.#queues.get(topic) ?? [];
    const queues = Array.from(
      { length: partitions },
      (_, partition) => known[partition] ?? new PartitionQueue(topic, partition, this.#config),
    );
    this.#queues.set(topic, queues);
    return queues;
  }

  #refuseAll(error: ClientError): void {
    for (const records of this.#unplaced.values()) for (const { reject } of records) reject(error);
    this.#unplaced.clear();
    for (const queue of this.#active) if (!queue.isInFlight) queue.refuseAll(error);
  }

  #report(error: ClientError): void {
    if (this.#closed) return;
    this.#trouble = { error, sinceMs: this.#trouble?.sinceMs ?? nowMs() };
    this.#config.onTrouble(error);
  }

  #wellAgain(): void {
    this.#trouble = undefined;
  }
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** What failed, as an error of ours. What is refused (credentials, certificates) will be refused again. */
function explain(what: string, cause: unknown): ClientError {
  if (cause instanceof ClientError) return cause;
  const { code, message } = kafkaFailure(what, cause);
  return new ClientError(code === 'kafka-refused' ? 'refused' : 'kafka-unreachable', message, { cause });
}
