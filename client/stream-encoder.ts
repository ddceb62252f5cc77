/**
 * Events as records: validated, encoded, keyed and headed.
 *
 * I1  A record's key, time and headers say what its value says.
 * I2  The key is the key field's text. An announcement's (`weir.schemas`) is of its schema and id (`announcementKey`).
 */
import { CodecError } from '#engine/codec/codec-error.ts';
import { type EventCodec, eventCodec } from '#engine/codec/event-codec.ts';
import { announcementKey, WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { type SchemaAnnouncement, schemas } from '#engine/records/generated.ts';
import { cloudEventHeaders } from '#engine/task/cloud-events.ts';
import { eventTimeMsOf, keyOf, type Stream } from '#engine/topology/stream.ts';
import { ClientError } from './client-error.ts';
import type { BatchRecord } from './producer/record-batch.ts';
import { requireConfluentId, requireIdentity, requireStream } from './publish-arguments.ts';

/** The last millisecond that ISO 8601 text of a CloudEvent's time can name. */
const maxTimeMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

export interface StreamEncoder<T> {
  readonly codec: EventCodec<T>;
  /** Of the schema in a registry; undefined with single-object framing. */
  readonly confluentId: number | undefined;
  /** @throws ClientError 'invalid-event' naming every field that does not fit */
  encode(event: T, id: string, source: string): BatchRecord;
}

/** An event as its record, for programs that have a Kafka client of their own. */
export interface EncodedEvent extends BatchRecord {
  readonly topic: string;
}

/**
 * The record of an event, in Avro single-object encoding, or in Confluent's framing with the id of its schema in a registry. The
 * partition is murmur2 of the key. Announce the schema once (`Client.announce`).
 *
 * @throws ClientError 'invalid-event' naming every field that does not fit; 'invalid-config'
 */
export function encodeEvent<T>(
  stream: Stream<T>,
  event: T,
  identity: { readonly id: string; readonly source: string },
  confluentId?: number,
): EncodedEvent {
  requireStream('encodeEvent', stream);
  requireIdentity(identity);
  const encoder = streamEncoder(stream, new WriterSchemas(), confluentId);
  return { topic: stream.topic, ...encoder.encode(event, identity.id, identity.source) };
}

/** @throws ClientError 'invalid-config' when the stream's schema or its id cannot be used */
export function streamEncoder<T>(
  stream: Stream<T>,
  writers: WriterSchemas,
  confluentId: number | undefined,
): StreamEncoder<T> {
  requireConfluentId(stream.topic, confluentId);
  const codec = codecOf(stream, writers, confluentId);
  const keyText: (event: object) => string =
    stream.topic === schemas.topic
      ? (event) => announcementKey(event as SchemaAnnouncement)
      : (event) => keyOf(stream, event);
  const invalid = (problems: readonly string[], cause?: unknown): ClientError =>
    new ClientError('invalid-event', `${stream.topic}: ${problems.join('; ')}`, { problems, cause });
  return {
    codec,
    confluentId,
    encode: (event, id, source) => {
      let value: Buffer;
      let key: string;
      try {
        value = codec.encode(event);
        key = keyText(event as object);
      } catch (error) {
        if (error instanceof CodecError) throw invalid(error.problems, error);
        throw invalid([error instanceof Error ? error.message : String(error)], error);
      }
      const timestampMs = eventTimeMsOf(stream, event as object);
      if (!(timestampMs >= 0 && timestampMs <= maxTimeMs))
        throw invalid([
          `field '${stream.time.field}': expected a time from 1970 to 9999 in ${stream.time.unit}, got ${timestampMs} ms`,
        ]);
      const headers = cloudEventHeaders(id, source, stream.name, timestampMs);
      return { key: Buffer.from(key), value, timestampMs, headers };
    },
  };
}

function codecOf<T>(
  stream: Stream<T>,
  writers: WriterSchemas,
  confluentId: number | undefined,
): EventCodec<T> {
  try {
    return eventCodec(stream, writers, confluentId === undefined ? {} : { confluentId });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ClientError('invalid-config', `${stream.topic}: its schema cannot be used: ${why}`, { cause });
  }
}
