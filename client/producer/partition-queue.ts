/**
 * The records for one partition, from their acceptance to the broker's answer: which go into a batch, under which sequence,
 * and what follows from each answer. It does no I/O.
 *
 * I1  One batch is under way at a time. It is sent again as the same bytes until the broker has answered for it, so a
 *     repetition has the sequence by which the broker recognises it, and nothing overtakes it. A batch that may be written
 *     is never divided, for a repetition that a broker refuses does not say what became of the batch before.
 * I2  The sequence moves on by what was written and nothing else. When it is not known whether a batch was written that is
 *     given up, this partition goes on under another producer id: a sequence that the broker already has would be
 *     acknowledged and lost.
 * I3  Every record is settled exactly once: acknowledged or rejected.
 * I4  A record that the broker refuses takes no other with it, and the others keep their order.
 * I5  A record that may be in the topic is rejected with `unknown-outcome` and with nothing else, whatever the reason.
 */
import { ClientError, type ClientErrorCode } from '../client-error.ts';
import { GrowingPause } from './growing-pause.ts';
import { type Answer, answerOf, errorName } from './kafka-answer.ts';
import {
  type BatchRecord,
  type Compression,
  encodeBatch,
  type ProducerIdentity,
  sequenceAfter,
} from './record-batch.ts';
import type { ProduceResult } from './requests.ts';

/** Where a record came to lie. */
export interface Acknowledgement {
  readonly partition: number;
  readonly offset: number;
}

/** A record on its way. */
export interface QueuedRecord extends BatchRecord {
  /** An upper bound of its bytes in a batch. */
  readonly bytes: number;
  /** In milliseconds of a clock that does not go back. */
  readonly queuedAtMs: number;
  readonly acknowledge: (where: Acknowledgement) => void;
  readonly reject: (error: ClientError) => void;
}

export interface QueueLimits {
  readonly lingerMs: number;
  readonly maxBatchBytes: number;
  readonly deliveryTimeoutMs: number;
  /** After a failure; doubled at each further one up to `longestPauseMs`. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  readonly compression: Compression;
}

interface Batch {
  readonly records: readonly QueuedRecord[];
  /** Of the attempt before, if there was one: the same bytes go out again. */
  bytes: Buffer | undefined;
  /** A request with it may have reached a broker, which did not say that it was not written. */
  maybeWritten: boolean;
}

export class PartitionQueue {
  readonly topic: string;
  readonly partition: number;
  readonly #limits: QueueLimits;
  #waiting: QueuedRecord[] = [];
  #taken = 0;
  #waitingBytes = 0;
  #batch: Batch | undefined;
  #inFlight = false;
  #producer: ProducerIdentity | undefined;
  #burnt: bigint | undefined;
  #sequence = 0;
  readonly #pauses: GrowingPause;
  #notBeforeMs = 0;
  /** No batch may have more records than this: halved where a batch was too large. */
  #maxRecords = Infinity;

  constructor(topic: string, partition: number, limits: QueueLimits) {
    this.topic = topic;
    this.partition = partition;
    this.#limits = limits;
    this.#pauses = new GrowingPause(limits);
  }

  get isEmpty(): boolean {
    return this.#batch === undefined && this.#taken === this.#waiting.length;
  }

  get isInFlight(): boolean {
    return this.#inFlight;
  }

  /** The producer id that this partition cannot use any more (I2). */
  get burnt(): bigint | undefined {
    return this.#burnt;
  }

  get needsProducer(): boolean {
    return this.#producer === undefined;
  }

  add(record: QueuedRecord): void {
    this.#waiting.push(record);
    this.#waitingBytes += record.bytes;
  }

