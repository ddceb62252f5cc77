/**
 * One block of a table in ClickHouse's Native format, from decoded events and the records that carried them.
 *
 * I1  A row goes in whole or not at all: after a refused value every column is as long as before the row.
 * I2  The bytes of a block follow from its accepted rows, the topic and the partition alone. No clock, no randomness.
 *
 * Rows come in chunks and are taken column by column: the loop over one column keeps its builder and its property hot
 * (measured: 25 columns of 235 bytes a row, 680,000 rows/s). Only a chunk with a bad row is gone through row by row.
 */
import type { LogRecord } from '#engine/log/log.ts';
import { recordHeaderText } from '#engine/task/cloud-events.ts';
import type { FieldColumn, TableColumns } from '../columns.ts';
import { SinkError } from '../error.ts';
import { typeName } from '../value-type.ts';
import { builderFor } from './builder-for.ts';
import { ByteWriter } from './byte-writer.ts';
import { invalid, type ColumnBuilder } from './column-builder.ts';
import { LowCardinalityBuilder } from './low-cardinality.ts';
import {
  BoolBuilder,
  dateTime64Builder,
  Int32Builder,
  Int64Builder,
  StringBuilder,
} from './scalar-builders.ts';

/** The rules by which records become rows. Raised when they change; part of what a sink promises (see intent.ts). */
export const ENCODER_VERSION = 1;

export interface TableRow {
  readonly event: Readonly<Record<string, unknown>>;
  readonly record: LogRecord;
  /** A tombstone: the event has the key and the time only, every other column gets its default. */
  readonly deleted: boolean;
}

export interface RefusedRow {
  readonly row: TableRow;
  readonly error: SinkError;
}

interface Leaf {
  readonly name: string;
  readonly column: string;
  readonly builder: ColumnBuilder;
}

interface Group {
  readonly name: string;
  /** The record itself may be null. Its columns do not tell: an array is never null, only empty. */
  readonly nullable: boolean;
  readonly members: Node[];
  readonly parents: unknown[];
}

type Node = Leaf | Group;

export class BlockEncoder {
  readonly #columns: TableColumns;
  readonly #nodes: Node[] = [];
  readonly #fields: ColumnBuilder[] = [];
  readonly #offset = new Int64Builder('_offset');
  readonly #timestamp = dateTime64Builder(3);
  readonly #source = new LowCardinalityBuilder(false);
  readonly #id = new StringBuilder();
  readonly #deleted = new BoolBuilder();
  readonly #all: readonly ColumnBuilder[];
  readonly #events: unknown[] = [];
  // Kept from block to block: a new buffer of some MB for each brings on full garbage collections (measured).
  readonly #out = new ByteWriter(4096);
  #rows = 0;

