/**
 * The avsc type of a schema, set up the way Weir uses it.
 *
 * | Avro                              | TypeScript                                    |
 * | --------------------------------- | --------------------------------------------- |
 * | boolean; int, float, double; string | boolean; number; string                     |
 * | long, timestamp-millis/-micros    | number, a safe integer                        |
 * | date                              | number, days since 1970-01-01                 |
 * | bytes, fixed                      | Buffer                                        |
 * | decimal                           | string, exact: "-12.30"                       |
 * | uuid                              | string, lower case                            |
 * | enum                              | the symbol                                    |
 * | array, map, record                | array, object, plain object                   |
 * | union of null and T               | T or null, never wrapped                      |
 *
 * I1  Decoded records are plain objects: their prototype is Object.prototype. It costs nothing (measured: an 8-field
 *     record decodes as fast as with avsc's class of its own) and keeps equality, freezing and JSON free of surprises.
 */
import avro from 'avsc';
import type { AvroSchema } from '#engine/topology/stream.ts';
import { CodecError } from './codec-error.ts';
import { DecimalType, UuidType } from './logical-types.ts';
import {
  BoundedArrayType,
  BoundedMapType,
  SafeIntType,
  SafeLongType,
  StrictEnumType,
} from './strict-types.ts';

/** avsc's type: `toBuffer`, `fromBuffer`, `encode`, `decode`, `createResolver`. */
export type AvroType = avro.Type;

type TypeHook = NonNullable<Partial<avro.ForSchemaOptions>['typeHook']>;

const hook: TypeHook = (schema, options) => {
  const name = typeof schema === 'string' ? schema : (schema as { type?: unknown }).type;
  switch (name) {
    case 'long':
      return new SafeLongType();
    case 'int':
      return new SafeIntType();
    case 'array':
      return new BoundedArrayType(schema, options);
    case 'map':
      return new BoundedMapType(schema, options);
    case 'enum':
      return new StrictEnumType(schema, options);
    default:
      return undefined;
  }
};

/** Builds the avsc type of a schema. Throws a CodecError (`invalid-schema`) with avsc's reason. */
export function avroType(schema: AvroSchema): AvroType {
  let type: AvroType;
  try {
    type = avro.Type.forSchema(schema as avro.Schema, {
      typeHook: hook,
      logicalTypes: { decimal: DecimalType, uuid: UuidType },
      assertLogicalTypes: true,
      omitRecordMethods: true,
    });
  } catch (cause) {
    throw new CodecError('invalid-schema', [cause instanceof Error ? cause.message : String(cause)], cause);
  }
  makeRecordsPlain(type, new Set());
  return type;
}

interface Inner {
  readonly fields?: readonly avro.types.Field[];
  readonly recordConstructor?: { prototype: object };
  readonly itemsType?: avro.Type;
  readonly valuesType?: avro.Type;
  readonly types?: readonly avro.Type[];
}

function makeRecordsPlain(type: avro.Type, seen: Set<avro.Type>): void {
  if (seen.has(type)) return;
  seen.add(type);
  const inner = type as unknown as Inner;
  if (inner.recordConstructor !== undefined) inner.recordConstructor.prototype = Object.prototype;
  const children = [
    ...(inner.fields ?? []).map((field) => field.type),
    ...(inner.types ?? []),
    ...(inner.itemsType === undefined ? [] : [inner.itemsType]),
    ...(inner.valuesType === undefined ? [] : [inner.valuesType]),
  ];
  for (const child of children) makeRecordsPlain(child, seen);
}
