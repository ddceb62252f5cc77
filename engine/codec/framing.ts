/**
 * The two framings of an event on the wire, told apart by their first byte.
 *
 * | first bytes | then                                        | who                               |
 * | ----------- | ------------------------------------------- | --------------------------------- |
 * | 00          | 4-byte big-endian id of a schema registry   | Confluent's serializers           |
 * | C3 01       | 8-byte little-endian CRC-64-AVRO fingerprint | Avro single-object encoding       |
 *
 * Sources: https://avro.apache.org/docs/1.12.0/specification/#single-object-encoding,
 * https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
 */
import { DecodeError } from './codec-error.ts';

const CONFLUENT_HEADER_BYTES = 5;
export const SINGLE_OBJECT_HEADER_BYTES = 10;

/** How an event is framed, and by which schema it was written. The Avro body begins at `bodyOffset`. */
export type Frame =
  | { readonly framing: 'confluent'; readonly schemaId: number; readonly bodyOffset: number }
  | { readonly framing: 'single-object'; readonly fingerprint: bigint; readonly bodyOffset: number };

/** Reads the frame of an event. Throws a DecodeError: `empty`, `unknown-magic` or `truncated`. */
export function parseFrame(bytes: Buffer): Frame {
  if (bytes.length === 0)
    throw new DecodeError('empty', 'no bytes: an event has at least a frame and a field');
  if (bytes[0] === 0x00) {
    requireHeader(bytes, CONFLUENT_HEADER_BYTES, 'Confluent');
    return { framing: 'confluent', schemaId: bytes.readUInt32BE(1), bodyOffset: CONFLUENT_HEADER_BYTES };
  }
  if (bytes[0] === 0xc3 && (bytes.length === 1 || bytes[1] === 0x01)) {
    requireHeader(bytes, SINGLE_OBJECT_HEADER_BYTES, 'single-object');
    return {
      framing: 'single-object',
      fingerprint: bytes.readBigUInt64LE(2),
      bodyOffset: SINGLE_OBJECT_HEADER_BYTES,
    };
  }
  throw new DecodeError(
    'unknown-magic',
    `begins with ${bytes.subarray(0, 2).toString('hex')}, which is neither Confluent's 00 nor Avro single-object's c301`,
  );
}

function requireHeader(bytes: Buffer, headerBytes: number, framing: string): void {
  if (bytes.length >= headerBytes) return;
  throw new DecodeError(
    'truncated',
    `${bytes.length} bytes, but the ${framing} frame alone has ${headerBytes}`,
  );
}

/** The header of a single-object frame. */
export function singleObjectHeader(fingerprint: bigint): Buffer {
  const header = Buffer.from([0xc3, 0x01, 0, 0, 0, 0, 0, 0, 0, 0]);
  header.writeBigUInt64LE(fingerprint, 2);
  return header;
}

/** The header of a Confluent frame. */
export function confluentHeader(schemaId: number): Buffer {
  const header = Buffer.alloc(CONFLUENT_HEADER_BYTES);
  header.writeUInt32BE(schemaId, 1);
  return header;
}
