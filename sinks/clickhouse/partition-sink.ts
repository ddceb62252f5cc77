/**
 * One partition's way into its table. Every record becomes one row or one dead letter, once.
 *
 * The order of things for a batch [from, to):
 *   1. read, decode, encode; what cannot be a row is set aside;
 *   2. commit offset `from` with the intent (to, encoder version, what is left out);
 *   3. insert the block under the token of the range;
 *   4. move on: the next intent's commit, or a plain one when idle or when there are dead letters to write with it.
 *
 * I1  Nothing is inserted that is not promised, and a promise is replaced only when what it promised is in the table, or
 *     was refused by ClickHouse with none of it in the table.
 * I2  After a crash between 2 and 4 the next owner builds the same batch from the promise and inserts it under the same
 *     token: ClickHouse drops what it already has.
 * I3  A transient failure repeats step 3 with the same bytes and token, as long as it takes.
 * I4  A block refused for its data is halved until the row is found that is refused alone; that row is a dead letter. Each
 *     half is an ordinary batch with an intent of its own, so a crash on the way changes nothing.
 * I5  What is missing although its token is known goes in under a token of its own (repair.ts).
 * I6  A promised batch that is in the table is sent again where views take rows from it, so that their targets have it, too, but only
 *     while its token is surely remembered, at each attempt; else it is told (token-memory.ts).
 * I7  A batch holds at most one chunk more than the limits allow.
 */
import { MissingSchemas } from '#engine/codec/missing-schemas.ts';
import type { LogRecord } from '#engine/log/log.ts';
import { Batch, CHUNK_RECORDS, type BatchLimits } from './batch.ts';
import { SinkError } from './error.ts';
import { formatIntent } from './intent.ts';
import { ENCODER_VERSION } from './native/block-encoder.ts';
import type { InsertOutcome, PartitionLimits, PartitionPorts } from './partition-ports.ts';
import { SCHEMA_POLL_MS, describePromise, restorePromised, type Promised } from './promised-batch.ts';
import { haveAllRows, type Repairing } from './repair.ts';
import type { Doubt } from './token-memory.ts';
import { Waiter } from './waiter.ts';

/** So many single rows refused one after another are no bad rows: the table or a view of it is wrong. */
const MAX_REFUSED_IN_A_ROW = 100;

/** For the schemas of so many records, at most, is waited at the same time. */
const SCHEMAS_AT_ONCE = 5_000;

export class PartitionSink {
  readonly #ports: PartitionPorts;
  readonly #limits: PartitionLimits;
  readonly #waiter: Waiter;
  /** Offset of the next record that is in no finished batch. */
  #position = 0;
  /** Everything before this offset is committed without a promise. */
  #settled = 0;
  #maxRows: number;
  #refusedInARow = 0;
  readonly #missing: MissingSchemas;
  /** Offset of the record that waits for its schema, or waited last. */
  #heldAt = -1;
  #flushTo = -1;
  #flushes: { readonly offset: number; readonly resolve: () => void }[] = [];
  #isRunning = false;
  #isEnding = false;

  constructor(ports: PartitionPorts, limits: PartitionLimits) {
    this.#ports = ports;
    this.#limits = limits;
    this.#maxRows = limits.maxRows;
    this.#waiter = new Waiter(ports.source);
    this.#missing = new MissingSchemas(limits.schemaWaitMs, 2 * SCHEMAS_AT_ONCE);
  }

  get position(): number {
    return this.#position;
  }

