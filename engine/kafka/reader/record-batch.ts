/**
 * Record batches as Kafka stores and sends them: format v2
 * (https://kafka.apache.org/documentation/#recordbatch, KIP-98).
 *
 * I1  A batch is decoded only when its records are wanted: aborted ones and those already read are never decompressed.
 * I2  The tail of a fetch may hold a part of a batch; it is left for the next fetch.
 * I3  `lastOffset` counts, not the last record: compaction removes records and keeps the batch's range, if need be
 *     with no record left.
 */
import type { Headers, HeaderValue, LogRecord } from '../../log/log.ts';
import { isAsciiAt } from '../../log/record-key.ts';
import { EngineError } from '../../engine-error.ts';
import { ByteCursor } from './byte-cursor.ts';
import { decompress } from './compression.ts';
import { crc32c } from './crc32c.ts';

/** The head of a batch, and its records as they are stored. */
export interface RecordBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** -1 without an idempotent or transactional producer. */
  readonly producerId: bigint;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly codec: number;
  readonly isLogAppendTime: boolean;
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly recordCount: number;
  readonly records: Buffer;
}

/** What a control batch says; other kinds exist (leader changes) and mean nothing to a reader. */
export type ControlType = 'abort' | 'commit' | 'other';

/** baseOffset and batchLength: what comes before the bytes that batchLength counts. */
const lengthPrefixBytes = 12;
/** From partitionLeaderEpoch to records count. */
const headBytes = 49;
const magicOffset = 16;
const supportedMagic = 2;

function corrupt(what: string, place: string): EngineError {
  return new EngineError('corrupt-batch', `${place}: ${what}`);
}

function readBatch(bytes: Buffer, place: string, checkCrcs: boolean): RecordBatch | EngineError {
  const cursor = new ByteCursor(bytes);
  const baseOffset = cursor.long();
  cursor.offset += 4 + 4; // batchLength, partitionLeaderEpoch
  const magic = cursor.int8();
  if (magic !== supportedMagic)
    return corrupt(
      `batch at offset ${baseOffset} has format ${magic}; Weir reads format ${supportedMagic}`,
      place,
    );
  const checksum = cursor.int32() >>> 0;
  if (checkCrcs && crc32c(bytes, cursor.offset) !== checksum)
    return corrupt(
      `batch at offset ${baseOffset} is damaged, its checksum is wrong: look at the brokers' disks and the network`,
      place,
    );
  const attributes = cursor.int16();
  const lastOffset = baseOffset + cursor.int32();
  const baseTimestampMs = cursor.long();
  const maxTimestampMs = cursor.long();
  const producerId = cursor.int64();
  cursor.offset += 2 + 4; // producerEpoch, baseSequence
  const recordCount = cursor.int32();
  return {
    baseOffset,
    lastOffset,
    producerId,
    isTransactional: (attributes & 0x10) !== 0,
    isControl: (attributes & 0x20) !== 0,
    codec: attributes & 0x07,
    isLogAppendTime: (attributes & 0x08) !== 0,
    baseTimestampMs,
    maxTimestampMs,
    recordCount,
    records: bytes.subarray(cursor.offset),
  };
}

/**
 * The whole batches of a fetched record set, in order, and what is wrong with the bytes after them. `place` names topic and
 * partition in errors.
 */
export function splitBatches(
  recordSet: Buffer,
  place: string,
  checkCrcs: boolean,
): { readonly batches: RecordBatch[]; readonly failure: EngineError | undefined } {
  const batches: RecordBatch[] = [];
  let start = 0;
  while (recordSet.length - start > magicOffset) {
    const end = start + lengthPrefixBytes + recordSet.readInt32BE(start + 8);
    if (end - start < lengthPrefixBytes + headBytes) {
      const what = `batch at byte ${start} of a fetch is ${end - start} bytes long`;
      return { batches, failure: corrupt(what, place) };
    }
    if (end > recordSet.length) break;
    const batch = readBatch(recordSet.subarray(start, end), place, checkCrcs);
    if (batch instanceof EngineError) return { batches, failure: batch };
    batches.push(batch);
    start = end;
  }
  return { batches, failure: undefined };
}

const noHeaders: Headers = Object.freeze({});

function readHeaders(cursor: ByteCursor): Headers {
  const count = cursor.varint();
  if (count === 0) return noHeaders;
  const values = new Map<string, HeaderValue>();
  for (let i = 0; i < count; i++) {
    const name = (cursor.varBytes() ?? Buffer.alloc(0)).toString('utf8');
    const value = cursor.varBytes() ?? Buffer.alloc(0);
    const before = values.get(name);
    if (before === undefined) values.set(name, value);
    else values.set(name, [...(Array.isArray(before) ? (before as Buffer[]) : [before as Buffer]), value]);
  }
  // `fromEntries` defines properties: a header named `__proto__` is one like any other.
  return Object.fromEntries(values);
}

