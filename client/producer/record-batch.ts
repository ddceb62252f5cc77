/**
 * Record batches as an idempotent producer sends them: format v2 (https://kafka.apache.org/documentation/#recordbatch, KIP-98).
 *
 * I1  The same records, producer and sequence give the same bytes: a repetition is recognised by the broker.
 */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { crc32c } from '#engine/kafka/reader/crc32c.ts';
import type { Headers } from '#engine/log/log.ts';
import { ByteWriter } from './byte-writer.ts';

/** The codecs that need nothing but Node. */
export type Compression = 'none' | 'gzip';

/** By which the brokers know a producer. */
export interface ProducerIdentity {
  readonly id: bigint;
  readonly epoch: number;
}

/** A record that has its place. */
export interface BatchRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestampMs: number;
  readonly headers: Headers;
}

/** Sequences of a partition are int32 and begin at 0 again after 2^31 - 1. */
export const sequenceAfter = (sequence: number, count: number): number => (sequence + count) % 2 ** 31;

/** An upper bound of what a record takes in a batch, beside its key, value and headers: lengths and deltas. */
const recordFrameBytes = 40;
/** Two lengths of each header. */
const headerFrameBytes = 8;

/** An upper bound of the bytes that a record takes in a batch. */
export function batchBytesOf({ key, value, headers }: BatchRecord): number {
  let bytes = recordFrameBytes + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, one] of Object.entries(headers))
    for (const text of [one].flat() as (string | Buffer)[])
      bytes += headerFrameBytes + Buffer.byteLength(name) + Buffer.byteLength(text);
  return bytes;
}

function writeRecord(body: ByteWriter, record: BatchRecord, index: number, baseTimestampMs: number): void {
  body
    .int8(0)
    .varlong(record.timestampMs - baseTimestampMs)
    .varint(index)
    .varBytes(record.key)
    .varBytes(record.value);
  const headers = Object.entries(record.headers).flatMap(([name, one]) =>
    ([one].flat() as (string | Buffer)[]).map((value) => [name, value] as const),
  );
  body.varint(headers.length);
  for (const [name, value] of headers)
    body.varBytes(Buffer.from(name)).varBytes(typeof value === 'string' ? Buffer.from(value) : value);
}

function encodeRecords(records: readonly BatchRecord[], baseTimestampMs: number): Buffer {
  const all = new ByteWriter(records.length * 128);
  const body = new ByteWriter();
  for (const [index, record] of records.entries()) {
    writeRecord(body.clear(), record, index, baseTimestampMs);
    all.varint(body.length).raw(body.bytes);
  }
  return all.bytes;
}

const attributesOf: Readonly<Record<Compression, number>> = { none: 0, gzip: 1 };
/** Of the attributes: the batch belongs to a transaction. */
const transactionalBit = 0x10;
const gzipped = promisify(gzip);
const magic = 2;
/** partitionLeaderEpoch, magic and crc: what batchLength counts before the part that the crc covers. */
const checkedFromBytes = 4 + 1 + 4;

/** The bytes of a batch. `records` has at least one. */
export async function encodeBatch(
  records: readonly BatchRecord[],
  producer: ProducerIdentity,
  firstSequence: number,
  compression: Compression,
  isTransactional = false,
): Promise<Buffer> {
  const baseTimestampMs = records[0]!.timestampMs;
  const maxTimestampMs = records.reduce((max, { timestampMs }) => Math.max(max, timestampMs), 0);
  const plain = encodeRecords(records, baseTimestampMs);
  const body = compression === 'gzip' ? await gzipped(plain) : plain;
  const checked = new ByteWriter(body.length + 64)
    .int16(attributesOf[compression] | (isTransactional ? transactionalBit : 0))
    .int32(records.length - 1)
    .long(baseTimestampMs)
    .long(maxTimestampMs)
    .int64(producer.id)
    .int16(producer.epoch)
    .int32(firstSequence)
    .int32(records.length)
    .raw(body).bytes;
  return new ByteWriter(checked.length + 32)
    .long(0) // baseOffset: the broker's choice
    .int32(checkedFromBytes + checked.length)
    .int32(-1) // partitionLeaderEpoch: the broker's
    .int8(magic)
    .uint32(crc32c(checked))
    .raw(checked).bytes;
}
