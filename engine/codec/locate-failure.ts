/**
 * Why bytes do not decode: walks them once more, slowly, by the writer's schema, up to the field where they go wrong.
 * Only for bytes that the decoder refused, so that its hot path carries no paths.
 */
import type { DecodeErrorCode } from './codec-error.ts';
import { decimalText, unscaledOf, unscaledOfBytes } from './decimal.ts';
import { isUuid } from './logical-types.ts';
import type { Logical, SchemaNode } from './schema-node.ts';

/** Where and why decoding fails. */
export interface DecodeFailure {
  readonly code: DecodeErrorCode;
  /** Path of the field; '' outside any. */
  readonly field: string;
  readonly reason: string;
}

/** The first thing wrong with bytes from `offset` on, as an encoding of `writer` up to their end; undefined if nothing is. */
export function locateFailure(writer: SchemaNode, bytes: Buffer, offset: number): DecodeFailure | undefined {
  const cursor: Cursor = { bytes, pos: offset };
  try {
    walk(writer, cursor, '');
  } catch (error) {
    if (error instanceof Failed) return error.failure;
    throw error;
  }
  const left = bytes.length - cursor.pos;
  return left === 0
    ? undefined
    : { code: 'trailing-bytes', field: '', reason: `${left} bytes are left over after the last field` };
}

interface Cursor {
  readonly bytes: Buffer;
  pos: number;
}

class Failed extends Error {
  readonly failure: DecodeFailure;
  constructor(failure: DecodeFailure) {
    super(failure.reason);
    this.failure = failure;
  }
}

function malformed(field: string, reason: string): never {
  throw new Failed({ code: 'malformed', field, reason });
}

function take(cursor: Cursor, size: number, field: string, what: string): Buffer {
  const left = cursor.bytes.length - cursor.pos;
  if (size > left) {
    const reason = `${what} needs ${size} bytes from byte ${cursor.pos} on, but ${left} are left`;
    throw new Failed({ code: 'truncated', field, reason });
  }
  cursor.pos += size;
  return cursor.bytes.subarray(cursor.pos - size, cursor.pos);
}

const MAX_VARINT_BYTES = 10;

function varint(cursor: Cursor, field: string, what: string): bigint {
  let value = 0n;
  for (let i = 0; i < MAX_VARINT_BYTES; i++) {
    const byte = take(cursor, 1, field, what)[0]!;
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) return (value >> 1n) ^ -(value & 1n);
  }
  return malformed(field, `${what} is longer than ${MAX_VARINT_BYTES} bytes`);
}

function sizedBytes(cursor: Cursor, field: string, what: string): Buffer {
  const size = varint(cursor, field, `the length of ${what}`);
  if (size < 0n) malformed(field, `the length of ${what} is ${size}`);
  return take(cursor, Number(size), field, what);
}

function walk(node: SchemaNode, cursor: Cursor, field: string): void {
  switch (node.kind) {
    case 'null':
      return;
    case 'boolean':
      take(cursor, 1, field, 'a boolean');
      return;
    case 'int':
    case 'long':
      walkInteger(node.kind, cursor, field);
      return;
    case 'float':
      take(cursor, 4, field, 'a float');
      return;
    case 'double':
      take(cursor, 8, field, 'a double');
      return;
    case 'bytes':
    case 'string':
      checkLogical(node.logical, sizedBytes(cursor, field, node.kind), field);
      return;
    case 'fixed':
      checkLogical(node.logical, take(cursor, node.size, field, `fixed(${node.size})`), field);
      return;
    case 'enum':
      indexed(node.symbols, varint(cursor, field, 'an enum'), field, `symbols of ${node.name}`);
      return;
    case 'union':
      walk(indexed(node.branches, varint(cursor, field, 'a union branch'), field, 'branches'), cursor, field);
      return;
    case 'record':
      for (const inner of node.fields)
        walk(inner.type, cursor, field === '' ? inner.name : `${field}.${inner.name}`);
      return;
    case 'array':
      walkBlocks(cursor, field, (index) => {
        walk(node.items, cursor, `${field}.${index}`);
      });
      return;
    case 'map':
      walkBlocks(cursor, field, () => {
        walk(node.values, cursor, `${field}.${sizedBytes(cursor, field, 'a map key').toString()}`);
      });
  }
}

function walkInteger(kind: 'int' | 'long', cursor: Cursor, field: string): void {
  const value = varint(cursor, field, `a ${kind}`);
  if (kind === 'int' && BigInt.asIntN(32, value) !== value)
    malformed(field, `an int beyond 32 bits: ${value}`);
  if (!Number.isSafeInteger(Number(value))) {
    malformed(field, `a long beyond 2^53 - 1, which no JavaScript number holds exactly: ${value}`);
  }
}

function indexed<T>(of: readonly T[], index: bigint, field: string, what: string): T {
  const found = index < 0n ? undefined : of[Number(index)];
  return found ?? malformed(field, `index ${index} among ${of.length} ${what}`);
}

function checkLogical(logical: Logical | undefined, bytes: Buffer, field: string): void {
  if (logical?.name === 'uuid' && !isUuid(bytes.toString().toLowerCase())) {
    malformed(field, `${JSON.stringify(bytes.toString())} is not a uuid`);
  }
  if (logical?.name !== 'decimal') return;
  const text = decimalText(unscaledOfBytes(bytes), logical.scale);
  if (unscaledOf(text, logical.precision, logical.scale) === undefined) {
    malformed(field, `decimal ${text} has more than ${logical.precision} digits`);
  }
}

function walkBlocks(cursor: Cursor, field: string, walkItem: (index: number) => void): void {
  let index = 0;
  for (;;) {
    let count = varint(cursor, field, 'a block count');
    if (count === 0n) return;
    if (count < 0n) {
      count = -count;
      varint(cursor, field, 'a block size');
    }
    const left = cursor.bytes.length - cursor.pos;
    if (count > BigInt(left)) {
      throw new Failed({
        code: 'truncated',
        field,
        reason: `${count} items announced, but ${left} bytes are left`,
      });
    }
    for (; count > 0n; count--) walkItem(index++);
  }
}
