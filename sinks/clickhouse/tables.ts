/**
 * Tables, from streams: the DDL.
 *
 * I1  Every table remembers deduplication tokens. Plain MergeTree has a window of 0 by default and then keeps both copies
 *     of a retried insert, silently.
 * I2  Rows are partitioned by event time, by day where they expire within 90 days, else by month: expired parts are then
 *     dropped whole. An insert makes one part, and one entry in the window, for each table partition that it touches.
 */
import type { Stream } from '#engine/topology/stream.ts';
import { distributedSql, localName, mergeTreeSql, onCluster, windowSql, type Cluster } from './cluster.ts';
import { columnsOf, type AuditColumn, type FieldColumn, type TableColumns } from './columns.ts';
import { AUDIT_CODECS, defaultCodec } from './default-codec.ts';
import { SinkError } from './error.ts';
import { isNullable, quoteName, quoteText, typeName } from './value-type.ts';

/** Up to so long, parts are cut by day. */
const DAILY_UP_TO_DAYS = 90;

export interface Table {
  readonly stream: Stream<unknown>;
  readonly database: string;
  readonly name: string;
  readonly columns: TableColumns;
  /** Where it is replicated and distributed; without it, it is on one server. */
  readonly cluster?: Cluster;
}

/** The table of a stream. Throws `schema-unsupported` where its schema or its order key cannot serve. */
export function tableOf(stream: Stream<unknown>, database: string, cluster?: Cluster): Table {
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
  const table = { stream, database, name: stream.clickhouse.table, columns };
  return cluster === undefined ? table : { ...table, cluster };
}

/** `database`.`table` */
export function qualified(table: Pick<Table, 'database' | 'name'>): string {
  return `${quoteName(table.database)}.${quoteName(table.name)}`;
}

/** The same of the table that has the rows: on a cluster `<name>` is over `<name>_local` of each shard. */
export function qualifiedLocal({
  database,
  name,
  cluster,
}: Pick<Table, 'database' | 'name' | 'cluster'>): string {
  return qualified({ database, name: localName(name, cluster) });
}

/** The codec that a column gets: its field's, else that of its kind; undefined: the server's own (LZ4). */
export function columnCodec(column: FieldColumn | AuditColumn): string | undefined {
  const own = 'path' in column ? column.codec : AUDIT_CODECS[column.name];
  return own ?? defaultCodec(column.type);
}

/** A column as `CREATE TABLE` and `ALTER TABLE ADD COLUMN` have it. */
export function columnDdl(column: FieldColumn | AuditColumn): string {
  const defaultSql = 'path' in column ? column.defaultSql : undefined;
  const codec = columnCodec(column);
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

/** The statements that make a stream's table: one, or on a cluster two. */
export function createStatements(table: Table): readonly string[] {
  const { database, name, cluster } = table;
  const own = createTableSql(table);
  return cluster === undefined ? [own] : [own, distributedSql(database, name, cluster)];
}

/** The statements that add a column: to the tables with the rows first, so that none is asked for that is not there. */
export function addColumnStatements(table: Table, column: FieldColumn | AuditColumn): readonly string[] {
  const names = [...new Set([qualifiedLocal(table), qualified(table)])];
  return names.map(
    (name) => `ALTER TABLE ${name}${onCluster(table.cluster)} ADD COLUMN IF NOT EXISTS ${columnDdl(column)}`,
  );
}

/** `CREATE TABLE IF NOT EXISTS` for the table that has a stream's rows. */
export function createTableSql(table: Table): string {
  const { stream, columns, cluster } = table;
  const time = columns.fields[columns.timeIndex]!.name;
  const { ttlDays, orderBy } = stream.clickhouse;
  const daily = ttlDays !== undefined && ttlDays <= DAILY_UP_TO_DAYS;
  const ttl = ttlSql(table);
  const doc = stream.schema['doc'];
  return [
    `CREATE TABLE IF NOT EXISTS ${qualifiedLocal(table)}${onCluster(cluster)}`,
    '(',
    [...columns.fields, ...columns.audit].map((column) => `    ${columnDdl(column)}`).join(',\n'),
    ')',
    `ENGINE = ${mergeTreeSql(table, table.name)}`,
    `PARTITION BY ${daily ? 'toYYYYMMDD' : 'toYYYYMM'}(${quoteName(time)})`,
    `ORDER BY (${orderBy.map(quoteName).join(', ')})`,
    ...(ttl === undefined ? [] : [`TTL ${ttl}`]),
    `SETTINGS ${windowSql(cluster)}, ttl_only_drop_parts = 1`,
    ...(typeof doc === 'string' ? [`COMMENT ${quoteText(doc)}`] : []),
  ].join('\n');
}
