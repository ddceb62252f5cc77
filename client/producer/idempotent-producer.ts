/**
 * Writes records idempotently: each once and in order within its partition, whatever brokers and connections do.
 *
 * Everything is decided in `#pump`, which runs when a record came, a request ended or a time was reached: what has waited
 * too long is rejected, and every leader that is not busy gets one request with the batches that are due.
 *
 * I1  One request is under way for each broker, one batch for each partition (partition-queue.ts says what follows from answers).
 * I2  What cannot be delivered is tried again until `deliveryTimeoutMs`; then it is rejected, never dropped.
 * I3  Records of one topic are queued in the order of `send`.
 * I4  A partition that waits, for its leader or for a producer id, does not keep the others waiting.
 * I5  Trouble is over when a record was written, or, with none waiting, when a look at the metadata finds leaders: not before.
 */
import { partitionOf } from '#engine/log/murmur2.ts';
import { ClientError } from '../client-error.ts';
import type { Connect } from './broker-connection.ts';
import { explainFailure } from './explain-failure.ts';
import { GrowingPause } from './growing-pause.ts';
import { answerOf, errorName } from './kafka-answer.ts';
import { PartitionQueue, type QueuedRecord, type QueueLimits } from './partition-queue.ts';
import { ProducerIds } from './producer-ids.ts';
import { noLeader, produceCall } from './requests.ts';
import { TopicDirectory } from './topic-directory.ts';
import { TopicDoubts } from './topic-doubts.ts';
import { UnplacedRecords } from './unplaced-records.ts';

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

/** What keeps records from being delivered, and since when: the time after which nothing showed that Kafka is well. */
export interface Trouble {
  readonly error: ClientError;
  readonly sinceMs: number;
  /** Whether nothing at all can be written; else it is some topics, partitions or brokers, and others take records. */
  readonly isGeneral: boolean;
}

const nowMs = (): number => performance.now();

export class IdempotentProducer {
  readonly #config: ProducerConfig;
  readonly #directory: TopicDirectory;
  readonly #queues = new Map<string, readonly PartitionQueue[]>();
  readonly #active = new Set<PartitionQueue>();
  readonly #unplaced = new UnplacedRecords();
  readonly #busy = new Set<number>();
  readonly #ids: ProducerIds;
  #refreshing = false;
  #refreshWanted = false;
  #refreshNotBeforeMs = 0;
  #refreshedAtMs = 0;
  /** Of looks at the metadata that did not show what was waited for. */
  readonly #lookPause: GrowingPause;
  readonly #doubts = new TopicDoubts();
  #timer: NodeJS.Timeout | undefined;
  #scheduled = false;
  #hurried = 0;
  #closed = false;
  #trouble: Trouble | undefined;
  /** The partition without a leader that is the trouble. */
  #leaderless: PartitionQueue | undefined;

  constructor(config: ProducerConfig) {
    this.#config = config;
    this.#directory = new TopicDirectory(config.connect);
    this.#ids = new ProducerIds(this.#directory, config);
    this.#lookPause = new GrowingPause(config);
  }

  /** What keeps records from being delivered now (I5). */
  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  /** Connects, if not done yet. @throws ClientError 'kafka-unreachable' or 'refused' */
  async connect(): Promise<void> {
    try {
      await this.#directory.refresh();
    } catch (cause) {
      throw explainFailure('no broker answers', cause);
    }
  }

  /** Takes a record; its `acknowledge` or `reject` is called once. */
  send(topic: string, record: QueuedRecord): void {
    if (this.#closed) {
      record.reject(new ClientError('closed', `${topic}: the client was closed`));
      return;
    }
    const queues = this.#queues.get(topic);
    if (queues !== undefined) this.#place(queues, record);
    else if (this.#unplaced.add(topic, record)) {
      this.#directory.add(topic);
      this.#lookAgain();
    }
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
      this.#unplaced.rejectAll(
        (topic) => new ClientError('not-delivered', `${topic}: not sent before the client was closed`),
      );
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
    for (const [leader, queues] of this.#due(now)) void this.#request(leader, queues);
    this.#setTimer(now);
  }

  #expire(now: number): void {
    const why = this.#trouble === undefined ? '' : `: ${this.#trouble.error.message}`;
    for (const queue of this.#active) {
      if (!queue.isInFlight && this.#isGone(queue)) queue.refuseAll(goneError(queue));
      queue.expire(now, why);
      if (queue.isEmpty && !queue.isInFlight) this.#active.delete(queue);
    }
    this.#unplaced.expire(now, this.#config.deliveryTimeoutMs, why);
  }

