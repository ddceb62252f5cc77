/** From a record of the log to a row of the table, or to the reason why there is none. */
import { CodecError } from '#engine/codec/codec-error.ts';
import type { LogRecord } from '#engine/log/log.ts';
import type { TableColumns } from './columns.ts';
import type { TableRow } from './native/block-encoder.ts';
import type { Table } from './tables.ts';

/** A record that gets no row. Its dead letter carries code and reason. */
export interface Rejected {
  readonly record: LogRecord;
  readonly code: string;
  readonly reason: string;
  /** The record may become readable: its schema is not known yet. */
  readonly mayResolve: boolean;
}

export type RowOrRejected = TableRow | Rejected;

export type ReadRow = (record: LogRecord) => RowOrRejected;

/** Makes the reader of a table's records. `decode` throws a CodecError on bytes that are no event. */
export function rowReader(table: Table, decode: (bytes: Buffer) => unknown): ReadRow {
  const isTable = table.stream.kind === 'table';
  return (record) => {
    if (record.value === null) {
      return isTable
        ? tombstone(table, record)
        : rejected(record, 'value-missing', 'a record without a value on a topic that is no table');
    }
    try {
      return { event: decode(record.value) as TableRow['event'], record, deleted: false };
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      return { record, code: error.code, reason: error.message, mayResolve: error.retryable };
    }
  };
}

function rejected(record: LogRecord, code: string, reason: string): Rejected {
  return { record, code, reason, mayResolve: false };
}

/** A row that says "deleted": the key from the record's key, its event time from the record's timestamp. */
function tombstone(table: Table, record: LogRecord): RowOrRejected {
  const { stream, columns } = table;
  if (record.key === null)
    return rejected(record, 'key-missing', 'a tombstone without a key deletes nothing');
  const key = keyValue(columns, record.key.toString());
  if (key === undefined) {
    return rejected(
      record,
      'key-invalid',
      `key '${record.key.toString()}' is no value of the key field '${stream.key.field}'`,
    );
  }
  const time = stream.time.unit === 'micros' ? record.timestampMs * 1000 : record.timestampMs;
  return { event: { [stream.key.field]: key, [stream.time.field]: time }, record, deleted: true };
}

/** The key field's value from the key's text (the reverse of `keyOf` in engine/topology/stream.ts). */
function keyValue(columns: TableColumns, text: string): unknown {
  const { kind } = columns.fields[columns.keyIndex]!.type;
  if (kind === 'String' || kind === 'LowCardinality' || kind === 'UUID') return text;
  if (kind === 'Bool') return text === 'true' ? true : text === 'false' ? false : undefined;
  if ((kind !== 'Int32' && kind !== 'Int64') || !/^-?\d{1,16}$/.test(text)) return undefined;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : undefined;
}
