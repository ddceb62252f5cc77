/**
 * Events from JSON, as people and tools write it, and back: the lines of `weir produce` and `weir report --format json`.
 *
 * | type                      | JSON taken                                                  | JSON given        |
 * | ------------------------- | ----------------------------------------------------------- | ----------------- |
 * | timestamp-millis, -micros | an integer in that unit, or ISO 8601 with a zone            | the integer       |
 * | date                      | days since 1970-01-01, or "YYYY-MM-DD"                      | the integer       |
 * | bytes, fixed              | {"base64": "..."}, or text of code points up to 255 (Avro's JSON encoding) | {"base64": "..."} |
 * | decimal                   | text "-12.30", or a whole number                            | the text          |
 * | float, double             | a number, or "NaN", "Infinity", "-Infinity"                 | the same          |
 * | union of null and T       | null or T, never wrapped                                    | the same          |
 *
 * I1  Nothing is guessed or dropped: a field that the schema does not have, a number out of range and a string for a
 *     number are errors. A field left out gets the schema's default, or null where it may be null; else it is an error.
 * I2  All problems of an event are reported at once: the first 20 in words, the others as a number. What is said of an event
 *     is bounded, however large the event.
 * I3  eventFromJson(eventToJson(event)) is the event.
 */
import type { RecordSchema } from '#engine/topology/stream.ts';
import { fitsScalar, isObject, problemAt, within } from './check-value.ts';
import type { ScalarNode } from './check-value.ts';
import { CodecError } from './codec-error.ts';
import { decimalText, unscaledOf, unscaledOfBytes } from './decimal.ts';
import { timeFromText } from './iso-time.ts';
import { describe, nullableOf, parseRecord } from './schema-node.ts';
import type { FieldNode, RecordNode, SchemaNode } from './schema-node.ts';

/**
 * The event that a JSON value describes. Throws a CodecError (`invalid-value`) whose `problems` name every field that
 * is wrong, with what was expected and what was found; beyond 20 the last one says how many more there are.
 */
export function eventFromJson<T>(schema: RecordSchema<T>, json: unknown): T {
  const found: Findings = { told: [], count: 0 };
  const event = fromJson(recordOf(schema), json, '', found);
  const { told, count } = found;
  if (count > told.length) told.push(`and ${count - told.length} more problems`);
  if (count > 0) throw new CodecError('invalid-value', told);
  return event as T;
}

const maxTold = 20;
/** Of a name that the schema does not have, in characters. */
const maxNameLength = 100;

/** What is wrong with an event. */
interface Findings {
  /** At most `maxTold`. */
  readonly told: string[];
  /** Of all. */
  count: number;
}

function report(found: Findings, problem: () => string): void {
  found.count += 1;
  if (found.told.length < maxTold) found.told.push(problem());
}

/** As `within`, of a name that the event's sender chose. */
function withinForeign(path: string, name: string): string {
  return within(path, name.length > maxNameLength ? `${name.slice(0, maxNameLength)}...` : name);
}

/** The JSON value of an event: `eventFromJson` gives the event back. The event must fit the schema. */
export function eventToJson<T>(schema: RecordSchema<T>, event: T): unknown {
  return toJson(recordOf(schema), event);
}

const parsed = new WeakMap<object, RecordNode>();

function recordOf(schema: RecordSchema<unknown>): RecordNode {
  const known = parsed.get(schema.schema);
  if (known !== undefined) return known;
  const record = parseRecord(schema.schema);
  parsed.set(schema.schema, record);
  return record;
}

function fromJson(node: SchemaNode, json: unknown, path: string, found: Findings): unknown {
  switch (node.kind) {
    case 'record':
      return recordFromJson(node, json, path, found);
    case 'array':
      if (Array.isArray(json))
        return json.map((item, index) => fromJson(node.items, item, within(path, index), found));
      break;
    case 'map':
      if (isObject(json)) {
        return Object.fromEntries(
          Object.entries(json).map(([key, value]) => [
            key,
            fromJson(node.values, value, withinForeign(path, key), found),
          ]),
        );
      }
      break;
    case 'union':
      return unionFromJson(node, json, path, found);
    case 'null':
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'bytes':
    case 'string':
    case 'enum':
    case 'fixed': {
      const value = scalarFromJson(node, json);
      if (fitsScalar(node, value)) return value;
    }
  }
  report(found, () => problemAt(path, expected(node), json));
  return undefined;
}

function recordFromJson(node: RecordNode, json: unknown, path: string, found: Findings): unknown {
  if (!isObject(json)) {
    report(found, () => problemAt(path, `an object for ${describe(node)}`, json));
    return undefined;
  }
  reportUnknown(node, json, path, found);
  return Object.fromEntries(
    node.fields.map((field) => [
      field.name,
      fieldFromJson(field, own(json, field.name), within(path, field.name), found),
    ]),
  );
}

/** The first of an object's unknown fields says which ones there are. */
function reportUnknown(node: RecordNode, json: object, path: string, found: Findings): void {
  let isFirst = true;
  for (const name of Object.keys(json)) {
    if (node.fields.some((field) => field.name === name)) continue;
    const known = isFirst ? `; ${node.name} has ${node.fields.map((field) => field.name).join(', ')}` : '';
    report(found, () => `field '${withinForeign(path, name)}': unknown${known}`);
    isFirst = false;
  }
}