  /** Of a topic that was removed, or made anew with fewer partitions. */
  #isGone(queue: PartitionQueue): boolean {
    return this.#queues.get(queue.topic)?.[queue.partition] !== queue;
  }

  get #isIdle(): boolean {
    return this.#active.size === 0 && this.#unplaced.isEmpty;
  }

  /** Queues with a batch that is due, by leader. Without a leader or an id they have it looked up, and are left out. */
  #due(now: number): Map<number, PartitionQueue[]> {
    const byLeader = new Map<number, PartitionQueue[]>();
    for (const queue of this.#active) {
      const readyAtMs = queue.readyAtMs(this.#hurried === 0);
      if (readyAtMs === undefined || readyAtMs > now) continue;
      const leader = this.#leaderOf(queue);
      if (leader === undefined || leader === noLeader) this.#lookAgain();
      else if (this.#ids.isMissingTo(queue)) void this.#obtainId();
      else if (!this.#busy.has(leader)) {
        const others = byLeader.get(leader);
        if (others === undefined) byLeader.set(leader, [queue]);
        else if (others.length * this.#config.maxBatchBytes < this.#config.maxRequestBytes)
          others.push(queue);
      }
    }
    return byLeader;
  }

  /** `noLeader` where there is none now; undefined where the newest look did not show the partition. */
  #leaderOf({ topic, partition }: PartitionQueue): number | undefined {
    return this.#directory.leadersOf(topic)?.[partition];
  }

  #setTimer(now: number): void {
    clearTimeout(this.#timer);
    let atMs = this.#wantsLook && !this.#refreshing ? this.#refreshNotBeforeMs : Infinity;
    atMs = Math.min(atMs, this.#unplaced.oldestMs() + this.#config.deliveryTimeoutMs);
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
    // Nobody waits for what is asked while there is nothing to deliver.
    if (this.#isIdle) this.#timer.unref();
  }

  async #obtainId(): Promise<void> {
    const asked = await this.#ids.obtain((cause) => {
      const error = explainFailure('no producer id', cause);
      this.#report(error);
      if (error.code === 'refused') this.#refuseAll(error);
    });
    if (asked) this.#schedule();
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
          bytes: await queue.take(this.#ids.current!),
        })),
      );
      if (this.#closed) return;
      const call = produceCall(batches, this.#config.replicaTimeoutMs);
      const results = await this.#directory.call(leader, call, () => {
        sent = true;
      });
      if (results.some(({ errorCode }) => answerOf(errorCode) === 'written')) this.#wellAgain();
      const now = nowMs();
      for (const queue of queues) {
        const result = results.find((r) => r.topic === queue.topic && r.partition === queue.partition);
        if (result === undefined) queue.failed(true, now);
        else this.#took(queue, queue.answered(result, now), result.errorCode);
      }
    } catch (cause) {
      for (const queue of queues) queue.failed(sent, nowMs());
      this.#report(explainFailure(`broker ${leader}`, cause));
      this.#lookAgain();
    } finally {
      this.#busy.delete(leader);
      this.#schedule();
    }
  }

  #took(queue: PartitionQueue, answer: ReturnType<PartitionQueue['answered']>, errorCode: number): void {
    if (answer === 'moved') this.#lookAgain();
    if (answer === 'again' || answer === 'not-yet' || answer === 'moved')
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

  /** While nothing waits, a look can show that trouble is over. */
  get #wantsLook(): boolean {
    return this.#isIdle ? this.#trouble !== undefined : this.#refreshWanted;
  }

  #refreshIfNeeded(now: number): void {
    const isOld = !this.#isIdle && now - this.#refreshedAtMs > this.#config.metadataAgeMs;
    if (this.#refreshing || now < this.#refreshNotBeforeMs || !(this.#wantsLook || isOld)) return;
    void this.#refresh();
  }

  async #refresh(): Promise<void> {
    this.#refreshing = true;
    this.#refreshWanted = false;
    let isVain = true;
    try {
      await this.#directory.refresh();
      this.#refreshedAtMs = nowMs();
      isVain = this.#learn();
    } catch (cause) {
      const error = explainFailure('no broker answers', cause);
      this.#report(error, true);
      if (error.code === 'refused') this.#refuseAll(error);
    } finally {
      this.#refreshWanted ||= isVain;
      this.#refreshNotBeforeMs = nowMs() + this.#lookPause.next();
      if (!isVain) this.#lookPause.reset();
      this.#refreshing = false;
      this.#schedule();
    }
  }

  /** Takes in what a look at the metadata has shown. Returns whether something waits for another one. */
  #learn(): boolean {
    const now = nowMs();
    let isDoubtful = false;
    for (const topic of new Set([...this.#unplaced.topics, ...this.#queues.keys()]))
      if (this.#isDoubtful(topic, now)) isDoubtful = true;
      else this.#learnTopic(topic);
    const obstacle = this.#obstacle();
    // A broker answers: trouble that goes on is some topics' or partitions'.
    if (this.#trouble?.isGeneral === true) this.#trouble = undefined;
    if (obstacle !== undefined) this.#report(obstacle);
    else if (this.#isIdle) this.#wellAgain();
    return isDoubtful || obstacle !== undefined || !this.#unplaced.isEmpty;
  }

  /** Whether a topic is told to be missing, or smaller than it was, and may still not be. */
  #isDoubtful(topic: string, now: number): boolean {
    const count = this.#directory.leadersOf(topic)?.length ?? Infinity;
    const isMissing = this.#directory.refusalOf(topic)?.code === 'unknown-topic';
    const isLess = isMissing || count < (this.#queues.get(topic)?.length ?? 0);
    return this.#doubts.isDoubtful(topic, isLess, now);
  }

  #learnTopic(topic: string): void {
    const refusal = this.#directory.refusalOf(topic);
    const count = this.#directory.leadersOf(topic)?.length;
    if (refusal !== undefined) {
      for (const { reject } of this.#unplaced.take(topic)) reject(refusal);
      for (const queue of this.#active)
        if (queue.topic === topic && !queue.isInFlight) queue.refuseAll(refusal);
      if (refusal.code === 'unknown-topic') this.#keepQueues(topic, 0);
    } else if (count !== undefined) {
      const queues = this.#keepQueues(topic, count);
      for (const record of this.#unplaced.take(topic)) this.#place(queues, record);
    }
  }

  /** Those that stay are never made anew: a queue knows the sequence that the brokers expect. */
  #keepQueues(topic: string, partitions: number): readonly PartitionQueue[] {
    const known = this.#queues.get(topic) ?? [];
    if (known.length === partitions) return known;
    const queues = Array.from(
      { length: partitions },
      (_, partition) => known[partition] ?? new PartitionQueue(topic, partition, this.#config),
    );
    if (partitions > 0) this.#queues.set(topic, queues);
    else this.#queues.delete(topic);
    if (partitions < known.length) this.#ids.forget();
    return queues;
  }

  /** What a look did not show, of that for which something waits. */
  #obstacle(): ClientError | undefined {
    for (const topic of this.#unplaced.topics) {
      const trouble = this.#directory.troubleOf(topic);
      if (trouble !== undefined) return trouble;
    }
    this.#leaderless = [this.#leaderless, ...this.#active].find(
      (queue) => queue !== undefined && !this.#isGone(queue) && this.#leaderOf(queue) === noLeader,
    );
    if (this.#leaderless === undefined) return undefined;
    const { topic, partition } = this.#leaderless;
    return new ClientError('kafka-unreachable', `${topic}-${partition}: it has no leader now`);
  }

  #refuseAll(error: ClientError): void {
    this.#unplaced.rejectAll(() => error);
    for (const queue of this.#active) if (!queue.isInFlight) queue.refuseAll(error);
  }

  #report(error: ClientError, isGeneral = this.#trouble?.isGeneral ?? false): void {
    if (this.#closed) return;
    const isSame = this.#trouble?.isGeneral === isGeneral;
    this.#trouble = { error, sinceMs: isSame ? this.#trouble!.sinceMs : nowMs(), isGeneral };
    this.#config.onTrouble(error);
  }

  #wellAgain(): void {
    this.#trouble = undefined;
    this.#leaderless = undefined;
  }
}

const goneError = ({ topic, partition }: PartitionQueue): ClientError =>
  new ClientError(
    'not-delivered',
    `${topic}-${partition}: the partition is not there any more, the topic was made anew: publish it again`,
  );
