/** The dead letter of a record: what could not be processed, byte for byte, and why. */
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

/** The record for `weir.dead-letters`. Its `ce_id` is the origin: the same failure written twice is the same event. */
export function deadLetterRecord(
  codec: EventCodec<DeadLetter>,
  record: LogRecord,
  failure: Failure,
): NewRecord {
  const { reader, topic, partition, code, reason, failedAtMs } = failure;
  const origin = `${topic}/${partition}/${record.offset}`;
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
      reason,
      failed_at: failedAtMs,
      record_timestamp: record.timestampMs,
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
