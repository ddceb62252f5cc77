/**
 * The compression codecs of columns whose schema names none, chosen by `npm run bench -- codecs` (docs/clickhouse-tables.md has
 * the figures): those that are smaller than the server's own LZ4 without being slower to scan, or so much smaller that it does not
 * matter. Kinds without an entry have LZ4: they are small anyway (LowCardinality, Bool), or it is the fastest by far (String).
 */
import type { AuditColumn } from './columns.ts';
import type { ValueType } from './value-type.ts';

const BY_KIND: Readonly<Partial<Record<ValueType['kind'], string>>> = {
  // Times rise within a key by nearly the same step. DoubleDelta is larger where the step jitters.
  DateTime64: 'Delta, ZSTD(1)',
  // Counts use few of their bits.
  Int64: 'T64, ZSTD(1)',
  Float64: 'Delta, ZSTD(1)',
};

/** By the name of an audit column, where not by its type. */
export const AUDIT_CODECS: Readonly<Partial<Record<AuditColumn['name'], string>>> = {
  _offset: 'DoubleDelta, ZSTD(1)',
  // The largest column of most tables, and hardly ever read.
  _ce_id: 'ZSTD(3)',
};

/** The codec of a column of this type; undefined: the server's own (LZ4). */
export function defaultCodec(type: ValueType): string | undefined {
  return BY_KIND[type.kind === 'Nullable' ? type.of.kind : type.kind];
}
