/**
 * The columns of a table, from the Avro schema of its topic.
 *
 * I1  Every field of the schema is in the columns, or the schema is refused with the field's name, before anything
 *     starts. Nothing is left out.
 * I2  A nested record becomes columns `parent_child`; under a nullable record every leaf is nullable, but for arrays and
 *     maps, which are then empty. Two fields that would share a column name are refused.
 * I3  Every table has the audit columns: they say which record a row came from, and prove that none is missing or twice.
 */
import { columnsOf as flatten, type Column } from '#engine/codec/columns.ts';
import { parseRecord } from '#engine/codec/schema-node.ts';
import type { Stream } from '#engine/topology/stream.ts';
import { refusal, unwrapNull, valueTypeOf } from './avro-value-type.ts';
import { defaultLiteral } from './default-literal.ts';
import { SinkError } from './error.ts';
import { isNullable, nullable, type ValueType } from './value-type.ts';

/** A column that a field of the schema fills. */
export interface FieldColumn {
  readonly name: string;
  readonly type: ValueType;
  /** Names of the fields that lead to the value, outermost record first. */
  readonly path: readonly string[];
  /** For each record that the path leads through (the event first), whether it may be null. */
  readonly nullableRecords: readonly boolean[];
  /** What the schema says about the field. */
  readonly comment?: string | undefined;
  /** Compression codecs, verbatim, from the field's `clickhouse.codec`. */
  readonly codec?: string | undefined;
  /** SQL of the schema's default, where it is not the type's own. */
  readonly defaultSql?: string | undefined;
}

/** A column that Weir fills: where the row came from. */
export interface AuditColumn {
  readonly name: '_topic' | '_partition' | '_offset' | '_timestamp' | '_ce_source' | '_ce_id' | '_deleted';
  readonly type: ValueType;
  readonly comment: string;
}

export interface TableColumns {
  readonly fields: readonly FieldColumn[];
  readonly audit: readonly AuditColumn[];
  /** Place in `fields` of the stream's key and of its event time. */
  readonly keyIndex: number;
  readonly timeIndex: number;
}

const AUDIT: readonly AuditColumn[] = [
  { name: '_topic', type: { kind: 'LowCardinality', nullable: false }, comment: 'Topic of the record' },
  { name: '_partition', type: { kind: 'Int32' }, comment: 'Partition of the record' },
  { name: '_offset', type: { kind: 'Int64' }, comment: 'Offset of the record in its partition' },
  {
    name: '_timestamp',
    type: { kind: 'DateTime64', precision: 3 },
    comment: 'Timestamp of the record in the log',
  },
  {
    name: '_ce_source',
    type: { kind: 'LowCardinality', nullable: false },
    comment: 'CloudEvents source, from the headers',
  },
  { name: '_ce_id', type: { kind: 'String' }, comment: 'CloudEvents id, from the headers' },
];

const DELETED: AuditColumn = {
  name: '_deleted',
  type: { kind: 'Bool' },
  comment: 'The record deletes its key (a tombstone): only the key and the audit columns hold values',
};

/**
 * The columns of a stream's table. Throws a `schema-unsupported` SinkError that names schema and field where a type
 * has no column, a name clashes, or key or event time cannot serve as such.
 */
export function columnsOf(stream: Stream<unknown>): TableColumns {
  const fields = flatten(parseRecord(stream.schema)).map((column) => fieldColumn(column, stream.name));
  const audit = stream.kind === 'table' ? [...AUDIT, DELETED] : AUDIT;
  refuseClashes(stream, fields, audit);
  return {
    fields,
    audit,
    keyIndex: indexOf(stream, fields, stream.key.field, 'key'),
    timeIndex: timeIndexOf(stream, fields),
  };
}

function fieldColumn(column: Column, schema: string): FieldColumn {
  const { name, path, nullableRecords, field } = column;
  const place = [schema, ...path].join('.');
  const attributes = (field.json['clickhouse'] ?? {}) as { lowCardinality?: boolean; codec?: string };
  const { type: node, optional } = unwrapNull(field.type, place);
  const own = valueTypeOf(node, place, column.records);
  const plain = attributes.lowCardinality === true ? lowCardinality(own, place) : own;
  const withNull = nullable(plain);
  if (optional && withNull === undefined) {
    throw refusal(place, `ClickHouse has no nullable ${plain.kind}: make it empty instead of null`);
  }
  // An array or map under an absent record is empty: there is no null for it to be.
  const type = column.isNullable ? (withNull ?? plain) : plain;
  return {
    name,
    type,
    path,
    nullableRecords,
    comment: field.doc,
    codec: attributes.codec,
    defaultSql: column.default === undefined ? undefined : defaultLiteral(type, column.default, place),
  };
}

function lowCardinality(type: ValueType, place: string): ValueType {
  if (type.kind !== 'String' && type.kind !== 'LowCardinality')
    throw refusal(place, 'lowCardinality is for strings');
  return { kind: 'LowCardinality', nullable: false };
}

function refuseClashes(
  stream: Stream<unknown>,
  fields: readonly FieldColumn[],
  audit: readonly AuditColumn[],
): void {
  const seen = new Map<string, string>(audit.map((c) => [c.name, 'an audit column']));
  for (const { name, path } of fields) {
    const other = seen.get(name);
    if (other !== undefined) {
      throw new SinkError(
        'schema-unsupported',
        `${stream.name}.${path.join('.')}: its column '${name}' clashes with ${other}; rename the field`,
      );
    }
    seen.set(name, `field ${path.join('.')}`);
  }
}

function indexOf(
  stream: Stream<unknown>,
  fields: readonly FieldColumn[],
  name: string,
  role: string,
): number {
  const index = fields.findIndex((f) => f.path.length === 1 && f.path[0] === name);
  const found = fields[index];
  if (found === undefined) {
    throw new SinkError(
      'schema-unsupported',
      `${stream.name}: the ${role} field '${name}' is not a plain field of the schema`,
    );
  }
  if (isNullable(found.type)) {
    throw new SinkError(
      'schema-unsupported',
      `${stream.name}.${name}: the ${role} field must not be nullable`,
    );
  }
  return index;
}

function timeIndexOf(stream: Stream<unknown>, fields: readonly FieldColumn[]): number {
  const index = indexOf(stream, fields, stream.time.field, 'event time');
  const type = fields[index]!.type;
  const precision = stream.time.unit === 'micros' ? 6 : 3;
  if (type.kind !== 'DateTime64' || type.precision !== precision) {
    throw new SinkError(
      'schema-unsupported',
      `${stream.name}.${stream.time.field}: event time must be a long of logical type timestamp-${stream.time.unit}`,
    );
  }
  return index;
}
