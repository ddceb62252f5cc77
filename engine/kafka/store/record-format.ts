/**
 * How a changelog entry lies in the store's LMDB file: under a key with a tag in front, with a checksum behind its value.
 *
 * | tag | rest of the key    | value                                       |
 * | --- | ------------------ | ------------------------------------------- |
 * | 0   | nothing            | the store's own record, JSON                |
 * | 1   | the changelog key  | the changelog value                         |
 * | 2   | SHA-256 of the key | u32 length of the key, the key, the value   |
 *
 * Tag 2 is for keys longer than LMDB takes (1,978 bytes with pages of 4 KiB; less is asked of it, so that branch pages stay wide).
 *
 * I1  The checksum (murmur2 of key and value, mixed with the key's length) covers all that the entry says: a flipped bit anywhere
 *     in it does not go unseen.
 */
import { createHash } from 'node:crypto';
import { murmur2 } from '../../log/murmur2.ts';
import type { ChangelogEntry } from '../../task/task-io.ts';

const tags = { record: 0, plain: 1, hashed: 2 } as const;
const maxPlainKeyBytes = 400;
/** Of the checksum behind each value. */
export const sumBytes = 4;

export const recordKey = Buffer.from([tags.record]);

/** What LMDB is given. `value` ends with the checksum; it is undefined for an entry that is to be removed. */
export interface Packed {
  readonly key: Buffer;
  readonly value: Buffer | undefined;
}

/** murmur2 of `bytes`, a key of `keyLength` bytes and the value after it. */
function checksum(bytes: Buffer, keyLength: number): number {
  return (murmur2(bytes) ^ Math.imul(keyLength, 0x9e3779b1)) | 0;
}

/** @param filled holds key and value already, and has room for the checksum behind them */
function sealed(filled: Buffer, keyLength: number): Packed {
  const end = filled.length - sumBytes;
  filled.writeInt32LE(checksum(filled.subarray(0, end), keyLength), end);
  return { key: filled.subarray(0, keyLength), value: filled.subarray(keyLength) };
}

export function packRecord(json: string): Packed {
  const bytes = Buffer.allocUnsafe(1 + Buffer.byteLength(json) + sumBytes);
  bytes[0] = tags.record;
  bytes.write(json, 1);
  return sealed(bytes, 1);
}

export function packEntry({ key, value }: ChangelogEntry): Packed {
  if (key.length > maxPlainKeyBytes) return packLongKey(key, value);
  const keyLength = 1 + key.length;
  const bytes = Buffer.allocUnsafe(keyLength + (value === null ? 0 : value.length + sumBytes));
  bytes[0] = tags.plain;
  bytes.set(key, 1);
  if (value === null) return { key: bytes, value: undefined };
  bytes.set(value, keyLength);
  return sealed(bytes, keyLength);
}

function packLongKey(key: Buffer, value: Buffer | null): Packed {
  const storeKey = Buffer.concat([Buffer.of(tags.hashed), createHash('sha256').update(key).digest()]);
  if (value === null) return { key: storeKey, value: undefined };
  const length = Buffer.alloc(4);
  length.writeUInt32LE(key.length);
  return sealed(Buffer.concat([storeKey, length, key, value, Buffer.alloc(sumBytes)]), storeKey.length);
}

/** Whether key, value and checksum, one behind the other in `bytes`, fit each other. */
export function isIntact(bytes: Buffer, keyLength: number): boolean {
  const end = bytes.length - sumBytes;
  if (end < keyLength || checksum(bytes.subarray(0, end), keyLength) !== bytes.readInt32LE(end)) return false;
  switch (bytes[0]) {
    case tags.record:
      return keyLength === 1;
    case tags.plain:
      return true;
    case tags.hashed:
      return end >= keyLength + 4 && end >= keyLength + 4 + bytes.readUInt32LE(keyLength);
    case undefined:
    default:
      return false;
  }
}

/** The text of the store's record, from its value as LMDB has it. */
export function unpackRecord(value: Buffer): string {
  return value.toString('utf8', 0, value.length - sumBytes);
}

/**
 * The entry of what LMDB has, given the tag of its key, the rest of the key, and the value without checksum; undefined for
 * the store's record. They must be intact.
 */
export function unpackEntry(tag: number, key: Buffer, value: Buffer): ChangelogEntry | undefined {
  switch (tag) {
    case tags.plain:
      return { key, value };
    case tags.hashed: {
      const keyEnd = 4 + value.readUInt32LE(0);
      return { key: value.subarray(4, keyEnd), value: value.subarray(keyEnd) };
    }
    default:
      return undefined;
  }
}
