/**
 * How long a column of ClickHouse's Native format is, for those types whose length can be told.
 *
 * Needed where a block must be passed on with something put between its columns (native-revision.ts). Layout:
 * https://clickhouse.com/docs/interfaces/formats/Native and src/DataTypes/Serializations.
 *
 * I1. Throws `Incomplete` when the bytes end before the column does; nothing is consumed then.
 * I2. A type that is not known is an exception, never a guess.
 */
import { exception } from './exception.ts';

/** The bytes end too early: try again with more. */
export class Incomplete extends Error {}

/** A position in bytes. */
export interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

interface Type {
  readonly name: string;
  readonly args: readonly string[];
}

const widths: ReadonlyMap<string, number> = new Map([
  ...['Nothing', 'Bool', 'UInt8', 'Int8', 'Enum8'].map((name): [string, number] => [name, 1]),
  ...['UInt16', 'Int16', 'Enum16', 'Date', 'BFloat16'].map((name): [string, number] => [name, 2]),
  ...['UInt32', 'Int32', 'Float32', 'Date32', 'DateTime', 'IPv4', 'Decimal32', 'Time'].map(
    (name): [string, number] => [name, 4],
  ),
  ...['UInt64', 'Int64', 'Float64', 'DateTime64', 'Decimal64', 'Time64'].map((name): [string, number] => [
    name,
    8,
  ]),
  ...['UInt128', 'Int128', 'UUID', 'IPv6', 'Decimal128'].map((name): [string, number] => [name, 16]),
  ...['UInt256', 'Int256', 'Decimal256'].map((name): [string, number] => [name, 32]),
]);

/** Named composite types and what they are made of. */
const aliases: ReadonlyMap<string, string> = new Map([
  ['Point', 'Tuple(Float64, Float64)'],
  ['Ring', 'Array(Point)'],
  ['LineString', 'Array(Point)'],
  ['Polygon', 'Array(Ring)'],
  ['MultiLineString', 'Array(LineString)'],
  ['MultiPolygon', 'Array(Polygon)'],
]);

function take(cursor: Cursor, count: number): number {
  const from = cursor.at;
  if (from + count > cursor.bytes.length) throw new Incomplete();
  cursor.at = from + count;
  return from;
}

/** Read an unsigned LEB128 number. */
export function readVarUint(cursor: Cursor): number {
  let value = 0;
  for (let shift = 1; ; shift *= 128) {
    const byte = cursor.bytes[take(cursor, 1)] ?? 0;
    value += (byte & 0x7f) * shift;
    if (byte < 0x80) return value;
  }
}

/** Read a string with its length before it. */
export function readString(cursor: Cursor): string {
  const length = readVarUint(cursor);
  const from = take(cursor, length);
  return cursor.bytes.toString('utf8', from, from + length);
}

function readUint64(cursor: Cursor): number {
  return Number(cursor.bytes.readBigUInt64LE(take(cursor, 8)));
}

/** Split at commas that are outside of brackets and quotes. */
function splitArguments(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (const { 0: token, index } of text.matchAll(/'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|[(),]/g)) {
    if (token === '(') depth++;
    else if (token === ')') depth--;
    else if (token === ',' && depth === 0) {
      parts.push(text.slice(from, index).trim());
      from = index + 1;
    }
  }
  const last = text.slice(from).trim();
  return last === '' ? parts : [...parts, last];
}

function parseType(text: string): Type {
  const known = aliases.get(text) ?? text;
  const match = /^(\w+)\(([^]*)\)$/.exec(known);
  return match === null
    ? { name: known, args: [] }
    : { name: match[1] ?? '', args: splitArguments(match[2] ?? '') };
}

/** An element of a Tuple or Nested: `name Type`, or the type alone. */
function elementType(text: string): string {
  const named = /^(?:`(?:[^`\\]|\\.)*`|\w+)\s+([^]+)$/.exec(text);
  return named?.[1] ?? text;
}

function decimalWidth(precision: number): number {
  if (precision <= 9) return 4;
  if (precision <= 18) return 8;
  return precision <= 38 ? 16 : 32;
}

/** The parts of a composite type, in the order in which they are stored; undefined for a plain one. */
function partsOf({ name, args }: Type): readonly string[] | undefined {
  switch (name) {
    case 'Array':
    case 'Nullable':
    case 'LowCardinality':
      return args;
    case 'Map':
    case 'Tuple':
      return args.map(elementType);
    case 'Nested':
      return [`Tuple(${args.map(elementType).join(', ')})`];
    case 'SimpleAggregateFunction':
      return args.slice(1);
    default:
      return undefined;
  }
}

/** Skip what stands before the data of a column: a version for each LowCardinality in it. */
function skipPrefix(cursor: Cursor, text: string): void {
  const type = parseType(text);
  if (type.name === 'LowCardinality') take(cursor, 8);
  else for (const part of partsOf(type) ?? []) skipPrefix(cursor, part);
}

function skipLowCardinality(cursor: Cursor, inner: string): void {
  const flags = readUint64(cursor);
  const nullable = /^Nullable\(([^]*)\)$/.exec(inner);
  const dictionarySize = readUint64(cursor);
  skipData(cursor, nullable?.[1] ?? inner, dictionarySize);
  const rows = readUint64(cursor);
  take(cursor, rows * 2 ** (flags % 256));
}

function skipData(cursor: Cursor, text: string, rows: number): void {
  const type = parseType(text);
  const [first = '', second = ''] = type.args;
  const width = widths.get(type.name);
  if (width !== undefined) take(cursor, width * rows);
  else if (type.name.startsWith('Interval')) take(cursor, 8 * rows);
  else if (type.name === 'Decimal') take(cursor, decimalWidth(Number(first)) * rows);
  else if (type.name === 'FixedString') take(cursor, Number(first) * rows);
  else if (type.name === 'String') for (let row = 0; row < rows; row++) take(cursor, readVarUint(cursor));
  else if (type.name === 'LowCardinality') {
    if (rows > 0) skipLowCardinality(cursor, first);
  } else if (type.name === 'Nullable') {
    take(cursor, rows);
    skipData(cursor, first, rows);
  } else if (type.name === 'Array' || type.name === 'Map' || type.name === 'Nested') {
    const offsets = take(cursor, 8 * rows);
    const items = rows === 0 ? 0 : Number(cursor.bytes.readBigUInt64LE(offsets + 8 * (rows - 1)));
    for (const part of partsOf(type) ?? []) skipData(cursor, part, items);
  } else {
    const parts = partsOf(type);
    if (parts === undefined) throw exception(48, unsupported(text));
    // A Tuple without elements is stored as one byte a row.
    if (parts.length === 0) take(cursor, rows);
    for (const part of type.name === 'SimpleAggregateFunction' ? [second] : parts)
      skipData(cursor, part, rows);
  }
}

function unsupported(type: string): string {
  return (
    `A column of type ${type} cannot be sent as Native to a client with client_protocol_version: ` +
    `convert it, for example with toString or toJSONString.`
  );
}

/** Move past the data of a column of this type. */
export function skipColumn(cursor: Cursor, type: string, rows: number): void {
  if (rows === 0) return;
  skipPrefix(cursor, type);
  skipData(cursor, type, rows);
}