/** The text of the first header of that name. Makes nothing of the others: a sixth of what `readHeaders` costs (measured). */
function readHeaderText(cursor: ByteCursor, name: string): string | undefined {
  for (let left = cursor.varint(); left > 0; left -= 1) {
    const nameBytes = Math.max(0, cursor.varint());
    const isIt = nameBytes === name.length && isAsciiAt(cursor.bytes, cursor.offset, name);
    cursor.skip(nameBytes);
    const valueBytes = Math.max(0, cursor.varint());
    const start = cursor.offset;
    cursor.skip(valueBytes);
    if (isIt) return cursor.bytes.toString('utf8', start, cursor.offset);
  }
  return undefined;
}

/**
 * A record as it lies in a fetched batch. Key, value and headers are read when they are asked for: a batch has thousands of records,
 * which wait as objects, and with two views each they outlive the young generation; five CloudEvents headers made of each cost more
 * than all the rest of it. What is wrong with any of them is found when the batch is read all the same.
 */
class FetchedRecord implements LogRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly #bytes: Buffer;
  /** Where its key begins. */
  readonly #at: number;
  /** Once it was asked for. */
  #key: Buffer | null | undefined;
  #value: Buffer | null | undefined;

  constructor(bytes: Buffer, at: number, offset: number, timestampMs: number) {
    this.offset = offset;
    this.timestampMs = timestampMs;
    this.#bytes = bytes;
    this.#at = at;
    this.#key = undefined;
    this.#value = undefined;
  }

  get key(): Buffer | null {
    if (this.#key === undefined) this.#key = new ByteCursor(this.#bytes, this.#at).varBytes();
    return this.#key;
  }

  get value(): Buffer | null {
    if (this.#value === undefined) {
      const cursor = new ByteCursor(this.#bytes, this.#at);
      cursor.skipVarBytes();
      this.#value = cursor.varBytes();
    }
    return this.#value;
  }

  keyIs(text: string | null): boolean {
    const cursor = new ByteCursor(this.#bytes, this.#at);
    const length = cursor.varint();
    if (text === null || length < 0) return text === null && length < 0;
    if (length === text.length && isAsciiAt(this.#bytes, cursor.offset, text)) return true;
    return this.key?.toString('utf8') === text;
  }

  get headers(): Headers {
    return readHeaders(this.#headersAt());
  }

  headerText(name: string): string | undefined {
    return readHeaderText(this.#headersAt(), name);
  }

  #headersAt(): ByteCursor {
    const cursor = new ByteCursor(this.#bytes, this.#at);
    cursor.skipVarBytes();
    cursor.skipVarBytes();
    return cursor;
  }
}

/** Goes past headers. @throws RangeError where they pass the end */
function skipHeaders(cursor: ByteCursor): void {
  for (let left = cursor.varint() * 2; left > 0; left -= 1) cursor.skipVarBytes();
}

/**
 * Append the records of a data batch from `fromOffset` on to `into`: all, or none with what keeps it from being
 * decompressed or read. Keys and values are views of the fetched bytes.
 */
export function readRecords(
  batch: RecordBatch,
  fromOffset: number,
  into: LogRecord[],
  place: string,
): EngineError | undefined {
  const before = into.length;
  try {
    if (batch.recordCount > 0) appendRecords(batch, fromOffset, into);
    return undefined;
  } catch (cause) {
    into.length = before;
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `${place}: batch at offset ${batch.baseOffset} cannot be read: ${why}`;
    return new EngineError('corrupt-batch', message, { cause });
  }
}

/** @throws RangeError, or an error of the codec */
function appendRecords(batch: RecordBatch, fromOffset: number, into: LogRecord[]): void {
  const cursor = new ByteCursor(batch.codec === 0 ? batch.records : decompress(batch.codec, batch.records));
  for (let i = 0; i < batch.recordCount; i++) {
    const end = cursor.varint() + cursor.offset;
    cursor.offset += 1; // attributes, unused
    const delta = cursor.varlong();
    const offset = batch.baseOffset + cursor.varint();
    if (offset >= fromOffset) {
      const timestampMs = batch.isLogAppendTime ? batch.maxTimestampMs : batch.baseTimestampMs + delta;
      into.push(new FetchedRecord(cursor.bytes, cursor.offset, offset, timestampMs));
      cursor.skipVarBytes();
      cursor.skipVarBytes();
      skipHeaders(cursor);
    }
    cursor.offset = end;
  }
}

/** The type of a control batch: its only record's key is version and type, each int16. */
export function controlType(batch: RecordBatch): ControlType {
  if (batch.recordCount === 0) return 'other';
  const cursor = new ByteCursor(batch.records);
  cursor.varint(); // length
  cursor.offset += 1; // attributes
  cursor.varlong(); // timestampDelta
  cursor.varint(); // offsetDelta
  const key = cursor.varBytes();
  if (key === null || key.length < 4) return 'other';
  const type = key.readInt16BE(2);
  return type === 0 ? 'abort' : type === 1 ? 'commit' : 'other';
}
