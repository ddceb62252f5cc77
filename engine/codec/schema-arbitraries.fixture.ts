/** Random schemas that Weir takes, values of them, and evolutions of them, for property tests. */
import fc from 'fast-check';
import type { AvroObject, AvroSchema } from '#engine/topology/stream.ts';
import { bytesOfUnscaled, decimalText } from './decimal.ts';
import { parseSchema } from './schema-node.ts';
import type { Logical, SchemaNode } from './schema-node.ts';

const name = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const SYMBOLS = ['up', 'down', 'idle'];

const scalar: fc.Arbitrary<AvroSchema> = fc.oneof(
  fc.constantFrom<AvroSchema>('boolean', 'int', 'long', 'float', 'double', 'string', 'bytes'),
  fc.constantFrom<AvroSchema>(
    { type: 'long', logicalType: 'timestamp-millis' },
    { type: 'long', logicalType: 'timestamp-micros' },
    { type: 'int', logicalType: 'date' },
    { type: 'string', logicalType: 'uuid' },
    { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 3 },
    { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 4 },
  ),
  fc.record({
    type: fc.constant('enum'),
    name: fc.constant('E'),
    symbols: fc.subarray(SYMBOLS, { minLength: 1 }),
  }) as fc.Arbitrary<AvroSchema>,
  fc.record({
    type: fc.constant('fixed'),
    name: fc.constant('F'),
    size: fc.integer({ min: 1, max: 3 }),
  }) as fc.Arbitrary<AvroSchema>,
);

/** A type at most `depth` deep; names of nested types are made unique by `named`. */
function type(depth: number): fc.Arbitrary<AvroSchema> {
  if (depth === 0) return scalar;
  const inner = type(depth - 1);
  return fc.oneof(
    { weight: 4, arbitrary: scalar },
    { weight: 2, arbitrary: nullable(inner) },
    { weight: 1, arbitrary: inner.map((items): AvroSchema => ({ type: 'array', items })) },
    { weight: 1, arbitrary: inner.map((values): AvroSchema => ({ type: 'map', values })) },
    { weight: 1, arbitrary: record(depth - 1) },
  );
}

function nullable(inner: fc.Arbitrary<AvroSchema>): fc.Arbitrary<AvroSchema> {
  return inner.map((branch) => (Array.isArray(branch) ? branch : ['null', branch]) as AvroSchema);
}

function record(depth: number): fc.Arbitrary<AvroObject> {
  return fc
    .uniqueArray(fc.tuple(name, type(depth), fc.boolean()), {
      selector: ([field]) => field,
      minLength: 1,
      maxLength: 4,
    })
    .map((fields) => ({
      type: 'record',
      name: 'R',
      fields: fields.map(([field, fieldType, wantsDefault]) => ({
        name: field,
        type: fieldType,
        ...(wantsDefault ? defaultOf(fieldType) : {}),
      })),
    }));
}

function defaultOf(schema: AvroSchema): object {
  if (schema === 'int' || schema === 'long' || schema === 'double') return { default: 7 };
  if (schema === 'string') return { default: 'x' };
  if (Array.isArray(schema)) return { default: null };
  if (typeof schema === 'object' && (schema as AvroObject).type === 'array') return { default: [] };
  return {};
}

/** Gives each named type the name of its place, so that a schema defines no name twice. */
function named(schema: AvroSchema, path: string): AvroSchema {
  if (typeof schema === 'string') return schema;
  if (Array.isArray(schema)) return (schema as readonly AvroSchema[]).map((branch) => named(branch, path));
  const json = schema as AvroObject;
  const fields = json['fields'] as readonly { name: string; type: AvroSchema }[] | undefined;
  return {
    ...json,
    ...('name' in json ? { name: path } : {}),
    ...('items' in json ? { items: named(json['items'] as AvroSchema, `${path}_i`) } : {}),
    ...('values' in json ? { values: named(json['values'] as AvroSchema, `${path}_v`) } : {}),
    ...(fields === undefined
      ? {}
      : { fields: fields.map((field) => ({ ...field, type: named(field.type, `${path}_${field.name}`) })) }),
  };
}

/** A record schema of nested records, arrays, maps, unions with null and all logical types. */
const recordSchema: fc.Arbitrary<AvroObject> = record(2).map((schema) => named(schema, 'R') as AvroObject);

/** Two record schemas of one name that share most of their fields. */
export const schemaPair: fc.Arbitrary<readonly [AvroObject, AvroObject]> = fc
  .tuple(record(1), record(1), fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }))
  .map(([one, other, keep]) => {
    const fieldsOf = (of: AvroObject): readonly { name: string }[] =>
      of['fields'] as readonly { name: string }[];
    const kept = fieldsOf(one).filter((_, index) => keep[index]);
    const taken = new Set(kept.map((field) => field.name));
    const added = fieldsOf(other).filter((field) => !taken.has(field.name));
    return [named(one, 'R'), named({ ...one, fields: [...kept, ...added] }, 'R')] as [AvroObject, AvroObject];
  });

const uuid = fc.uuid();
const text = fc.string({ unit: 'grapheme', maxLength: 12 });

function logicalValue(logical: Logical | undefined, size?: number): fc.Arbitrary<unknown> {
  if (logical?.name !== 'decimal') {
    const bounds = size === undefined ? { maxLength: 8 } : { minLength: size, maxLength: size };
    return fc.uint8Array(bounds).map((bytes) => Buffer.from(bytes));
  }
  const limit = 10n ** BigInt(logical.precision) - 1n;
  return fc
    .bigInt({ min: -limit, max: limit })
    .filter((unscaled) => bytesOfUnscaled(unscaled, size) !== undefined)
    .map((unscaled) => decimalText(unscaled, logical.scale));
}

/** Values of a schema, in their TypeScript form. Floats are such that 32 bits hold them. */
export function valueOf(node: SchemaNode): fc.Arbitrary<unknown> {
  switch (node.kind) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'int':
      return fc.integer();
    case 'long':
      return node.logical === undefined ? fc.maxSafeInteger() : fc.integer({ min: -8.64e15, max: 8.64e15 });
    case 'float':
      return fc.float({ noNaN: true });
    case 'double':
      return fc.double({ noNaN: true });
    case 'string':
      return node.logical?.name === 'uuid' ? uuid : text;
    case 'bytes':
      return logicalValue(node.logical);
    case 'fixed':
      return logicalValue(node.logical, node.size);
    case 'enum':
      return fc.constantFrom(...node.symbols);
    case 'array':
      return fc.array(valueOf(node.items), { maxLength: 4 });
    case 'map':
      return fc
        .array(fc.tuple(fc.oneof(text, fc.constant('__proto__')), valueOf(node.values)), { maxLength: 4 })
        .map(Object.fromEntries);
    case 'union':
      return fc.oneof(...node.branches.map(valueOf));
    case 'record':
      return fc.record(Object.fromEntries(node.fields.map((field) => [field.name, valueOf(field.type)])), {
        noNullPrototype: true,
      });
  }
}

/** A schema and a value of it. */
export const schemaAndValue: fc.Arbitrary<readonly [AvroObject, unknown]> = recordSchema.chain((schema) =>
  fc.tuple(fc.constant(schema), valueOf(parseSchema(schema))),
);
