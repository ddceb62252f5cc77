/** All of one dead letter, for people: where, why, headers, key and value as text and as bytes, and the event as far as it reads. */
import { parseFrame } from '#engine/codec/framing.ts';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { fingerprintHex } from '#engine/codec/fingerprint.ts';
import type { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import type { Stream } from '#engine/topology/stream.ts';
import { jsonText, type Cell } from '../present/value.ts';
import { printable } from '../present/width.ts';
import type { FullLetter } from './read-letters.ts';

const dumpWidth = 16;
/** More bytes than this are no reading matter; --format json has all of them. */
const maxDumpBytes = 4_096;

/** What describes the value: the schemas of writers, and the stream of the topic where it is one of the app's. */
export interface Reading {
  readonly writers: WriterSchemas;
  readonly stream: Stream<unknown> | undefined;
}

/** The letter as lines of text. @param redrivenAtMs when it was redriven; undefined if not */
export function describeLetter(
  letter: FullLetter,
  reading: Reading,
  redrivenAtMs: number | undefined,
): string[] {
  const { origin, reader, code, reason, failedAtMs, recordTimestampMs, key, value } = letter;
  const headers = Object.entries(letter.headers);
  return [
    `origin     ${origin}`,
    `reader     ${reader}`,
    `failed at  ${iso(failedAtMs)}`,
    `code       ${code}`,
    `reason     ${printable(reason)}`,
    `redriven   ${redrivenAtMs === undefined ? 'no' : iso(redrivenAtMs)}`,
    `timestamp  ${recordTimestampMs === null ? '-' : iso(recordTimestampMs)}`,
    `key        ${key === null ? '-' : textOf(key)}`,
    `headers    ${headers.length === 0 ? '-' : ''}`.trimEnd(),
    ...headers.map(([name, bytes]) => `  ${printable(name)}: ${textOf(bytes)}`),
    ...(value === null
      ? ['value      -']
      : [`value      ${value.length} bytes; ${decoded(value, reading)}`, ...dump(value)]),
  ];
}

/** The letter for programs. */
export function letterCells(letter: FullLetter, reading: Reading, redrivenAtMs: number | undefined): Cell {
  const { key, value, headers, failedAtMs, recordTimestampMs, ...rest } = letter;
  return {
    ...rest,
    failed_at: iso(failedAtMs),
    redriven_at: redrivenAtMs === undefined ? null : iso(redrivenAtMs),
    record_timestamp: recordTimestampMs === null ? null : iso(recordTimestampMs),
    key_hex: key?.toString('hex') ?? null,
    value_hex: value?.toString('hex') ?? null,
    headers_hex: Object.fromEntries(
      Object.entries(headers).map(([name, bytes]) => [name, bytes.toString('hex')]),
    ),
    decoded: value === null ? null : decoded(value, reading),
  };
}

const iso = (ms: number): string => new Date(ms).toISOString();

/** As text where it is UTF-8, else as hexadecimal digits. */
function textOf(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  return Buffer.from(text).equals(bytes) ? `'${printable(text)}'` : `0x${bytes.toString('hex')}`;
}

/** The event, or how far its bytes can be understood. */
export function decoded(value: Buffer, { writers, stream }: Reading): string {
  let frame: string;
  try {
    const parsed = parseFrame(value);
    const writer =
      parsed.framing === 'confluent'
        ? writers.byConfluentId(parsed.schemaId)
        : writers.byFingerprint(parsed.fingerprint);
    const id =
      parsed.framing === 'confluent'
        ? `registry id ${parsed.schemaId}`
        : `fingerprint ${fingerprintHex(parsed.fingerprint)}`;
    frame = `${parsed.framing} framing, ${id}, ${writer === undefined ? 'a schema that is not known' : writer.name}`;
  } catch (error) {
    return `no frame: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (stream === undefined) return `${frame}; the topic is none of this app's`;
  try {
    return `${frame}: ${jsonText(eventCodec(stream, writers).decode(value) as Cell)}`;
  } catch (error) {
    return `${frame}; it does not read as ${stream.name}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function dump(bytes: Buffer): string[] {
  const lines: string[] = [];
  const shown = bytes.subarray(0, maxDumpBytes);
  for (let at = 0; at < shown.length; at += dumpWidth) {
    const part = shown.subarray(at, at + dumpWidth);
    const hex = part
      .toString('hex')
      .replace(/(..)/g, '$1 ')
      .padEnd(dumpWidth * 3);
    const text = part.toString('latin1').replace(/[^\x20-\x7e]/g, '.');
    lines.push(`  ${at.toString(16).padStart(6, '0')}  ${hex} ${text}`);
  }
  if (bytes.length > maxDumpBytes)
    lines.push(`  ... ${bytes.length - maxDumpBytes} bytes more: --format json has all of them`);
  return lines;
}
