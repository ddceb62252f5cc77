/**
 * Streams: what a topic carries, how it is keyed and timed, and how it becomes a table.
 *
 * A stream is plain data. Stream constants are generated from the `.avsc` files (see engine/codec/generate), so a
 * topic's schema, key, event time and ClickHouse attributes have one source.
 */

/** An Avro schema in its JSON form, as parsed from an `.avsc` file. */
export type AvroSchema = string | readonly AvroSchema[] | AvroObject;

/** A JSON object inside an Avro schema: a complex type, or a type with a logical type or custom attributes. */
export interface AvroObject {
  readonly type: AvroSchema;
  readonly [attribute: string]: unknown;
}

/** A record schema whose values have the TypeScript type `T`. `T` is a phantom: nothing holds a value of it. */
export interface RecordSchema<T> {
  /** Full Avro name, namespace included: `weir.migration.LinkState`. */
  readonly name: string;
  readonly schema: AvroObject;
  readonly valueType?: T;
}

/** How rows of a stream lie in ClickHouse. Source: the `clickhouse` part of the schema's `weir` attribute. */
export interface TableAttributes {
  /** Table name without database; by default the topic with `.` and `-` as `_`. */
  readonly table: string;
  /** Sorting key, most filtered column first. */
  readonly orderBy: readonly string[];
  /** Rows older than this by event time are dropped in whole parts; undefined keeps them for ever. */
  readonly ttlDays?: number;
}

/** A topic: its schema, key, event time, partitioning, and table. `T` is the type of its values. */
export interface Stream<T> extends RecordSchema<T> {
  readonly topic: string;
  /** `stream` keeps every event for its retention; `table` is compacted and keeps the newest value of each key. */
  readonly kind: 'stream' | 'table';
  /** The field whose value, as a UTF-8 string, is the Kafka key, and what kind of entity it names (for joins). */
  readonly key: { readonly field: string; readonly entity: string };
  /** The field that holds event time, and its unit. */
  readonly time: { readonly field: string; readonly unit: 'millis' | 'micros' };
  readonly partitions: number;
  readonly clickhouse: TableAttributes;
}

/** The type of a stream's values. */
export type EventOf<S> = S extends Stream<infer T> ? T : never;

/** The Kafka key of an event: its key field as text. */
export function keyOf(stream: Stream<unknown>, event: object): string {
  const key = (event as Record<string, unknown>)[stream.key.field];
  if (typeof key === 'string') return key;
  if (typeof key === 'number' || typeof key === 'bigint' || typeof key === 'boolean') return String(key);
  throw new TypeError(
    `${stream.topic}: key field '${stream.key.field}' holds ${key === null ? 'null' : typeof key}`,
  );
}

/** Event time in milliseconds since the epoch (fractions kept as whole milliseconds, rounded down). */
export function eventTimeMsOf(stream: Stream<unknown>, event: object): number {
  const time = (event as Record<string, unknown>)[stream.time.field] as number;
  return stream.time.unit === 'micros' ? Math.floor(time / 1000) : time;
}
