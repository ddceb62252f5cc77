/**
 * The ClickHouse types that Weir writes, as data. Names are spelled as ClickHouse itself prints them in
 * `system.columns`, so that a table can be compared with what its schema asks for.
 */

export interface TupleElement {
  readonly name: string;
  readonly type: ValueType;
}

export type ValueType =
  | { readonly kind: 'String' | 'Int32' | 'Int64' | 'Float32' | 'Float64' | 'Bool' | 'UUID' | 'Date32' }
  | { readonly kind: 'FixedString'; readonly bytes: number }
  | { readonly kind: 'DateTime64'; readonly precision: 3 | 6 }
  | { readonly kind: 'Decimal'; readonly precision: number; readonly scale: number }
  /** Always of strings. */
  | { readonly kind: 'LowCardinality'; readonly nullable: boolean }
  | { readonly kind: 'Nullable'; readonly of: ValueType }
  | { readonly kind: 'Array'; readonly of: ValueType }
  | { readonly kind: 'Map'; readonly value: ValueType }
  | { readonly kind: 'Tuple'; readonly elements: readonly TupleElement[] };

/** The name of a type as ClickHouse prints it. */
export function typeName(type: ValueType): string {
  switch (type.kind) {
    case 'FixedString':
      return `FixedString(${type.bytes})`;
    case 'DateTime64':
      return `DateTime64(${type.precision}, 'UTC')`;
    case 'Decimal':
      return `Decimal(${type.precision}, ${type.scale})`;
    case 'LowCardinality':
      return type.nullable ? 'LowCardinality(Nullable(String))' : 'LowCardinality(String)';
    case 'Nullable':
      return `Nullable(${typeName(type.of)})`;
    case 'Array':
      return `Array(${typeName(type.of)})`;
    case 'Map':
      return `Map(String, ${typeName(type.value)})`;
    case 'Tuple':
      return `Tuple(${type.elements.map((e) => `${quoteName(e.name)} ${typeName(e.type)}`).join(', ')})`;
    case 'String':
    case 'Int32':
    case 'Int64':
    case 'Float32':
    case 'Float64':
    case 'Bool':
    case 'UUID':
    case 'Date32':
      return type.kind;
  }
}

/** The type that also holds null; undefined where ClickHouse has none (arrays, maps, tuples). */
export function nullable(type: ValueType): ValueType | undefined {
  const { kind } = type;
  if (kind === 'Array' || kind === 'Map' || kind === 'Tuple') return undefined;
  if (kind === 'LowCardinality') return { kind, nullable: true };
  return kind === 'Nullable' ? type : { kind: 'Nullable', of: type };
}

/** True when a column of this type may hold null. */
export function isNullable(type: ValueType): boolean {
  return type.kind === 'Nullable' || (type.kind === 'LowCardinality' && type.nullable);
}

/** An identifier in backquotes. Source: https://clickhouse.com/docs/sql-reference/syntax#identifiers */
export function quoteName(name: string): string {
  return `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
}

/** A string literal. */
export function quoteText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
