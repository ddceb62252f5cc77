/**
 * The dead letter of a record: what could not be processed, byte for byte, and why.
 *
 * I1  A letter follows from the record and the failure alone, so that a replay gives the same one: also whether it has the bytes.
 * I2  Its topic takes every letter of a record, whatever the record's size: else who writes it could never get past that record. So can
 *     it be encoded and become a row, whatever the record's timestamp.
 */
import type { EventCodec } from '../codec/event-codec.ts';
import type { HeaderValue, LogRecord, NewRecord } from '../log/log.ts';
import { cloudEventHeaders } from '../task/cloud-events.ts';
import { deadLetters, type DeadLetter } from './generated.ts';

/** Why a record could not be processed, by whom and when. */
export interface Failure {
  /** 'sink clickhouse', 'processor <name>', 'produce'. With the record's position it identifies the letter. */
  readonly reader: string;
  readonly topic: string;
  readonly partition: number;
  /** What went wrong, for programs. */
  readonly code: string;
  /** What went wrong, in words, naming the field. */
  readonly reason: string;
  readonly failedAtMs: number;
  /** `ce_source` of the letter; by default made from the reader. */
  readonly source?: string;
}

/** Of a letter's value. A letter of a larger record, or of one whose batch was compressed, leaves the record's bytes in its topic. */
const maxLetterBytes = 1_000_000;
/** What the letters' topic has to take at least: the largest letter, its key and headers. It is Kafka's own default. */
export const letterTopicBytes = 1_048_588;
/** Of a key in a letter without bytes. */
const maxKeyBytes = 10_000;
/** Timestamps that a letter's row can have: those of ClickHouse's DateTime64. Brokers take any 64 bits, also nano- and microseconds. */
const timestampsMs = { first: Date.UTC(1900, 0), last: Date.UTC(2300, 0) - 1 };
/** In UTF-16 code units: a schema's or a handler's words may quote the record. */
const maxReasonLength = 10_000;

/**
 * The record for `weir.dead-letters`. Its `ce_id` is the origin: the same failure written twice is the same event. Where that would
 * be too large it is one without bytes. A timestamp that no row can have stands in the reason.
 */
export function deadLetterRecord(
  codec: EventCodec<DeadLetter>,
  record: LogRecord,
  failure: Failure,
): NewRecord {
  const letter = letterOf(codec, record, failure);
  return letter.value.length <= maxLetterBytes ? letter : deadLetterWithoutBytes(codec, record, failure);
}

/** As `deadLetterRecord`, without value, headers and a long key: what it names by topic, partition and offset has them. */
export function deadLetterWithoutBytes(
  codec: EventCodec<DeadLetter>,
  { offset, key, value, timestampMs }: LogRecord,
  failure: Failure,
): NewRecord {
  const isLongKey = key !== null && key.length > maxKeyBytes;
  const what = `its ${value?.length ?? 0} bytes${isLongKey ? `, its key of ${key.length} bytes` : ''} and its headers`;
  const reason = `${cut(failure.reason)} (${what} are left out: they are too large for a dead letter)`;
  const bare = { offset, key: isLongKey ? null : key, value: null, timestampMs, headers: {} };
  return letterOf(codec, bare, { ...failure, reason });
}

function letterOf(
  codec: EventCodec<DeadLetter>,
  record: LogRecord,
  failure: Failure,
): NewRecord & { readonly value: Buffer } {
  const { reader, topic, partition, code, failedAtMs } = failure;
  const origin = `${topic}/${partition}/${record.offset}`;
  const { timestampMs } = record;
  const isTime = timestampMs >= timestampsMs.first && timestampMs <= timestampsMs.last;
  const noTime = isTime
    ? ''
    : ` (its Kafka timestamp, ${timestampMs}, is left out: it is no time in milliseconds between 1900 and 2299)`;
  return {
    topic: deadLetters.topic,
    key: Buffer.from(origin),
    value: codec.encode({
      origin,
      reader,
      topic,
      partition,
      offset: record.offset,
      source_key: record.key,
      value: record.value,
      headers: Object.fromEntries(
        Object.entries(record.headers).flatMap(([name, value]) => headerBytes(name, value)),
      ),
      code,
      reason: cut(failure.reason) + noTime,
      failed_at: failedAtMs,
      record_timestamp: isTime ? timestampMs : null,
    }),
    timestampMs: failedAtMs,
    headers: cloudEventHeaders(
      origin,
      failure.source ?? `/weir/${reader.replaceAll(' ', '/')}`,
      deadLetters.name,
      failedAtMs,
    ),
  };
}

/** Leaves what a letter without bytes adds to it whole. */
function cut(reason: string): string {
  return reason.length > maxReasonLength + 200 ? `${reason.slice(0, maxReasonLength)}...` : reason;
}

/** A dead letter of something that never reached a topic: a line that is no event, a request that is refused. */
export interface UnplacedFailure {
  /** Unique; the same one for the same input. */
  readonly origin: string;
  /** The topic that it was meant for. */
  readonly topic: string;
  readonly value: Buffer;
  readonly code: string;
  readonly reason: string;
  readonly failedAtMs: number;
}

/** The record for `weir.dead-letters` of what `produce` refused. */
export function unplacedDeadLetterRecord(codec: EventCodec<DeadLetter>, failure: UnplacedFailure): NewRecord {
  const { origin, topic, value, code, reason, failedAtMs } = failure;
  return {
    topic: deadLetters.topic,
    key: Buffer.from(origin),
    value: codec.encode({
      origin,
      reader: 'produce',
      topic,
      partition: null,
      offset: null,
      source_key: null,
      value,
      headers: {},
      code,
      reason,
      failed_at: failedAtMs,
      record_timestamp: null,
    }),
    timestampMs: failedAtMs,
    headers: cloudEventHeaders(origin, '/weir/produce', deadLetters.name, failedAtMs),
  };
}

/** The values of a header as map entries. Values of a repeated header are kept under `<name>`, `<name>#1`, `<name>#2` ... */
function headerBytes(name: string, value: HeaderValue): [string, Buffer][] {
  if (typeof value === 'string') return [[name, Buffer.from(value)]];
  if (Buffer.isBuffer(value)) return [[name, value]];
  return (value as readonly (string | Buffer)[]).flatMap((one, i) =>
    headerBytes(i === 0 ? name : `${name}#${i}`, one),
  );
}