/** A member that the object itself holds: `constructor` is no field of `{}`. */
function own(json: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(json, name) ? json[name] : undefined;
}

function fieldFromJson(field: FieldNode, json: unknown, path: string, found: Findings): unknown {
  if (json !== undefined) return fromJson(field.type, json, path, found);
  if (field.default !== undefined) return defaultValue(field.type, field.default);
  if (field.type.kind === 'union' && nullableOf(field.type) !== undefined) return null;
  return fromJson(field.type, undefined, path, found);
}

/** A default in Avro's JSON form, which the schema's validation has accepted: of a union it is the first branch's. */
function defaultValue(node: SchemaNode, json: unknown): unknown {
  const type = node.kind === 'union' ? node.branches[0]! : node;
  if ((type.kind === 'bytes' || type.kind === 'fixed') && type.logical?.name === 'decimal') {
    return decimalText(unscaledOfBytes(Buffer.from(json as string, 'latin1')), type.logical.scale);
  }
  return fromJson(type, json, '', { told: [], count: 0 });
}

function unionFromJson(
  node: SchemaNode & { kind: 'union' },
  json: unknown,
  path: string,
  found: Findings,
): unknown {
  const inner = nullableOf(node);
  if (inner === undefined) {
    report(found, () =>
      problemAt(path, `a type other than ${describe(node)}, which has no JSON form here`, json),
    );
    return undefined;
  }
  if (json === null) return null;
  const inside: Findings = { told: [], count: 0 };
  const value = fromJson(inner, json, path, inside);
  for (const problem of inside.told)
    report(found, () => problem.replace(`'${path}': expected `, `'${path}': expected null or `));
  found.count += inside.count - inside.told.length;
  return value;
}

function scalarFromJson(node: ScalarNode, json: unknown): unknown {
  switch (node.kind) {
    case 'bytes':
    case 'fixed':
      return node.logical?.name === 'decimal' ? decimalFromJson(node.logical, json) : bytesFromJson(json);
    case 'int':
    case 'long':
      return typeof json === 'string' ? timeFromText(node.logical, json) : json;
    case 'float':
    case 'double':
      return typeof json === 'string' ? NON_FINITE.get(json) : inFloatRange(node.kind, json);
    case 'string':
      return node.logical?.name === 'uuid' && typeof json === 'string' ? json.toLowerCase() : json;
    case 'null':
    case 'boolean':
    case 'enum':
      return json;
  }
}

const NON_FINITE: ReadonlyMap<string, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

/** JSON.parse turns 1e999 into Infinity, and 32 bits hold less than a number does: neither was meant. */
function inFloatRange(kind: 'float' | 'double', json: unknown): unknown {
  if (typeof json !== 'number') return json;
  return Number.isFinite(kind === 'float' ? Math.fround(json) : json) ? json : undefined;
}

function decimalFromJson({ precision, scale }: { precision: number; scale: number }, json: unknown): unknown {
  const text = Number.isSafeInteger(json) ? String(json) : json;
  if (typeof text !== 'string') return json;
  const unscaled = unscaledOf(text, precision, scale);
  return unscaled === undefined ? json : decimalText(unscaled, scale);
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function bytesFromJson(json: unknown): unknown {
  if (typeof json === 'string') return isLatin1(json) ? Buffer.from(json, 'latin1') : json;
  if (!isObject(json) || Object.keys(json).length !== 1) return json;
  const text = json['base64'];
  return typeof text === 'string' && BASE64.test(text) ? Buffer.from(text, 'base64') : json;
}

function isLatin1(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return false;
  return true;
}

/** What a JSON value may be, for messages. */
function expected(node: SchemaNode): string {
  if ((node.kind === 'bytes' || node.kind === 'fixed') && node.logical === undefined) {
    return `${describe(node)} as {"base64": "..."} or text of code points up to 255`;
  }
  if (
    (node.kind === 'long' || node.kind === 'int') &&
    node.logical !== undefined &&
    node.logical.name !== 'unsupported'
  ) {
    const text = node.logical.name === 'date' ? '"YYYY-MM-DD"' : 'ISO 8601 text with a zone';
    return `${describe(node)} as an integer or ${text}`;
  }
  return describe(node);
}

function toJson(node: SchemaNode, value: unknown): unknown {
  switch (node.kind) {
    case 'record': {
      const record = value as Readonly<Record<string, unknown>>;
      return Object.fromEntries(
        node.fields.map((field) => [field.name, toJson(field.type, record[field.name])]),
      );
    }
    case 'array':
      return (value as readonly unknown[]).map((item) => toJson(node.items, item));
    case 'map':
      return Object.fromEntries(
        Object.entries(value as object).map(([key, item]: [string, unknown]) => [
          key,
          toJson(node.values, item),
        ]),
      );
    case 'union':
      return value === null ? null : toJson(nullableOf(node) ?? node.branches[0]!, value);
    case 'bytes':
    case 'fixed':
      return Buffer.isBuffer(value) ? { base64: value.toString('base64') } : value;
    case 'float':
    case 'double':
      return Number.isFinite(value) ? value : String(value);
    case 'null':
    case 'boolean':
    case 'int':
    case 'long':
    case 'string':
    case 'enum':
      return value;
  }
}
