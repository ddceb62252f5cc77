/**
 * The columns that a record's fields become: nested records are flattened, `parent_child`. The one place that knows: the
 * checks of schemas read it, and the sink gives each column its ClickHouse type.
 */
import { nullableOf } from './schema-node.ts';
import type { FieldNode, RecordNode } from './schema-node.ts';

/** One column of an event's table. */
export interface Column {
  readonly name: string;
  /** Names of the fields that lead to the value, outermost record first. */
  readonly path: readonly string[];
  /** The records that the path leads through, one for each name in it: the first is the event. */
  readonly records: readonly RecordNode[];
  /** For each of `records`, whether it may be null. */
  readonly nullableRecords: readonly boolean[];
  /** The innermost field: what the column holds. */
  readonly field: FieldNode;
  /** The default that applies, in Avro's JSON form: that of a record around the field goes first. Undefined without one. */
  readonly default: unknown;
  /** The column may lack a value: the field may be null, or a record around it. */
  readonly isNullable: boolean;
}

type Around = Pick<Column, 'path' | 'records' | 'nullableRecords' | 'default'>;

/** The columns of a record, in the order of its fields. A record inside itself stays one column: nobody can flatten it. */
export function columnsOf(record: RecordNode): readonly Column[] {
  return flatten({ path: [], records: [record], nullableRecords: [false], default: undefined });
}

function flatten(around: Around): readonly Column[] {
  return around.records.at(-1)!.fields.flatMap((field) => {
    const inner = nullableOf(field.type);
    const nested = inner ?? field.type;
    const path = [...around.path, field.name];
    const byDefault = defaultIn(around.default, field);
    if (nested.kind === 'record' && !around.records.includes(nested)) {
      return flatten({
        path,
        records: [...around.records, nested],
        nullableRecords: [...around.nullableRecords, inner !== undefined],
        default: byDefault,
      });
    }
    const isNullable = inner !== undefined || around.nullableRecords.includes(true);
    return [{ ...around, name: path.join('_'), path, field, default: byDefault, isNullable }];
  });
}

/** A record's own default speaks for its fields; else each field's does. */
function defaultIn(outer: unknown, field: FieldNode): unknown {
  if (outer === undefined) return field.default;
  return outer === null ? null : ((outer as Record<string, unknown>)[field.name] ?? field.default);
}
