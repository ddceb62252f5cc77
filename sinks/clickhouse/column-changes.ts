/**
 * What a table's columns differ by from those of its schema, and what that means.
 *
 * I1  A column that the schema lacks is kept where this schema has prepared the table before (prepared-columns.ts): then the column
 *     came later, by a newer build or by hand. Else its field is gone, which is refused: it would be filled no more, without anyone being told.
 * I2  Another type is refused, always.
 */
import { onCluster } from './cluster.ts';
import type { AuditColumn, FieldColumn } from './columns.ts';
import { SinkError } from './error.ts';
import type { PreparedBefore, PreparedColumns } from './prepared-columns.ts';
import { qualified, qualifiedLocal, type Table } from './tables.ts';
import { quoteName, typeName } from './value-type.ts';

export interface ExistingColumn {
  readonly name: string;
  readonly type: string;
}

export interface ColumnChanges {
  readonly table: Table;
  /** Columns to be added. */
  readonly missing: readonly (FieldColumn | AuditColumn)[];
  /** To be remembered, before they are added. */
  readonly prepared: readonly PreparedColumns[];
  /** What to tell of columns that are kept though the schema lacks them. */
  readonly notes: readonly string[];
}

/** @param existing without computed ones, which no insert fills @throws SinkError `table-mismatch` naming table and column (I1, I2) */
export function columnChanges(
  table: Table,
  existing: readonly ExistingColumn[],
  before: PreparedBefore,
): ColumnChanges {
  const asked = [...table.columns.fields, ...table.columns.audit];
  const own: PreparedColumns = { table: table.name, columns: asked.map(({ name }) => name) };
  const others = existing.map(({ name }) => name).filter((name) => !own.columns.includes(name));
  const isKnown = before.has(own);
  if (others[0] !== undefined && !isKnown) throw removal(table, others[0]);
  const found = { table: table.name, columns: existing.map(({ name }) => name) };
  return {
    table,
    missing: missingColumns(table, asked, existing),
    prepared: isKnown ? [] : before.knows(table.name) ? [own] : [found, own],
    notes: others.length === 0 ? [] : [noteOf(table, others)],
  };
}

function missingColumns(
  table: Table,
  asked: readonly (FieldColumn | AuditColumn)[],
  existing: readonly ExistingColumn[],
): readonly (FieldColumn | AuditColumn)[] {
  const types = new Map(existing.map((column) => [column.name, column.type]));
  return asked.filter((column) => {
    const type = types.get(column.name);
    if (type === undefined) return true;
    if (unquoted(type) === unquoted(typeName(column.type))) return false;
    throw mismatch(
      table,
      column.name,
      `is ${type} in the table, but ${typeName(column.type)} by the schema. Types are never changed in place: give the field a ` +
        'new name, or give the stream a new table and copy the rows over',
    );
  });
}

/** On a cluster, the column goes from the table over the others first, so that none is asked for that is not there. */
function removal(table: Table, column: string): SinkError {
  const drops = [...new Set([qualified(table), qualifiedLocal(table)])].map(
    (name) => `ALTER TABLE ${name}${onCluster(table.cluster)} DROP COLUMN ${quoteName(column)}`,
  );
  return mismatch(
    table,
    column,
    'is in the table, but not in the schema, and no start with this schema has prepared the table before. Fields are never ' +
      'removed: if a newer build has added it, start that one here; else restore the field in the .avsc (with its default). Only if no ' +
      `build fills it and its data may go: ${drops.join('; ')}`,
  );
}

function noteOf({ database, name }: Table, columns: readonly string[]): string {
  const what = columns.length === 1 ? 'column' : 'columns';
  return (
    `table ${database}.${name} has ${what} ${columns.join(', ')}, which this build does not know: a newer build (or somebody by hand) has ` +
    'added what it lacks. The table keeps it; rows that this build inserts have the default there, also of events that have the ' +
    'field. Start the newer build to fill it'
  );
}

function mismatch({ database, name }: Table, column: string, what: string): SinkError {
  return new SinkError('table-mismatch', `table ${database}.${name}, column ${column}: ${what}`);
}

/** The engine quotes names of tuple elements only where it must. */
function unquoted(type: string): string {
  return type.replaceAll('`', '');
}
