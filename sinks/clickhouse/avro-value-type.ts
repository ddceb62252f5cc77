/** The ClickHouse type of each Avro type. Records at the top level become columns instead (columns.ts). */
import { describe, type Logical, type RecordNode, type SchemaNode } from '#engine/codec/schema-node.ts';
import { SinkError } from './error.ts';
import { nullable, type TupleElement, type ValueType } from './value-type.ts';

/** The widest decimal that ClickHouse holds: Decimal256. */
const MAX_DECIMAL_PRECISION = 76;

/** The error of a field that has no column. `place` is schema and field. */
export function refusal(place: string, why: string): SinkError {
  return new SinkError('schema-unsupported', `${place} cannot become a column: ${why}`);
}

/** A schema without its null branch. A union other than of null and one type is refused. */
export function unwrapNull(
  node: SchemaNode,
  place: string,
): { readonly type: SchemaNode; readonly optional: boolean } {
  if (node.kind !== 'union') return { type: node, optional: false };
  const others = node.branches.filter((branch) => branch.kind !== 'null');
  const [only] = others;
  if (only === undefined || others.length > 1) {
    throw refusal(place, `a union must be of null and one other type, is ${describe(node)}`);
  }
  return { type: only, optional: others.length < node.branches.length };
}

/** The ClickHouse type of a schema node; a record inside an array or map is a named tuple. */
export function valueTypeOf(
  node: SchemaNode,
  place: string,
  enclosing: readonly RecordNode[] = [],
): ValueType {
  switch (node.kind) {
    case 'enum':
      return { kind: 'LowCardinality', nullable: false };
    case 'array':
      return { kind: 'Array', of: elementOf(node.items, `${place}[]`, enclosing) };
    case 'map':
      return { kind: 'Map', value: elementOf(node.values, `${place}{}`, enclosing) };
    case 'record':
      return { kind: 'Tuple', elements: tupleElements(node, place, enclosing) };
    case 'fixed':
      return logicalType(node.logical, place) ?? { kind: 'FixedString', bytes: node.size };
    case 'union':
    case 'null':
      throw refusal(place, `${describe(node)} has no ClickHouse type`);
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'bytes':
    case 'string':
      return logicalType(node.logical, place) ?? { kind: PRIMITIVES[node.kind] };
  }
}

const PRIMITIVES = {
  boolean: 'Bool',
  int: 'Int32',
  long: 'Int64',
  float: 'Float32',
  double: 'Float64',
  bytes: 'String',
  string: 'String',
} as const;

function logicalType(logical: Logical | undefined, place: string): ValueType | undefined {
  switch (logical?.name) {
    case undefined:
      return undefined;
    case 'timestamp-millis':
      return { kind: 'DateTime64', precision: 3 };
    case 'timestamp-micros':
      return { kind: 'DateTime64', precision: 6 };
    case 'date':
      return { kind: 'Date32' };
    case 'uuid':
      return { kind: 'UUID' };
    case 'decimal':
      if (logical.precision <= MAX_DECIMAL_PRECISION) {
        return { kind: 'Decimal', precision: logical.precision, scale: logical.scale };
      }
      throw refusal(
        place,
        `ClickHouse decimals have at most ${MAX_DECIMAL_PRECISION} digits, not ${logical.precision}`,
      );
    case 'unsupported':
      throw refusal(place, `logical type ${logical.written} has no ClickHouse type here`);
  }
}

function elementOf(node: SchemaNode, place: string, enclosing: readonly RecordNode[]): ValueType {
  const { type, optional } = unwrapNull(node, place);
  return optional
    ? withNull(valueTypeOf(type, place, enclosing), place)
    : valueTypeOf(type, place, enclosing);
}

function withNull(type: ValueType, place: string): ValueType {
  const found = nullable(type);
  if (found === undefined) {
    throw refusal(place, `ClickHouse has no nullable ${type.kind}: make it empty instead of null`);
  }
  return found;
}

function tupleElements(
  record: RecordNode,
  place: string,
  enclosing: readonly RecordNode[],
): readonly TupleElement[] {
  refuseRecursion(record, place, enclosing);
  return record.fields.map((field) => {
    const at = `${place}.${field.name}`;
    const type = elementOf(field.type, at, [...enclosing, record]);
    return { name: field.name, type };
  });
}

/** Refuses a record that contains itself: no table is that deep. */
function refuseRecursion(record: RecordNode, place: string, enclosing: readonly RecordNode[]): void {
  if (enclosing.includes(record)) throw refusal(place, `record ${record.name} contains itself`);
}
