/**
 * One partition as it is read: what was fetched and not taken yet, and how far reading has come.
 *
 * I1  `position` is the offset of the next record to be taken. It moves past control records, aborted and compacted-away
 *     records as soon as everything before them is taken, so that "read to the end" is `position >= lastStableOffset`
 *     and never "the last record was seen".
 * I2  An answer to a fetch that was sent before a seek changes nothing.
 * I3  No more is fetched while more than `maxBufferedBytes` lie here, or while paused: that is the backpressure.
 * I4  An answer is taken also when another reader of the partition asked for it, if this one's offset lies in it.
 * I5  A failure is given to whoever takes, after the records that came before it.
 * I6  One batch at a time is decoded: either a decoded record can be taken, or nothing waits.
 */
import { EngineError } from '../../engine-error.ts';
import type { LogRecord } from '../../log/log.ts';
import type { FetchedPartition } from './fetch-response.ts';
import type { FetchedBatches } from './fetched-batches.ts';
import type { FetchPosition } from './kafkajs-cluster.ts';
import { readRecords, type RecordBatch } from './record-batch.ts';

/** https://kafka.apache.org/protocol#protocol_error_codes: what a newer look at the metadata, or time, may mend. */
const transientErrors: ReadonlySet<number> = new Set([-1, 3, 5, 6, 7, 8, 9, 13, 56, 74, 75, 78, 100]);
const offsetOutOfRange = 1;

/** What a fetch's answer means for the partition. */
export type FetchOutcome = 'progress' | 'nothing' | 'stale-leader' | 'failed' | 'outdated';

export class PartitionReader {
  readonly topic: string;
  readonly partition: number;
  readonly #maxBufferedBytes: number;
  readonly #maxFetchBytes: number;
  readonly #onChange: () => void;
  /** Of the batch that is taken from now. */
  #records: readonly LogRecord[] = [];
  #taken = 0;
  /** Batches behind it. */
  #waiting: readonly RecordBatch[] = [];
  #nextBatch = 0;
  /** Of the batches behind it, as they were fetched. */
  #waitingBytes = 0;
  #waitingRecords = 0;
  #fetchOffset: number;
  #seeks = 0;
  /** Whether the newest answer had nothing from the offset on that it was asked for. */
  #foundNothing = false;
  #paused = false;
  #failure: EngineError | undefined;
  #lastStableOffset: number | undefined;
  #highWatermark: number | undefined;
  #answeredAtMs = -Infinity;
  /** When it was last found that more may be fetched. */
  #wantedAtMs = performance.now();
  readonly #waiters = new Set<() => void>();

  /** @param onChange is called when more may be fetched than before */
  constructor(
    place: { readonly topic: string; readonly partition: number; readonly offset: number },
    limits: { readonly maxBufferedBytes: number; readonly maxFetchBytes: number },
    onChange: () => void,
  ) {
    this.topic = place.topic;
    this.partition = place.partition;
    this.#fetchOffset = place.offset;
    this.#maxBufferedBytes = limits.maxBufferedBytes;
    this.#maxFetchBytes = limits.maxFetchBytes;
    this.#onChange = onChange;
  }

  /** The offset of the next record to be taken (I1). */
  get position(): number {
    return this.#records[this.#taken]?.offset ?? this.#fetchOffset;
  }

  /** As the newest fetch's answer had it; undefined before the first. */
  get lastStableOffset(): number | undefined {
    return this.#lastStableOffset;
  }

  /** As the newest fetch's answer had it; undefined before the first. */
  get highWatermark(): number | undefined {
    return this.#highWatermark;
  }

  /** When the broker answered last, on the clock of `performance.now()`; -Infinity before the first answer. */
  get answeredAtMs(): number {
    return this.#answeredAtMs;
  }

