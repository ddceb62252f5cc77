/**
 * The SQL of an Avro default, so that rows from before a field existed read as Avro's schema resolution would read them.
 */
import { SinkError } from './error.ts';
import { isNullable, quoteText, type ValueType } from './value-type.ts';

/**
 * SQL of a field's default; undefined where it is the type's own (null; else 0, '', false, empty).
 * Throws `schema-unsupported` with the place where the default cannot be written in SQL.
 */
export function defaultLiteral(type: ValueType, value: unknown, place: string): string | undefined {
  if (value === null) return undefined;
  if (!isNullable(type) && (value === '' || value === 0 || value === false)) return undefined;
  const plain = type.kind === 'Nullable' ? type.of : type;
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return ofNumber(plain, value);
  if (typeof value === 'string') {
    if (plain.kind === 'String' || plain.kind === 'LowCardinality' || plain.kind === 'UUID')
      return quoteText(value);
  } else if (Object.keys(value as object).length === 0) return undefined;
  throw new SinkError(
    'schema-unsupported',
    `${place}: a default other than empty or zero is not supported on a ${plain.kind}`,
  );
}

function ofNumber(type: ValueType, value: number): string {
  if (type.kind === 'Date32') return `toDate32('1970-01-01') + ${value}`;
  if (type.kind !== 'DateTime64') return String(value);
  return `fromUnixTimestamp64${type.precision === 3 ? 'Milli' : 'Micro'}(${value}, 'UTC')`;
}
