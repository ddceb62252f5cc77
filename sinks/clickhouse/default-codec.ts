/** The compression codecs of columns whose schema names none. */
import type { AuditColumn } from './columns.ts';
import type { ValueType } from './value-type.ts';

const BY_KIND: Readonly<Partial<Record<ValueType['kind'], string>>> = {};

/** By the name of an audit column, where not by its type. */
export const AUDIT_CODECS: Readonly<Partial<Record<AuditColumn['name'], string>>> = {};

/** The codec of a column of this type; undefined: the server's own (LZ4). */
export function defaultCodec(type: ValueType): string | undefined {
  return BY_KIND[type.kind === 'Nullable' ? type.of.kind : type.kind];
}
