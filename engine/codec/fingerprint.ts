/**
 * Parsing Canonical Form and CRC-64-AVRO: the name of a schema on the wire.
 *
 * I1  The fingerprint says nothing of docs, defaults, aliases and logical types. Schemas that differ in a logical type
 *     alone share a fingerprint; writer-schemas.ts refuses to hold two such, and compatibility.ts to release them.
 * Source: https://avro.apache.org/docs/1.12.0/specification/#parsing-canonical-form-for-schemas
 */
import type { AvroSchema } from '#engine/topology/stream.ts';
import { parseSchema } from './schema-node.ts';
import type { Logical, SchemaNode } from './schema-node.ts';

/** The Parsing Canonical Form of a schema, as text. */
export function canonicalForm(schema: AvroSchema): string {
  return JSON.stringify(canonical(parseSchema(schema), new Set(), false));
}

/** The canonical form with the logical types that change how bytes are understood: equal text, equal values. */
export function meaningOf(node: SchemaNode): string {
  return JSON.stringify(canonical(node, new Set(), true));
}

function canonical(node: SchemaNode, seen: Set<string>, logical: boolean): unknown {
  switch (node.kind) {
    case 'union':
      return node.branches.map((branch) => canonical(branch, seen, logical));
    case 'array':
      return { type: 'array', items: canonical(node.items, seen, logical) };
    case 'map':
      return { type: 'map', values: canonical(node.values, seen, logical) };
    case 'record':
    case 'enum':
    case 'fixed':
      if (seen.has(node.name)) return node.name;
      seen.add(node.name);
      return canonicalNamed(node, seen, logical);
    case 'null':
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'bytes':
    case 'string':
      return logical && node.logical !== undefined
        ? { type: node.kind, ...meaning(node.logical) }
        : node.kind;
  }
}

function canonicalNamed(
  node: Extract<SchemaNode, { kind: 'record' | 'enum' | 'fixed' }>,
  seen: Set<string>,
  logical: boolean,
): unknown {
  const { name, kind } = node;
  switch (kind) {
    case 'record': {
      const fields = node.fields.map((field) => ({
        name: field.name,
        type: canonical(field.type, seen, logical),
      }));
      return { name, type: kind, fields };
    }
    case 'enum':
      return { name, type: kind, symbols: node.symbols };
    case 'fixed':
      return {
        name,
        type: kind,
        size: node.size,
        ...(logical && node.logical !== undefined ? meaning(node.logical) : {}),
      };
  }
}

function meaning(logical: Logical): object {
  return logical.name === 'unsupported' ? {} : { logicalType: logical };
}

const EMPTY = 0xc15d213aa4d7a795n;

const TABLE: readonly bigint[] = Array.from({ length: 256 }, (_, byte) => {
  let value = BigInt(byte);
  for (let bit = 0; bit < 8; bit++) value = (value >> 1n) ^ (value & 1n ? EMPTY : 0n);
  return value;
});

/** CRC-64-AVRO of bytes, as an unsigned 64-bit integer. */
export function crc64Avro(bytes: Uint8Array): bigint {
  let crc = EMPTY;
  for (const byte of bytes) crc = (crc >> 8n) ^ TABLE[Number(crc & 0xffn) ^ byte]!;
  return crc;
}

/** The CRC-64-AVRO fingerprint of a schema's Parsing Canonical Form. Throws a CodecError if the schema is not well-formed. */
export function fingerprintOf(schema: AvroSchema): bigint {
  return crc64Avro(Buffer.from(canonicalForm(schema)));
}

/** A fingerprint as 16 hexadecimal digits, most significant first. */
export function fingerprintHex(fingerprint: bigint): string {
  return fingerprint.toString(16).padStart(16, '0');
}