  /**
   * Inserts what is there up to `offset` without waiting for a batch to be full or due. Resolves when everything before it
   * is in the table or the dead letters, and committed; never if the partition fails or is stopped before.
   */
  async flushTo(offset: number): Promise<void> {
    if (this.#isRunning && this.#settled >= offset) return;
    this.hurryTo(offset);
    await new Promise<void>((resolve) => this.#flushes.push({ offset, resolve }));
  }

  /** Has everything before `offset` inserted without waiting for a batch to be full or due. */
  hurryTo(offset: number): void {
    this.#flushTo = Math.max(this.#flushTo, offset);
    this.#waiter.wake();
  }

  /**
   * Takes no further batch: `run` keeps what it has promised, commits and resolves. What was read but not promised is left to
   * the next owner.
   */
  end(): void {
    this.#isEnding = true;
    this.#waiter.wake();
  }

  /** Runs until `end`, or until `stop` aborts. Rejects with the SinkError that keeps this partition from going on. */
  async run(stop: AbortSignal): Promise<void> {
    const wake = (): void => {
      this.#waiter.wake();
    };
    stop.addEventListener('abort', wake);
    try {
      await this.#recover(stop);
      this.#isRunning = true;
      this.#settledTo(this.#settled);
      while (!stop.aborted && !this.#isEnding) await this.#step(stop);
      if (!stop.aborted && this.#settled < this.#position) await this.#commitPlain(this.#position, stop);
    } catch (error) {
      if (!(error instanceof SinkError && error.code === 'stopped')) throw error;
    } finally {
      stop.removeEventListener('abort', wake);
    }
  }

  async #step(stop: AbortSignal): Promise<void> {
    const first = await this.#ports.source.read(this.#position, 1);
    // An idle partition holds no encoder: most are idle most of the time.
    if (first.length === 0) {
      await this.#idle(stop);
      return;
    }
    const batch = this.#newBatch(this.#position);
    try {
      await this.#gather(batch, stop);
      if (!batch.isEmpty && !stop.aborted && !this.#isEnding) await this.#settle(batch, stop);
    } finally {
      this.#release(batch);
    }
  }

  /** Fills a batch until it is full, due, or wanted. */
  async #gather(batch: Batch, stop: AbortSignal): Promise<void> {
    const limits = { maxRows: this.#maxRows, maxBytes: this.#limits.maxBytes };
    while (!stop.aborted && !this.#isEnding && !batch.isFull(limits)) {
      const records = await this.#ports.source.read(batch.to, CHUNK_RECORDS);
      if (records.length > 0) {
        if (!(await this.#add(batch, records, limits))) return;
      } else if (batch.isEmpty || this.#isDue(batch) || this.#flushTo > batch.from) return;
      else {
        const dueAtMs = batch.startedAtMs + this.#limits.flushIntervalMs;
        await this.#waiter.waitForData(this.#nextOffset(batch.to), dueAtMs);
      }
      if (!batch.isEmpty && this.#isDue(batch)) return;
    }
  }

  /** Adds records; false when the batch should go as it is. */
  async #add(batch: Batch, records: readonly LogRecord[], limits: BatchLimits): Promise<boolean> {
    if (batch.isEmpty) batch.start(performance.now());
    const nowMs = performance.now();
    // Only what has a frame can lack its schema.
    const isOverdue = ({ value }: LogRecord): boolean => this.#missing.isOverdue(value!, nowMs);
    if (batch.add(records, this.#ports.readRow, limits, isOverdue)) {
      if (!batch.isEmpty) return false;
      await this.#waitForSchemas(batch.to);
      return true;
    }
    await this.#ports.turn(batch.startedAtMs);
    // The columns and the block made of them, rejected records and their letters.
    const bytes = 2 * batch.byteLength;
    if (!this.#ports.resize(batch.heldBytes, bytes)) return false;
    batch.heldBytes = bytes;
    return true;
  }

  /**
   * For a moment. The schemas of all the records at hand are waited for at the same time: bytes that only look like frames, each like
   * another one, hold the partition up once for all of them.
   */
  async #waitForSchemas(offset: number): Promise<void> {
    if (this.#heldAt !== offset) {
      this.#heldAt = offset;
      const nowMs = performance.now();
      for (const { value } of await this.#ports.source.read(offset, SCHEMAS_AT_ONCE))
        if (value !== null && (value[0] === 0x00 || value[0] === 0xc3)) this.#missing.isOverdue(value, nowMs);
    }
    await this.#waiter.pause(SCHEMA_POLL_MS);
  }

  /** Past what is known to be no record. */
  #nextOffset(offset: number): number {
    return this.#ports.source.nextOffset?.(offset) ?? offset;
  }

  /**
   * Nothing to do: leave no promise behind, then wait for records, or for what is none, as of an aborted transaction. A position
   * that stayed before that would seem to lag, and records to be lost once retention has removed what is none.
   */
  async #idle(stop: AbortSignal): Promise<void> {
    this.#position = this.#nextOffset(this.#position);
    if (this.#settled < this.#position) await this.#commitPlain(this.#position, stop);
    if (this.#isEnding) return;
    await this.#waiter.waitForData(this.#position, Infinity);
  }

  #isDue(batch: Batch): boolean {
    return performance.now() - batch.startedAtMs >= this.#limits.flushIntervalMs;
  }

  /** Steps 2 to 4. */
  async #settle(batch: Batch, stop: AbortSignal): Promise<void> {
    if (batch.rows > 0) {
      const excluded = batch.rejected.map((rejected) => rejected.record.offset);
      const memory = await this.#ports.mark(stop);
      await this.#ports.commit(
        batch.from,
        formatIntent(batch.from, {
          to: batch.to,
          encoder: ENCODER_VERSION,
          incarnation: batch.incarnation,
          memory,
          excluded,
        }),
        stop,
      );
      // There may be no idle moment to tell it in.
      this.#tellFlushed(batch.from);
    }
    await this.#keep(batch, stop);
  }

  /** Steps 3 and 4, for a batch that is promised. `memory`: see `InsertOptions`. */
  async #keep(batch: Batch, stop: AbortSignal, memory?: string): Promise<void> {
    if (batch.rows > 0 && !(await this.#insert(batch, stop, memory))) return;
    this.#position = batch.to;
    const { rejected } = batch;
    if (rejected.length === 0) return;
    await this.#ports.finish(batch.to, rejected, stop);
    this.#settledTo(batch.to);
  }

  /** True when every row of the batch is in the table or rejected; false when smaller batches must be tried. */
  async #insert(batch: Batch, stop: AbortSignal, memory?: string): Promise<boolean> {
    const outcome = await this.#ports.insert(batch, stop, memory === undefined ? {} : { memory });
    if (outcome.kind === 'kept-back') {
      if (outcome.judgement.kind === 'unknown') this.#tellOfViews(batch, outcome.judgement);
      return true;
    }
    if (outcome.kind === 'in' && (outcome.isRepeated || batch.isRestored))
      await haveAllRows(batch, this.#repairing(batch), stop);
    if (outcome.kind === 'in') {
      this.#maxRows = Math.min(this.#limits.maxRows, this.#maxRows * 2);
      this.#refusedInARow = 0;
      return true;
    }
    await this.#refuseIfPresent(batch, outcome, stop);
    if (batch.rows > 1) {
      this.#maxRows = Math.floor(batch.rows / 2);
      return false;
    }
    if (outcome.kind !== 'refused')
      throw new SinkError(
        'clickhouse-permanent',
        `${describePromise(this.#promised(batch))}: one row does not fit an insert`,
      );
    this.#refusedInARow += 1;
    if (this.#refusedInARow > MAX_REFUSED_IN_A_ROW) throw outcome.error;
    batch.rejectOnlyRow('clickhouse-data', outcome.error.message);
    return true;
  }

  /**
   * Whether rows of a block that was refused are in the table. ClickHouse (measured with 26.7) keeps a block in the table and then
   * gives it to the views behind it; what one of these refuses is in the table and not in the view's target, and no smaller batch
   * brings it there.
   *
   * @throws SinkError `clickhouse-data` when any is
   */
  async #refuseIfPresent(batch: Batch, outcome: InsertOutcome, stop: AbortSignal): Promise<void> {
    const present = await this.#ports.present(batch.from, batch.to, stop);
    if (present === 0) return;
    const why = outcome.kind === 'refused' ? outcome.error.message : 'the block was refused';
    const isAll = present === batch.rows;
    throw new SinkError(
      'clickhouse-data',
      `${describePromise(this.#promised(batch))}: ${present} of ${batch.rows} rows are in the table although the insert failed: ${why}. ` +
        (isAll
          ? 'Mend the materialized view that refused them and start again, without filling its target by hand: the sink gives it ' +
            'these rows, or tells the statement that does'
          : 'Mend what refused them (often a materialized view) and start again: the batch is then inserted under the same token'),
    );
  }

  /** Keeps the promise of the last owner, if it left one. */
  async #recover(stop: AbortSignal): Promise<void> {
    const { source } = this.#ports;
    const committed = await source.committed();
    this.#position = this.#settled = committed?.offset ?? 0;
    const batch = this.#newBatch(this.#position);
    try {
      const promised = await restorePromised(
        batch,
        committed,
        this.#ports,
        (ms) => this.#waiter.pause(ms),
        this.#limits.schemaWaitMs,
        stop,
      );
      if (promised === undefined) return;
      const isIn = batch.rows > 0 && (await this.#ports.present(batch.from, batch.to, stop)) === batch.rows;
      await this.#keep(batch, stop, isIn ? promised.memory : undefined);
      if (this.#settled < this.#position) await this.#commitPlain(this.#position, stop);
    } finally {
      this.#release(batch);
    }
  }

  #tellOfViews(batch: Batch, { why, fill }: Doubt): void {
    this.#ports.onTrouble(
      new SinkError(
        'views-in-doubt',
        `${describePromise(this.#promised(batch))}: all rows are in the table, but an owner before died or was refused before it heard ` +
          `that the targets of its materialized views have them, and to insert them again could double them: ${why}. Look ` +
          `whether the targets have these rows, and where one lacks them: ${fill.join('; ')}`,
      ),
    );
  }

  async #commitPlain(offset: number, stop: AbortSignal): Promise<void> {
    await this.#ports.commit(offset, '', stop);
    this.#settledTo(offset);
  }

  #settledTo(offset: number): void {
    this.#settled = offset;
    this.#tellFlushed(offset);
  }

  /** Everything before `offset` is in and committed, though what comes after it may be promised. */
  #tellFlushed(offset: number): void {
    for (const flush of this.#flushes) if (flush.offset <= offset) flush.resolve();
    this.#flushes = this.#flushes.filter((flush) => flush.offset > offset);
  }

  #promised(batch: Batch): Promised {
    return {
      topic: this.#ports.source.topic,
      partition: this.#ports.source.partition,
      from: batch.from,
      to: batch.to,
    };
  }

  #repairing(batch: Batch): Repairing {
    return {
      ports: this.#ports,
      promised: this.#promised(batch),
      pause: (durationMs) => this.#waiter.pause(durationMs),
    };
  }

  #newBatch(from: number): Batch {
    return new Batch(from, this.#ports.takeEncoder(), this.#ports.incarnation);
  }

  #release(batch: Batch): void {
    this.#ports.resize(batch.heldBytes, 0);
    this.#ports.returnEncoder(batch.encoder);
  }
}
