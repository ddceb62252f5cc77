/** The columns that a record's fields become: nested records are flattened, `parent_child`. */
import { nullableOf } from './schema-node.ts';
import type { RecordNode, SchemaNode } from './schema-node.ts';

/** One column of an event's table. */
export interface Column {
  readonly name: string;
  /** The field that it comes from, as a path: `path.state`. */
  readonly field: string;
  readonly type: SchemaNode;
}

const NULL: SchemaNode = { kind: 'null', logical: undefined };

/** The columns of a (not recursive) record, in the order of its fields. Those of a nullable record are nullable. */
export function columnsOf(record: RecordNode): readonly Column[] {
  return record.fields.flatMap((field) => {
    const inner = nullableOf(field.type);
    const nested = inner ?? field.type;
    if (nested.kind !== 'record') return [{ name: field.name, field: field.name, type: field.type }];
    return columnsOf(nested).map((column) => ({
      name: `${field.name}_${column.name}`,
      field: `${field.name}.${column.field}`,
      type: inner === undefined || column.type.kind === 'union' ? column.type : orNull(column.type),
    }));
  });
}

function orNull(type: SchemaNode): SchemaNode {
  return { kind: 'union', branches: [NULL, type] };
}
