/**
 * The records of one partition from one offset on, on their way to being one insert.
 *
 * I1  [from, to) covers every record that was added, as a row or as rejected, and nothing else: no record is skipped.
 */
import type { LogRecord } from '#engine/log/log.ts';
import { MAX_EXCLUDED } from './intent.ts';
import type { BlockEncoder, TableRow } from './native/block-encoder.ts';
import type { ReadRow, Rejected } from './row-reader.ts';

/** Records read, decoded and encoded in one go, before other work gets its turn: about a millisecond. */
export const CHUNK_RECORDS = 256;

export interface BatchLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
}

/** What became of the records offered to a batch. */
export interface Added {
  /** How many of them are in the batch now, as rows or as rejected. */
  readonly taken: number;
  /** The first one not taken has a schema that is not known yet. */
  readonly unknownSchema: Rejected | undefined;
}

export class Batch {
  readonly from: number;
  /** When its first record was read, by performance.now. */
  #startedAtMs = Infinity;
  readonly encoder: BlockEncoder;
  /** Of the log that promises it: part of its token. */
  #incarnation: string;
  readonly #rejected: Rejected[] = [];
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

  get isEmpty(): boolean {
    return this.#to === this.from;
  }

  isFull(limits: BatchLimits): boolean {
    return (
      this.rows >= limits.maxRows ||
      this.encoder.byteLength >= limits.maxBytes ||
      this.#rejected.length >= MAX_EXCLUDED
    );
  }

  /**
   * Adds records in the order of their offsets, up to `limits` of the batch and its own idea of a good chunk; those with
   * an unknown schema only where `giveUp` says so.
   */
  add(records: readonly LogRecord[], readRow: ReadRow, limits: BatchLimits, giveUp: boolean): Added {
    const rows: TableRow[] = [];
    let bytes = this.encoder.byteLength;
    let taken = 0;
    let unknownSchema: Rejected | undefined;
    for (const record of records) {
      if (this.rows + rows.length >= limits.maxRows || (bytes >= limits.maxBytes && !this.isEmpty)) break;
      const read = readRow(record);
      if ('event' in read) rows.push(read);
      else if (read.mayResolve && !giveUp) {
        unknownSchema = read;
        break;
      } else this.#rejected.push(read);
      bytes += record.value?.length ?? 0;
      taken += 1;
      this.#to = record.offset + 1;
    }
    this.#encode(rows);
    return { taken, unknownSchema };
  }

  /** Adds a promised record as the promise says: left out, or as a row. Returns why it cannot be as promised. */
  restore(record: LogRecord, excluded: boolean, readRow: ReadRow): Rejected | undefined {
    const read = readRow(record);
    const before = this.#rejected.length;
    if (!('event' in read)) this.#rejected.push(read);
    else if (excluded) this.#rejected.push(leftOut(record));
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
    this.#rejected.push({ record: this.#firstRow, code, reason, mayResolve: false });
    this.encoder.clear();
  }

  #encode(rows: readonly TableRow[]): void {
    const refused = this.encoder.append(rows);
    for (const { row, error } of refused) {
      this.#rejected.push({ record: row.record, code: error.code, reason: error.message, mayResolve: false });
    }
    this.#firstRow ??= rows.find((row) => !refused.some((other) => other.row === row))?.record;
  }
}

function leftOut(record: LogRecord): Rejected {
  return {
    record,
    code: 'left-out',
    reason: 'it could not become a row when its batch was promised to ClickHouse; it can now: send it again',
    mayResolve: false,
  };
}