  /** When it may be sent next: a time of the records' clock; undefined while it is empty or in flight. */
  readyAtMs(lingers: boolean): number | undefined {
    if (this.isEmpty || this.#inFlight) return undefined;
    const { lingerMs, maxBatchBytes } = this.#limits;
    const waits = this.#batch === undefined && lingers && this.#waitingBytes < maxBatchBytes;
    const lingeredAtMs = waits ? this.#waiting[this.#taken]!.queuedAtMs + lingerMs : 0;
    return Math.max(this.#notBeforeMs, lingeredAtMs);
  }

  /** When the oldest record's time is over; undefined while it is empty, or in flight and so not to be given up now. */
  expiresAtMs(): number | undefined {
    if (this.isEmpty || this.#inFlight) return undefined;
    const oldest = this.#batch?.records[0] ?? this.#waiting[this.#taken]!;
    return oldest.queuedAtMs + this.#limits.deliveryTimeoutMs;
  }

  /** The bytes of the next batch, in flight from now on. `producer` is used if the partition has none of its own yet. */
  async take(producer: ProducerIdentity): Promise<Buffer> {
    this.#inFlight = true;
    this.#producer ??= producer;
    this.#batch ??= { records: this.#nextRecords(), bytes: undefined, maybeWritten: false };
    const batch = this.#batch;
    batch.bytes ??= await encodeBatch(
      batch.records,
      this.#producer,
      this.#sequence,
      this.#limits.compression,
    );
    return batch.bytes;
  }

  /** The request was not answered. @param sent whether it may have reached the broker */
  failed(sent: boolean, nowMs: number): void {
    this.#inFlight = false;
    if (this.#batch === undefined) return;
    if (sent) this.#batch.maybeWritten = true;
    this.#pause(nowMs);
  }

  /** Takes the broker's answer; tells what it meant. */
  answered(result: ProduceResult, nowMs: number): Answer {
    this.#inFlight = false;
    const batch = this.#batch;
    const answer = answerOf(result.errorCode);
    if (batch === undefined) return answer;
    const isFinal = batch.maybeWritten || batch.records.length === 1;
    switch (answer) {
      case 'written':
        this.#acknowledge(batch, result.baseOffset);
        break;
      case 'moved':
      case 'again':
        batch.maybeWritten = true;
        this.#pause(nowMs);
        break;
      case 'not-yet':
        this.#pause(nowMs);
        break;
      case 'unsequenced':
        this.#burn();
        batch.bytes = undefined;
        batch.maybeWritten = false;
        this.#pause(nowMs);
        break;
      case 'too-large':
        if (isFinal) this.#refuse(refusal('too-large', this, result));
        else this.#putBack(batch, Math.ceil(batch.records.length / 2));
        break;
      case 'bad-record':
        if (isFinal) this.#refuse(refusal('refused', this, result));
        else this.#dropBadRecords(batch, result);
        break;
      case 'refused':
        this.#refuse(refusal('refused', this, result));
        break;
    }
    return answer;
  }

  /** Rejects what has waited for too long. Nothing of it is in flight. */
  expire(nowMs: number, why: string): void {
    const { deliveryTimeoutMs } = this.#limits;
    const isOver = (record: QueuedRecord): boolean => record.queuedAtMs + deliveryTimeoutMs <= nowMs;
    if (this.#inFlight) return;
    if (this.#batch !== undefined && isOver(this.#batch.records[0]!))
      this.#giveUp(`within ${deliveryTimeoutMs} ms${why}`);
    while (this.#taken < this.#waiting.length && isOver(this.#waiting[this.#taken]!))
      this.#shift().reject(
        new ClientError('not-delivered', `${this.#name()}: not sent within ${deliveryTimeoutMs} ms${why}`),
      );
  }

  /** Rejects everything, also what is in flight. Returns how many. */
  rejectAll(why: string): number {
    if (this.#batch !== undefined && this.#inFlight) this.#batch.maybeWritten = true;
    this.#inFlight = false;
    let count = this.#batch?.records.length ?? 0;
    if (this.#batch !== undefined) this.#giveUp(why);
    while (this.#taken < this.#waiting.length) {
      this.#shift().reject(new ClientError('not-delivered', `${this.#name()}: not sent ${why}`));
      count += 1;
    }
    return count;
  }

  /** Rejects everything with one reason (I5); nothing of it is in flight. */
  refuseAll(error: ClientError): void {
    if (this.#batch !== undefined) this.#refuse(error);
    while (this.#taken < this.#waiting.length) this.#shift().reject(error);
  }

  #name(): string {
    return `${this.topic}-${this.partition}`;
  }

  #nextRecords(): QueuedRecord[] {
    const records = [this.#shift()];
    let bytes = records[0]!.bytes;
    while (this.#taken < this.#waiting.length && records.length < this.#maxRecords) {
      bytes += this.#waiting[this.#taken]!.bytes;
      if (bytes > this.#limits.maxBatchBytes) break;
      records.push(this.#shift());
    }
    return records;
  }

  #shift(): QueuedRecord {
    const record = this.#waiting[this.#taken++]!;
    this.#waitingBytes -= record.bytes;
    if (this.#taken === this.#waiting.length || this.#taken > 1000) {
      this.#waiting = this.#waiting.slice(this.#taken);
      this.#taken = 0;
    }
    return record;
  }

  #acknowledge(batch: Batch, baseOffset: number): void {
    this.#sequence = sequenceAfter(this.#sequence, batch.records.length);
    this.#batch = undefined;
    this.#pauses.reset();
    this.#notBeforeMs = 0;
    this.#maxRecords = Infinity;
    for (const [i, record] of batch.records.entries())
      record.acknowledge({ partition: this.partition, offset: baseOffset < 0 ? -1 : baseOffset + i });
  }

  /** This batch will not be sent again, for it is refused. */
  #refuse(reason: ClientError): void {
    this.#giveUp(`before this: ${reason.message}`, reason);
  }

  /** This batch will not be sent again. @param reason of a batch that is not in the topic; 'not-delivered' without one */
  #giveUp(when: string, reason?: ClientError): void {
    const batch = this.#batch!;
    const error = batch.maybeWritten
      ? new ClientError(
          'unknown-outcome',
          `${this.#name()}: sent, but not acknowledged ${when}; it may be in the topic`,
          { cause: reason },
        )
      : (reason ?? new ClientError('not-delivered', `${this.#name()}: not sent ${when}`));
    this.#batch = undefined;
    this.#pauses.reset();
    this.#notBeforeMs = 0;
    if (batch.maybeWritten) this.#burn();
    for (const record of batch.records) record.reject(error);
  }

  /** Another producer id from the next batch on (I2). */
  #burn(): void {
    this.#burnt = this.#producer?.id;
    this.#producer = undefined;
    this.#sequence = 0;
  }

  /** The batch was not written: its records wait again, in front, for a batch of at most `maxRecords`. */
  #putBack(batch: Batch, maxRecords: number, without: ReadonlySet<number> = new Set()): void {
    const kept = batch.records.filter((_, i) => !without.has(i));
    this.#batch = undefined;
    this.#maxRecords = maxRecords;
    this.#waiting = [...kept, ...this.#waiting.slice(this.#taken)];
    this.#taken = 0;
    for (const { bytes } of kept) this.#waitingBytes += bytes;
  }

  #dropBadRecords(batch: Batch, result: ProduceResult): void {
    const bad = new Map(result.recordErrors.map(({ index, message }) => [index, message]));
    const { length } = batch.records;
    if (bad.size === 0) this.#putBack(batch, Math.ceil(length / 2));
    else {
      this.#putBack(batch, length, new Set(bad.keys()));
      for (const [index, message] of bad)
        batch.records[index]?.reject(refusal('refused', this, { ...result, message }));
    }
  }

  #pause(nowMs: number): void {
    this.#notBeforeMs = nowMs + this.#pauses.next();
  }
}

function refusal(
  code: ClientErrorCode & ('too-large' | 'refused'),
  { topic, partition }: PartitionQueue,
  { errorCode, message, recordErrors }: ProduceResult,
): ClientError {
  const said = message !== '' ? message : (recordErrors[0]?.message ?? '');
  const words = said === '' ? '' : `: ${said}`;
  return new ClientError(
    code,
    `${topic}-${partition}: the broker answers ${errorName(errorCode)}${words}` +
      (code === 'too-large' ? "; raise the topic's max.message.bytes or send less in one event" : ''),
  );
}
