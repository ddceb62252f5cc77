/**
 * Encodes and decodes the events of one schema: the hot path of every task, sink and agent.
 *
 * I1  What was written by another version is resolved to the reader's schema by Avro's rules; one resolver is built for
 *     each writer and kept.
 * I2  Bytes that are not exactly one event (truncated, followed by more, malformed) are a DecodeError with the field,
 *     never a wrong value and never a loop.
 * I3  Decoded values share no memory with the bytes; encoded bytes share none with the value.
 */
import type { AvroType } from './avro-type.ts';
import { avroType } from './avro-type.ts';
import { ByteSlab } from './byte-slab.ts';
import type { RecordSchema } from '#engine/topology/stream.ts';
import { valueProblems } from './check-value.ts';
import { CodecError, DecodeError } from './codec-error.ts';
import { fingerprintHex } from './fingerprint.ts';
import { SINGLE_OBJECT_HEADER_BYTES, confluentHeader, parseFrame, singleObjectHeader } from './framing.ts';
import type { Frame } from './framing.ts';
import { locateFailure } from './locate-failure.ts';
import { resolutionProblems } from './resolution.ts';
import type { WriterSchema, WriterSchemas } from './writer-schemas.ts';

/** Encodes and decodes events of the type `T`. */
export interface EventCodec<T> {
  /** The schema that `encode` writes with; announce it before the first record. */
  readonly writer: WriterSchema;
  /** An event as framed bytes, which nothing writes to again; they keep some others in memory (byte-slab.ts, I3). Throws a CodecError (`invalid-value`) naming every field that does not fit. */
  encode(value: T): Buffer;
  /** The event that framed bytes hold, as a plain object. Throws a DecodeError. */
  decode(bytes: Buffer): T;
}

export interface EventCodecOptions {
  /** The schema's id in a schema registry: events are then written in Confluent's framing instead of single-object. */
  readonly confluentId?: number;
}

/**
 * The codec of a schema. `writers` resolves what others wrote and may learn more later; the schema itself is added to it.
 * Throws a CodecError if the schema is invalid or conflicts with one that is known.
 */
export function eventCodec<T>(
  schema: RecordSchema<T>,
  writers: WriterSchemas,
  options: EventCodecOptions = {},
): EventCodec<T> {
  const type = avroType(schema.schema);
  const writer = writers.add(schema.schema, options.confluentId);
  const header =
    options.confluentId === undefined
      ? singleObjectHeader(writer.fingerprint)
      : confluentHeader(options.confluentId);
  return {
    writer,
    encode: encoder(type, writer, header),
    decode: decoder(type, writer, writers) as (bytes: Buffer) => T,
  };
}

/** Of all events of this thread. */
const slab = new ByteSlab();

function encoder(type: AvroType, writer: WriterSchema, header: Buffer): (value: unknown) => Buffer {
  const headerBytes = header.length;
  return (value) => {
    slab.reserve(headerBytes);
    for (;;) {
      const { bytes, at } = slab;
      let end: number;
      try {
        end = type.encode(value, bytes, at + headerBytes);
      } catch (cause) {
        throw invalidValue(writer, value, cause);
      }
      if (end >= 0) {
        for (let i = 0; i < headerBytes; i += 1) bytes[at + i] = header[i]!;
        return slab.cut(bytes, at, end);
      }
      slab.reserve(bytes.length - at - end);
    }
  };
}

function invalidValue(writer: WriterSchema, value: unknown, cause: unknown): CodecError {
  const problems = valueProblems(writer.record, value);
  const found = problems.length > 0 ? problems : [cause instanceof Error ? cause.message : String(cause)];
  return new CodecError(
    'invalid-value',
    found.map((problem) => `${writer.name}: ${problem}`),
    cause,
  );
}

/** How events of one writer are read. */
interface Reading {
  readonly writer: WriterSchema;
  /** undefined where the writer's schema is the reader's. */
  readonly resolver: ReturnType<AvroType['createResolver']> | undefined;
}

