/** Classes of columns, and the codecs that are worth trying on each. */
import type { AuditColumn, FieldColumn } from '#sinks/clickhouse/columns.ts';

/** On every class: the server's own, and general compression without and with more effort. */
const GENERAL = ['LZ4', 'ZSTD(1)', 'ZSTD(3)'];
const WHOLE = [
  'Delta, LZ4',
  'Delta, ZSTD(1)',
  'DoubleDelta, LZ4',
  'DoubleDelta, ZSTD(1)',
  'T64, LZ4',
  'T64, ZSTD(1)',
];
const FLOATS = ['Gorilla, LZ4', 'Gorilla, ZSTD(1)', 'Delta, ZSTD(1)'];

/** The class of a column: its type, or its name where Weir fills it. `_topic` and `_partition` are the same in long runs, as any. */
export function classOf(column: FieldColumn | AuditColumn): string {
  if (column.name === '_offset' || column.name === '_timestamp' || column.name === '_ce_id')
    return column.name;
  return column.type.kind === 'Nullable' ? column.type.of.kind : column.type.kind;
}

export function candidatesFor(column: FieldColumn | AuditColumn): readonly string[] {
  const kind = column.type.kind === 'Nullable' ? column.type.of.kind : column.type.kind;
  if (kind === 'Int32' || kind === 'Int64' || kind === 'DateTime64') return [...GENERAL, ...WHOLE];
  if (kind === 'Float32' || kind === 'Float64') return [...GENERAL, ...FLOATS];
  return GENERAL;
}
