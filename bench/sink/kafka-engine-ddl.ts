/**
 * ClickHouse's own way from a topic into a table: its `Kafka` table engine with format AvroConfluent, and a materialized view.
 *
 * I1  The view fills every column of the table that Weir's sink fills, the audit columns from the engine's virtual columns.
 * I2  Columns of the engine's table have the types of Weir's table, unless `plainStrings` says otherwise. Only a nullable record is read as a tuple first, with
 *     `input_format_avro_null_as_default`: the format finds no path through a union.
 *
 * Source: https://clickhouse.com/docs/engines/table-engines/integrations/kafka
 */
import type { FieldColumn } from '#sinks/clickhouse/columns.ts';
import { qualified, type Table } from '#sinks/clickhouse/tables.ts';
import { quoteName, quoteText, typeName, type ValueType } from '#sinks/clickhouse/value-type.ts';

/** Where the engine reads from. */
export interface KafkaEngineSource {
  readonly brokers: string;
  readonly topic: string;
  readonly group: string;
  /** Of a schema registry (schema-registry.ts). */
  readonly registryUrl: string;
  /**
   * Read low-cardinality strings as plain ones first. The engine makes its columns anew for each message, and a dictionary with each of
   * those (measured: 15 CPU s per million rows of 20 columns with four such, 9.8 with plain strings). False by default.
   */
  readonly plainStrings?: boolean;
  /** Further settings of the engine's table, of Kafka's or of the format. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

/** The statements, in this order: reading begins with the view. */
export interface KafkaEngineDdl {
  readonly createQueue: string;
  readonly createView: string;
  /** Ends reading. */
  readonly drop: readonly string[];
}

/** Into `table`, which must exist; the engine's table and the view are made beside it. */
export function kafkaEngineDdl(table: Table, source: KafkaEngineSource): KafkaEngineDdl {
  const queue = qualified({ database: table.database, name: `${table.name}_queue` });
  const view = qualified({ database: table.database, name: `${table.name}_view` });
  const settings = {
    kafka_broker_list: source.brokers,
    kafka_topic_list: source.topic,
    kafka_group_name: source.group,
    kafka_format: 'AvroConfluent',
    format_avro_schema_registry_url: source.registryUrl,
    ...(table.columns.fields.some((field) => depthOfNullable(field) > 0)
      ? { input_format_avro_null_as_default: 1 }
      : {}),
    ...source.settings,
  };
  const set = Object.entries(settings).map(
    ([name, value]) => `${name} = ${typeof value === 'number' ? value : quoteText(value)}`,
  );
  const values = table.columns.fields.map((field) => `${valueOf(field)} AS ${quoteName(field.name)}`);
  const audit = table.columns.audit.map(({ name }) => `${auditValues[name]} AS ${quoteName(name)}`);
  return {
    createQueue: `CREATE TABLE ${queue} (${queueColumns(table.columns.fields, source.plainStrings ?? false)}) ENGINE = Kafka SETTINGS ${set.join(', ')}`,
    createView: `CREATE MATERIALIZED VIEW ${view} TO ${qualified(table)} AS SELECT ${[...values, ...audit].join(', ')} FROM ${queue}`,
    drop: [`DROP TABLE IF EXISTS ${view} SYNC`, `DROP TABLE IF EXISTS ${queue} SYNC`],
  };
}

const header = (name: string): string => `_headers.value[indexOf(_headers.name, ${quoteText(name)})]`;

const auditValues: Readonly<Record<Table['columns']['audit'][number]['name'], string>> = {
  _topic: '_topic',
  _partition: '_partition',
  _offset: '_offset',
  _timestamp: 'assumeNotNull(_timestamp_ms)',
  _ce_source: header('ce_source'),
  _ce_id: header('ce_id'),
  // The format reads no record without a value.
  _deleted: 'false',
};

/** How many names of a field's path lead to the first record that may be null; 0 when none may. */
const depthOfNullable = ({ nullableRecords }: FieldColumn): number =>
  Math.max(0, nullableRecords.indexOf(true));

/** I2. */
function queueColumns(fields: readonly FieldColumn[], plainStrings: boolean): string {
  const columns = new Map<string, string>();
  for (const field of fields) {
    const depth = depthOfNullable(field);
    const name = columnName(field);
    if (depth === 0) columns.set(name, typeName(plainStrings ? plain(field.type) : field.type));
    else if (!columns.has(name)) {
      const members = fields.filter((other) => columnName(other) === name);
      columns.set(name, tupleOf(members, depth));
    }
  }
  return [...columns].map(([name, type]) => `${quoteName(name)} ${type}`).join(', ');
}

function plain(type: ValueType): ValueType {
  if (type.kind !== 'LowCardinality') return type;
  return type.nullable ? { kind: 'Nullable', of: { kind: 'String' } } : { kind: 'String' };
}

function columnName(field: FieldColumn): string {
  const depth = depthOfNullable(field);
  return (depth === 0 ? field.path : field.path.slice(0, depth)).join('.');
}

function tupleOf(fields: readonly FieldColumn[], depth: number): string {
  const names = [...new Set(fields.map((field) => field.path[depth]!))];
  const each = names.map((name) => {
    const members = fields.filter((field) => field.path[depth] === name);
    const [first] = members;
    const isLeaf = first!.path.length === depth + 1;
    return `${quoteName(name)} ${isLeaf ? typeName(first!.type) : tupleOf(members, depth + 1)}`;
  });
  return `Tuple(${each.join(', ')})`;
}

function valueOf(field: FieldColumn): string {
  const depth = depthOfNullable(field);
  const column = quoteName(columnName(field));
  if (depth === 0) return column;
  return field.path
    .slice(depth)
    .reduce((value, name) => `tupleElement(${value}, ${quoteText(name)})`, column);
}
