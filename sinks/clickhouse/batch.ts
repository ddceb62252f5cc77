/**
 * The records of one partition from one offset on, on their way to being one insert.
 *
 * I1  [from, to) covers every record that was added, as a row or as rejected, and nothing else: no record is skipped.
 * I2  What it holds is counted in `byteLength`, of rejected records too, which it has copies of: the records themselves hold all that was
 *     fetched with them.
 */
import type { LogRecord } from '#engine/log/log.ts';
import type { SinkError } from './error.ts';
import { MAX_EXCLUDED } from './intent.ts';
import { keptRecord } from './kept-record.ts';
import type { BlockEncoder, TableRow } from './native/block-encoder.ts';
import type { ReadRow, Rejected } from './row-reader.ts';

/** Records read, decoded and encoded in one go, before other work gets its turn: about a millisecond. */
export const CHUNK_RECORDS = 256;

export interface BatchLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
}

export class Batch {
  readonly from: number;
  /** When its first record was read, by performance.now. */
  #startedAtMs = Infinity;
  readonly encoder: BlockEncoder;
  /** Of the log that promises it: part of its token. */
  #incarnation: string;
  readonly #rejected: Rejected[] = [];
  #rejectedBytes = 0;
  #firstRow: LogRecord | undefined;
  #to: number;
  #isRestored = false;
  /** Bytes reserved in the pool. */
  heldBytes = 0;

  constructor(from: number, encoder: BlockEncoder, incarnation: string) {
    this.from = from;
    this.#incarnation = incarnation;
    this.#to = from;
    this.encoder = encoder;
  }

  get startedAtMs(): number {
    return this.#startedAtMs;
  }

  /** The first record is at hand. */
  start(nowMs: number): void {
    this.#startedAtMs = nowMs;
  }

  get to(): number {
    return this.#to;
  }

  /** Whether it was promised by an earlier owner, who may have inserted it. */
  get isRestored(): boolean {
    return this.#isRestored;
  }

  get incarnation(): string {
    return this.#incarnation;
  }

  get rows(): number {
    return this.encoder.rows;
  }

  /** In the order of their offsets. */
  get rejected(): readonly Rejected[] {
    return this.#rejected.toSorted((a, b) => a.record.offset - b.record.offset);
  }

  /** Of the block as it stands, and of the records that were rejected. */
  get byteLength(): number {
    return this.encoder.byteLength + this.#rejectedBytes;
  }

  get isEmpty(): boolean {
    return this.#to === this.from;
  }

  isFull(limits: BatchLimits): boolean {
    return (
      this.rows >= limits.maxRows ||
      this.byteLength >= limits.maxBytes ||
      this.#rejected.length >= MAX_EXCLUDED
    );
  }

  /**
   * Adds records in the order of their offsets, up to `limits` of the batch and its own idea of a good chunk; those whose schema is
   * not known only where `isOverdue` says so of them.
   *
   * @returns whether the first one not taken waits for its schema
   */
  add(
    records: readonly LogRecord[],
    readRow: ReadRow,
    limits: BatchLimits,
    isOverdue: (record: LogRecord) => boolean,
  ): boolean {
    const rows: TableRow[] = [];
    let bytes = this.byteLength;
    let isWaiting = false;
    for (const record of records) {
      if (this.rows + rows.length >= limits.maxRows || (bytes >= limits.maxBytes && !this.isEmpty)) break;
      const read = readRow(record);
      if ('event' in read) rows.push(read);
      else if (read.mayResolve && !isOverdue(record)) {
        isWaiting = true;
        break;
      } else this.#reject(read);
      bytes += record.value?.length ?? 0;
      this.#to = record.offset + 1;
    }
    this.#encode(rows);
    return isWaiting;
  }

  /** Adds a promised record as the promise says: left out, or as a row. Returns why it cannot be as promised. */
  restore(record: LogRecord, excluded: boolean, readRow: ReadRow): Rejected | undefined {
    const read = readRow(record);
    const before = this.#rejected.length;
    if (!('event' in read)) this.#reject(read);
    else if (excluded) this.#reject(leftOut(record, this.encoder.refusalOf(read)));
    else this.#encode([read]);
    this.#to = record.offset + 1;
    return excluded ? undefined : this.#rejected[before];
  }

  /** The batch is the one promised: the range may end after its last record, and the promise may be an earlier log's. */
  endAsPromised(to: number, incarnation: string): void {
    this.#to = to;
    this.#incarnation = incarnation;
    this.#isRestored = true;
  }

  /** Leaves out the only row, which ClickHouse refuses. */
  rejectOnlyRow(code: string, reason: string): void {
    if (this.rows !== 1 || this.#firstRow === undefined)
      throw new RangeError(`${this.rows} rows where one must be`);
    this.#reject({ record: this.#firstRow, code, reason, mayResolve: false });
    this.encoder.clear();
  }

  #encode(rows: readonly TableRow[]): void {
    const refused = this.encoder.append(rows);
    for (const { row, error } of refused) {
      this.#reject({ record: row.record, code: error.code, reason: error.message, mayResolve: false });
    }
    this.#firstRow ??= rows.find((row) => !refused.some((other) => other.row === row))?.record;
  }

  #reject(rejected: Rejected): void {
    const { record, bytes } = keptRecord(rejected.record);
    this.#rejected.push({ ...rejected, record });
    this.#rejectedBytes += bytes;
  }
}

/** What was refused by a column when it was promised is refused again, and says why; what could not be read then can be now. */
function leftOut(record: LogRecord, refusal: SinkError | undefined): Rejected {
  return {
    record,
    code: refusal?.code ?? 'left-out',
    reason:
      refusal?.message ??
      'it could not become a row when its batch was promised to ClickHouse; it can now: send it again',
    mayResolve: false,
  };
}