  constructor(columns: TableColumns) {
    this.#columns = columns;
    for (const field of columns.fields) {
      const builder = builderFor(field.type);
      this.#fields.push(builder);
      place(this.#nodes, field, 0, builder);
    }
    this.#all = [...this.#fields, this.#offset, this.#timestamp, this.#source, this.#id, this.#deleted];
  }

  get rows(): number {
    return this.#rows;
  }

  /** Bytes of the block as it stands, to within some dozens for each column. */
  get byteLength(): number {
    let bytes = 0;
    for (const builder of this.#all) bytes += builder.byteLength;
    return bytes;
  }

  /** Takes the rows and returns those that a column refused, each with a `value-invalid` error naming the column. */
  append(rows: readonly TableRow[]): readonly RefusedRow[] {
    if (!rows.some((row) => row.deleted) && this.#tryAppend(rows) === undefined) return [];
    const refused: RefusedRow[] = [];
    for (const row of rows) {
      const error = this.#tryAppend([row]);
      if (error !== undefined) refused.push({ row, error });
    }
    return refused;
  }

  /** Why a column refuses the row; undefined where the block would take it. The block stays as it is. */
  refusalOf(row: TableRow): SinkError | undefined {
    const error = this.#tryAppend([row]);
    if (error !== undefined) return error;
    for (const builder of this.#all) builder.rollback();
    this.#rows -= 1;
    return undefined;
  }

  clear(): void {
    for (const builder of this.#all) builder.clear();
    this.#rows = 0;
  }

  /** The block, in memory that the next call overwrites. The encoder keeps its rows until `clear`. */
  encode(topic: string, partition: number): Buffer {
    const { fields, audit } = this.#columns;
    const out = this.#out;
    out.truncate(0);
    out.writeVarUInt(fields.length + audit.length);
    out.writeVarUInt(this.#rows);
    fields.forEach((field, i) => {
      this.#write(out, field.name, typeName(field.type), this.#fields[i]!);
    });
    const filled = this.#auditBuilders(topic, partition);
    for (const column of audit) this.#write(out, column.name, typeName(column.type), filled[column.name]);
    return out.view();
  }

  #auditBuilders(
    topic: string,
    partition: number,
  ): Record<string, ColumnBuilder> & Record<AuditName, ColumnBuilder> {
    const topics = new LowCardinalityBuilder(false);
    const partitions = new Int32Builder();
    for (let i = 0; i < this.#rows; i++) {
      topics.append(topic);
      partitions.append(partition);
    }
    return {
      _topic: topics,
      _partition: partitions,
      _offset: this.#offset,
      _timestamp: this.#timestamp,
      _ce_source: this.#source,
      _ce_id: this.#id,
      _deleted: this.#deleted,
    };
  }

  #write(out: ByteWriter, name: string, type: string, builder: ColumnBuilder): void {
    out.writeText(name);
    out.writeText(type);
    if (this.#rows === 0) return;
    builder.writePrefix(out);
    builder.writeData(out);
  }

  /** All rows, or none and the error. */
  #tryAppend(rows: readonly TableRow[]): SinkError | undefined {
    for (const builder of this.#all) builder.mark();
    try {
      this.#appendColumns(rows);
      this.#rows += rows.length;
      return undefined;
    } catch (error) {
      if (!(error instanceof SinkError)) throw error;
      for (const builder of this.#all) builder.rollback();
      return error;
    }
  }

  #appendColumns(rows: readonly TableRow[]): void {
    const events = this.#events;
    events.length = 0;
    for (const row of rows) events.push(row.event);
    const sparse = rows[0]?.deleted === true;
    for (const node of this.#nodes) fill(node, events, sparse);
    for (const { record, deleted } of rows) {
      this.#offset.append(record.offset);
      this.#appendTimestamp(record);
      this.#source.append(recordHeaderText(record, 'ce_source') ?? '');
      this.#id.append(recordHeaderText(record, 'ce_id') ?? '');
      this.#deleted.append(deleted);
    }
  }

  #appendTimestamp({ timestampMs, offset }: LogRecord): void {
    try {
      this.#timestamp.append(timestampMs);
    } catch (error) {
      throw inColumn('_timestamp', error, `, the Kafka timestamp of the record at offset ${offset}`);
    }
  }
}

type AuditName = TableColumns['audit'][number]['name'];

/** Puts a column's builder into the tree of records that leads to its value. */
function place(into: Node[], field: FieldColumn, depth: number, builder: ColumnBuilder): void {
  const name = field.path[depth]!;
  if (depth === field.path.length - 1) {
    into.push({ name, column: field.name, builder });
    return;
  }
  let group = into.find((node): node is Group => 'members' in node && node.name === name);
  if (group === undefined) {
    group = { name, nullable: field.nullableRecords[depth + 1]!, members: [], parents: [] };
    into.push(group);
  }
  place(group.members, field, depth + 1, builder);
}

/** Appends one value for each of `records` (null: an absent record). `sparse`: a missing field stands for its default. */
function fill(node: Node, records: readonly unknown[], sparse: boolean): void {
  if ('members' in node) {
    readGroup(node, records, sparse);
    for (const member of node.members) fill(member, node.parents, sparse);
    return;
  }
  const { name, builder } = node;
  try {
    for (const record of records) {
      const value = record === null ? undefined : (record as Record<string, unknown>)[name];
      if (value === undefined && (record === null || sparse)) builder.appendDefault();
      else builder.append(value);
    }
  } catch (error) {
    throw inColumn(node.column, error);
  }
}

function inColumn(column: string, error: unknown, what = ''): unknown {
  return error instanceof SinkError
    ? new SinkError('value-invalid', `column ${column}${what}: ${error.message}`)
    : error;
}

function readGroup(group: Group, records: readonly unknown[], sparse: boolean): void {
  const { name, parents } = group;
  parents.length = 0;
  for (const record of records) {
    const value = record === null ? null : (record as Record<string, unknown>)[name];
    if (typeof value === 'object' && (value !== null || record === null || group.nullable))
      parents.push(value);
    else if (value === undefined && sparse) parents.push(null);
    else throw new SinkError('value-invalid', `field ${name}: ${invalid(value, 'a record').message}`);
  }
}
