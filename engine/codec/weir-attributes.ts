/**
 * The `weir` attribute of an event's schema: which topic it is on, its key and event time, and its table.
 *
 * { "topic": "migration.link-states", "kind": "stream", "key": { "field": "device_id", "entity": "device" },
 *   "time": "observed_at", "partitions": 4,
 *   "clickhouse": { "table": "migration_link_states", "orderBy": ["device_id", "observed_at"], "ttlDays": 90 } }
 *
 * `kind` (stream), `partitions` (4), `clickhouse.table` (the topic with `.` and `-` as `_`) and `clickhouse.orderBy`
 * (key, time) have defaults; `ttlDays` left out keeps rows for ever.
 */
import type { AvroObject, Stream } from '#engine/topology/stream.ts';
import type { FieldNode, RecordNode, SchemaNode } from './schema-node.ts';
import { columnsOf } from './columns.ts';

/** What a stream constant holds besides its schema. */
export type StreamAttributes = Omit<Stream<unknown>, 'name' | 'schema' | 'valueType'>;

const DEFAULT_PARTITIONS = 4;
/** ClickHouse counts the time of expiry in seconds of 32 bits, to 2106: rows that expire later would be gone at once. */
const MAX_TTL_DAYS = 20_000;
const TOPIC = /^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)+$/;
const TABLE = /^[a-z][a-z0-9_]*$/;

type Json = Readonly<Record<string, unknown>>;
type Report = (problem: string) => void;

function objectAt(value: unknown, what: string, known: readonly string[], report: Report): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    report(`${what} must be an object`);
    return {};
  }
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) report(`${what} does not know '${name}'; it takes ${known.join(', ')}`);
  }
  return value as Json;
}

/**
 * Reads the `weir` attribute; undefined if the schema has no topic. Problems go to `report`, each naming the attribute;
 * what is returned is of use only if there were none.
 */
export function streamAttributesOf(
  json: AvroObject,
  record: RecordNode,
  report: Report,
): StreamAttributes | undefined {
  if (json['weir'] === undefined) return undefined;
  const weir = objectAt(
    json['weir'],
    'weir',
    ['topic', 'kind', 'key', 'time', 'partitions', 'clickhouse'],
    report,
  );
  const { topic, kind = 'stream', partitions = DEFAULT_PARTITIONS } = weir;
  if (typeof topic !== 'string' || !TOPIC.test(topic)) {
    report(`weir.topic must be <subsystem>.<plural noun> in lower case, is ${JSON.stringify(topic)}`);
  }
  if (kind !== 'stream' && kind !== 'table')
    report(`weir.kind must be stream or table, is ${JSON.stringify(kind)}`);
  if (typeof partitions !== 'number' || !Number.isInteger(partitions) || partitions < 1) {
    report(`weir.partitions must be a whole number from 1, is ${JSON.stringify(partitions)}`);
  }
  const key = keyOf(weir['key'], record, report);
  const time = timeOf(weir['time'], record, report);
  return {
    topic: String(topic),
    kind: kind === 'table' ? 'table' : 'stream',
    key,
    time,
    partitions: Number(partitions),
    clickhouse: tableOf(weir['clickhouse'] ?? {}, String(topic), [key.field, time.field], record, report),
  };
}

function fieldOf(record: RecordNode, name: unknown, what: string, report: Report): FieldNode | undefined {
  const field = record.fields.find((candidate) => candidate.name === name);
  if (field === undefined) {
    report(
      `${what} names ${JSON.stringify(name)}, but the fields are ${record.fields.map((f) => f.name).join(', ')}`,
    );
  }
  return field;
}

const KEY_KINDS: readonly SchemaNode['kind'][] = ['string', 'int', 'long', 'enum', 'boolean'];

function keyOf(value: unknown, record: RecordNode, report: Report): Stream<unknown>['key'] {
  const { field: name, entity } = objectAt(value, 'weir.key', ['field', 'entity'], report);
  const field = fieldOf(record, name, 'weir.key.field', report);
  if (field !== undefined && !KEY_KINDS.includes(field.type.kind)) {
    report(`weir.key.field '${field.name}' must be a string, int, long, boolean or enum that is never null`);
  }
  if (typeof entity !== 'string' || entity === '')
    report('weir.key.entity must name what the key stands for: "device"');
  return { field: String(name), entity: String(entity) };
}

function timeOf(name: unknown, record: RecordNode, report: Report): Stream<unknown>['time'] {
  const field = fieldOf(record, name, 'weir.time', report);
  const logical = field !== undefined && field.type.kind === 'long' ? field.type.logical?.name : undefined;
  if (field !== undefined && logical !== 'timestamp-millis' && logical !== 'timestamp-micros') {
    report(
      `weir.time '${field.name}' must be a long with logicalType timestamp-millis or timestamp-micros, never null`,
    );
  }
  return { field: String(name), unit: logical === 'timestamp-micros' ? 'micros' : 'millis' };
}

function isTtlDays(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_TTL_DAYS;
}

function tableOf(
  value: unknown,
  topic: string,
  keyAndTime: readonly string[],
  record: RecordNode,
  report: Report,
): Stream<unknown>['clickhouse'] {
  const attributes = objectAt(value, 'weir.clickhouse', ['table', 'orderBy', 'ttlDays'], report);
  const { table = topic.replaceAll(/[.-]/g, '_'), orderBy = [...new Set(keyAndTime)], ttlDays } = attributes;
  if (typeof table !== 'string' || !TABLE.test(table)) {
    report(`weir.clickhouse.table must be letters, digits and _, in lower case, is ${JSON.stringify(table)}`);
  }
  if (!Array.isArray(orderBy) || orderBy.length === 0)
    report('weir.clickhouse.orderBy must be an array of columns');
  const columns = new Map(columnsOf(record).map((column) => [column.name, column]));
  for (const name of Array.isArray(orderBy) ? (orderBy as unknown[]) : []) {
    const column = columns.get(String(name));
    const kind = column?.field.type.kind;
    if (column === undefined) {
      report(
        `weir.clickhouse.orderBy names ${JSON.stringify(name)}, but the columns are ${[...columns.keys()].join(', ')}`,
      );
    } else if (column.isNullable || kind === 'array' || kind === 'map') {
      report(`weir.clickhouse.orderBy: '${String(name)}' may be neither nullable nor an array or map`);
    }
  }
  if (ttlDays !== undefined && !isTtlDays(ttlDays)) {
    report(
      `weir.clickhouse.ttlDays must be a whole number of days from 1 to ${MAX_TTL_DAYS}, or left out to keep rows for ever; ` +
        `it is ${JSON.stringify(ttlDays)}`,
    );
  }
  return {
    table: String(table),
    orderBy: Array.isArray(orderBy) ? orderBy.map(String) : [],
    ...(typeof ttlDays === 'number' ? { ttlDays } : {}),
  };
}