  /** For how long a fetch of it has had no answer, in milliseconds; 0 while nothing is to be fetched. */
  get unansweredMs(): number {
    if (this.wanted() === undefined) return 0;
    return performance.now() - Math.max(this.#answeredAtMs, this.#wantedAtMs);
  }

  /** Whether everything was taken that was committed when the broker answered last. */
  get isAtEnd(): boolean {
    return this.#lastStableOffset !== undefined && this.position >= this.#lastStableOffset;
  }

  /** Records that can be taken now. */
  get available(): number {
    return this.#records.length - this.#taken + this.#waitingRecords;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  /**
   * Up to `maxRecords` records, in order; none when none are here.
   *
   * @throws EngineError `offset-out-of-range`, `partition-refused` or `corrupt-batch` once all before it is taken
   */
  take(maxRecords: number): readonly LogRecord[] {
    if (this.available === 0 && this.#failure !== undefined) throw this.#failure;
    const hadRoom = this.#hasRoom();
    let records = this.#takeDecoded(maxRecords);
    while (records.length < maxRecords && this.#taken < this.#records.length)
      records = [...records, ...this.#takeDecoded(maxRecords - records.length)];
    if (!hadRoom && this.#hasRoom()) this.#want();
    return records;
  }

  /** Of the decoded batch; the next one is decoded once it is empty (I6). */
  #takeDecoded(maxRecords: number): readonly LogRecord[] {
    const end = Math.min(this.#records.length, this.#taken + maxRecords);
    const isAll = this.#taken === 0 && end === this.#records.length;
    const records = isAll ? this.#records : this.#records.slice(this.#taken, end);
    this.#taken = end;
    if (end > 0 && end === this.#records.length) this.#decodeNext(this.#records[end - 1]!.offset + 1);
    return records;
  }

  /** Decodes batches until there is a record to take from `offset` on. */
  #decodeNext(offset: number): void {
    this.#records = [];
    this.#taken = 0;
    while (this.#records.length === 0 && this.#nextBatch < this.#waiting.length) {
      const batch = this.#waiting[this.#nextBatch]!;
      this.#nextBatch += 1;
      this.#waitingBytes -= batch.records.length;
      this.#waitingRecords -= batch.recordCount;
      const decoded: LogRecord[] = [];
      const broken = readRecords(batch, offset, decoded, this.#place());
      if (broken !== undefined) {
        this.#dropWaiting();
        this.#fetchOffset = Math.max(offset, batch.baseOffset);
        this.#failure = broken;
        return;
      }
      this.#records = decoded;
    }
    if (this.#nextBatch === this.#waiting.length) this.#dropWaiting();
  }

  #dropWaiting(): void {
    this.#waiting = [];
    this.#nextBatch = 0;
    this.#waitingBytes = 0;
    this.#waitingRecords = 0;
  }

  /** Go on at `offset`; what was fetched is dropped, and so is a failure. */
  seek(offset: number): void {
    this.#seeks += 1;
    this.#records = [];
    this.#taken = 0;
    this.#dropWaiting();
    this.#fetchOffset = offset;
    this.#failure = undefined;
    this.#lastStableOffset = undefined;
    this.#foundNothing = false;
    this.#want();
  }

  /** Fetch no more; what was fetched can still be taken. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#want();
  }

  /** Resolves when there are records to take or a failure to be thrown, or when `signal` aborts. Never rejects. */
  waitForData(signal: AbortSignal): Promise<void> {
    return this.#when(() => this.available > 0 || this.#failure !== undefined, signal);
  }

  /** As `waitForData`, but resolves also when the position is past `offset`: what came were no records to be taken. */
  waitForProgress(offset: number, signal: AbortSignal): Promise<void> {
    const isPast = (): boolean => this.available > 0 || this.#failure !== undefined || this.position > offset;
    return this.#when(isPast, signal);
  }

  /** As `waitForData`, but resolves also when the broker has said that the position is the end. */
  settled(signal: AbortSignal): Promise<void> {
    return this.#when(() => this.available > 0 || this.#failure !== undefined || this.isAtEnd, signal);
  }

  /** What to fetch next, or undefined when nothing is wanted. With the number of seeks so far, for `accept`. */
  wanted(): { readonly position: FetchPosition; readonly seeks: number } | undefined {
    if (this.#paused || this.#failure !== undefined || !this.#hasRoom()) return undefined;
    const { topic, partition } = this;
    const position = { topic, partition, fetchOffset: this.#fetchOffset, maxBytes: this.#maxFetchBytes };
    return { position, seeks: this.#seeks };
  }

  /** Whether nothing but records that are not taken keeps it from being fetched. */
  get isFull(): boolean {
    return !this.#paused && this.#failure === undefined && !this.#hasRoom();
  }

  /** Whether a fetch would bring something at once, as far as is known. */
  get expectsMore(): boolean {
    if (this.#foundNothing) return false;
    return this.#lastStableOffset === undefined || this.#fetchOffset < this.#lastStableOffset;
  }

  /** Take in an answer, and what it holds, to what `wanted` gave, of this reader or of another of the partition. */
  accept(fetched: FetchedPartition, content: FetchedBatches, seeks: number): FetchOutcome {
    if (seeks !== this.#seeks) return 'outdated';
    const { errorCode } = fetched;
    if (transientErrors.has(errorCode)) return 'stale-leader';
    const { fetchOffset, nextOffset } = content;
    if (this.#fetchOffset < fetchOffset || this.#fetchOffset > nextOffset) return 'outdated';
    if (errorCode !== 0) return this.#fail(this.#refusal(fetched));
    this.#answeredAtMs = performance.now();
    this.#lastStableOffset = fetched.lastStableOffset;
    this.#highWatermark = fetched.highWatermark;
    this.#foundNothing = nextOffset === fetchOffset;
    const before = this.#fetchOffset;
    this.#append(content);
    const failure = this.#failure ?? content.failure;
    if (failure !== undefined) return this.#fail(failure);
    this.#wake();
    return nextOffset > before ? 'progress' : 'nothing';
  }

  /** All readers of a partition may have the same batches: none is ever changed. */
  #append({ nextOffset, batches }: FetchedBatches): void {
    const from = this.#fetchOffset;
    const fresh = batches.filter(({ lastOffset }) => lastOffset >= from);
    this.#fetchOffset = nextOffset;
    if (fresh.length === 0) return;
    this.#waiting = [...this.#waiting.slice(this.#nextBatch), ...fresh];
    this.#nextBatch = 0;
    for (const { records, recordCount } of fresh) {
      this.#waitingBytes += records.length;
      this.#waitingRecords += recordCount;
    }
    if (this.#records.length === 0) this.#decodeNext(from);
  }

  #when(isSo: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!isSo() && !signal.aborted) return;
        this.#waiters.delete(check);
        signal.removeEventListener('abort', check);
        resolve();
      };
      this.#waiters.add(check);
      signal.addEventListener('abort', check);
      check();
    });
  }

  #want(): void {
    this.#wantedAtMs = performance.now();
    this.#onChange();
  }

  #hasRoom(): boolean {
    return this.#waitingBytes < this.#maxBufferedBytes;
  }

  #place(): string {
    return `${this.topic}-${this.partition}`;
  }

  #fail(failure: EngineError): 'failed' {
    this.#failure = failure;
    this.#wake();
    return 'failed';
  }

  #wake(): void {
    for (const check of [...this.#waiters]) check();
  }

  #refusal({ errorCode, logStartOffset, highWatermark }: FetchedPartition): EngineError {
    const at = `${this.#place()} at offset ${this.#fetchOffset}`;
    if (errorCode === offsetOutOfRange) {
      const kept =
        logStartOffset < 0 ? '' : `; it has the offsets from ${logStartOffset} to before ${highWatermark}`;
      return new EngineError(
        'offset-out-of-range',
        `${at} is not in the partition${kept}: retention removed records that were not read, or the topic was ` +
          `made anew`,
      );
    }
    return new EngineError(
      'partition-refused',
      `${at}: the broker refuses the fetch with error code ${errorCode} ` +
        `(https://kafka.apache.org/protocol#protocol_error_codes)`,
    );
  }
}
