/**
 * Tables, from streams: the DDL.
 *
 * I1  Every table remembers deduplication tokens. Plain MergeTree has a window of 0 by default and then keeps both copies
 *     of a retried insert, silently.
 * I2  Rows are partitioned by event time, by day where they expire within 90 days, else by month: expired parts are then
 *     dropped whole. An insert makes one part, and one entry in the window, for each table partition that it touches.
 */
import type { Stream } from '#engine/topology/stream.ts';
import { columnsOf, type AuditColumn, type FieldColumn, type TableColumns } from './columns.ts';
import { SinkError } from './error.ts';
import { isNullable, quoteName, quoteText, typeName } from './value-type.ts';

/**
 * Blocks whose tokens a table remembers. A promised batch must be repeated while its token is remembered: with 10
 * partitions of a topic and one insert a second for each, this is 16 minutes; it takes about 2 MB of memory at most.
 */
export const DEDUPLICATION_WINDOW = 10_000;

/** Up to so long, parts are cut by day. */
const DAILY_UP_TO_DAYS = 90;

export interface Table {
  readonly stream: Stream<unknown>;
  readonly database: string;
  readonly name: string;
  readonly columns: TableColumns;
}

/** The table of a stream. Throws `schema-unsupported` where its schema or its order key cannot serve. */
export function tableOf(stream: Stream<unknown>, database: string): Table {
  const columns = columnsOf(stream);
  for (const name of stream.clickhouse.orderBy) {
    const column = columns.fields.find((field) => field.name === name);
    const type = column?.type ?? columns.audit.find((audit) => audit.name === name)?.type;
    if (type === undefined || isNullable(type) || type.kind === 'Array' || type.kind === 'Map') {
      throw new SinkError(
        'schema-unsupported',
        `${stream.name}: clickhouse.orderBy names '${name}', which is ${type === undefined ? 'no column' : `a ${typeName(type)}`}; ` +
          'a sorting key is made of columns that are never null',
      );
    }
  }
  return { stream, database, name: stream.clickhouse.table, columns };
}

/** `database`.`table` */
export function qualified(table: Pick<Table, 'database' | 'name'>): string {
  return `${quoteName(table.database)}.${quoteName(table.name)}`;
}

/** A column as `CREATE TABLE` and `ALTER TABLE ADD COLUMN` have it. */
export function columnDdl(column: FieldColumn | AuditColumn): string {
  const { defaultSql, codec } = 'path' in column ? column : { defaultSql: undefined, codec: undefined };
  return [
    `${quoteName(column.name)} ${typeName(column.type)}`,
    defaultSql === undefined ? '' : ` DEFAULT ${defaultSql}`,
    column.comment === undefined ? '' : ` COMMENT ${quoteText(column.comment)}`,
    codec === undefined ? '' : ` CODEC(${codec})`,
  ].join('');
}

/** When rows expire: so many days after the time of their event. Undefined: never. */
export function ttlSql({ stream, columns }: Table): string | undefined {
  const { ttlDays } = stream.clickhouse;
  const time = columns.fields[columns.timeIndex]!.name;
  return ttlDays === undefined ? undefined : `toDateTime(${quoteName(time)}) + toIntervalDay(${ttlDays})`;
}

/** `CREATE TABLE IF NOT EXISTS` for a stream's table. */
export function createTableSql(table: Table): string {
  const { stream, columns } = table;
  const time = columns.fields[columns.timeIndex]!.name;
  const { ttlDays, orderBy } = stream.clickhouse;
  const daily = ttlDays !== undefined && ttlDays <= DAILY_UP_TO_DAYS;
  const ttl = ttlSql(table);
  const doc = stream.schema['doc'];
  return [
    `CREATE TABLE IF NOT EXISTS ${qualified(table)}`,
    '(',
    [...columns.fields, ...columns.audit].map((column) => `    ${columnDdl(column)}`).join(',\n'),
    ')',
    'ENGINE = MergeTree',
    `PARTITION BY ${daily ? 'toYYYYMMDD' : 'toYYYYMM'}(${quoteName(time)})`,
    `ORDER BY (${orderBy.map(quoteName).join(', ')})`,
    ...(ttl === undefined ? [] : [`TTL ${ttl}`]),
    `SETTINGS non_replicated_deduplication_window = ${DEDUPLICATION_WINDOW}, ttl_only_drop_parts = 1`,
    ...(typeof doc === 'string' ? [`COMMENT ${quoteText(doc)}`] : []),
  ].join('\n');
}