function decoder(type: AvroType, own: WriterSchema, writers: WriterSchemas): (bytes: Buffer) => unknown {
  const ownReading: Reading = { writer: own, resolver: undefined };
  const ownHeader = singleObjectHeader(own.fingerprint);
  const ownMagic = ownHeader.readUInt16BE(0);
  const ownLow = ownHeader.readUInt32LE(2);
  const ownHigh = ownHeader.readUInt32LE(6);
  const readings = new Map<number | bigint, Reading>();

  const readingOf = (frame: Frame): Reading => {
    // Ids are numbers and fingerprints bigints, so the two never meet in the map.
    const id = frame.framing === 'confluent' ? frame.schemaId : frame.fingerprint;
    const known = readings.get(id);
    if (known !== undefined) return known;
    const writer = lookUp(frame, own, writers);
    const reading = writer.fingerprint === own.fingerprint ? ownReading : newReading(type, own, writer);
    readings.set(id, reading);
    return reading;
  };

  return (bytes) => {
    const isOwn =
      bytes.length >= SINGLE_OBJECT_HEADER_BYTES &&
      bytes.readUInt16BE(0) === ownMagic &&
      bytes.readUInt32LE(2) === ownLow &&
      bytes.readUInt32LE(6) === ownHigh;
    if (isOwn) return read(type, ownReading, bytes, SINGLE_OBJECT_HEADER_BYTES);
    const frame = parseFrame(bytes);
    return read(type, readingOf(frame), bytes, frame.bodyOffset);
  };
}

function lookUp(frame: Frame, own: WriterSchema, writers: WriterSchemas): WriterSchema {
  const writer =
    frame.framing === 'confluent'
      ? writers.byConfluentId(frame.schemaId)
      : writers.byFingerprint(frame.fingerprint);
  if (writer !== undefined) return writer;
  const id =
    frame.framing === 'confluent'
      ? `registry id ${frame.schemaId}`
      : `fingerprint ${fingerprintHex(frame.fingerprint)}`;
  throw new DecodeError(
    'unknown-schema',
    `written with a schema of ${id}, which weir.schemas does not know (yet); expected ${own.name}`,
  );
}

function newReading(type: AvroType, own: WriterSchema, writer: WriterSchema): Reading {
  const problems = resolutionProblems(own.record, writer.record);
  if (problems.length > 0) throw unreadable(own, writer, problems);
  try {
    return { writer, resolver: type.createResolver(avroType(writer.schema)) };
  } catch (cause) {
    throw unreadable(own, writer, [{ field: '', problem: String(cause) }], cause);
  }
}

function unreadable(
  own: WriterSchema,
  writer: WriterSchema,
  problems: readonly { readonly field: string; readonly problem: string }[],
  cause?: unknown,
): DecodeError {
  const listed = problems.map(({ field, problem }) =>
    field === '' ? problem : `field '${field}': ${problem}`,
  );
  return new DecodeError(
    'unreadable-schema',
    `written with ${writer.name} ${fingerprintHex(writer.fingerprint)}, which cannot be read as ${own.name}: ${listed.join('; ')}`,
    { ...atField(problems[0]?.field), cause },
  );
}

function read(type: AvroType, { writer, resolver }: Reading, bytes: Buffer, offset: number): unknown {
  let decoded: { value: unknown; offset: number };
  try {
    decoded = type.decode(bytes, offset, resolver);
  } catch (cause) {
    throw failure(writer, bytes, offset, cause);
  }
  if (decoded.offset !== bytes.length) throw failure(writer, bytes, offset, undefined);
  return decoded.value;
}

function failure(writer: WriterSchema, bytes: Buffer, offset: number, cause: unknown): DecodeError {
  const located = locateFailure(writer.record, bytes, offset);
  if (located === undefined) {
    // The bytes are fine by the writer's schema: a value that the reader's stricter type refuses (a string that is no uuid).
    return new DecodeError(
      'malformed',
      `${writer.name}: ${cause instanceof Error ? cause.message : 'refused'}`,
      { cause },
    );
  }
  const { code, field, reason } = located;
  const place = field === '' ? writer.name : `${writer.name}, field '${field}'`;
  return new DecodeError(code, `${place}: ${reason}`, { ...atField(field), cause });
}

function atField(field: string | undefined): { field?: string } {
  return field === undefined || field === '' ? {} : { field };
}
