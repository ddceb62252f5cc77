/** What can go wrong between a topic and its ClickHouse table. */

export type SinkErrorCode =
  /** A schema that has no place in a table: found before anything starts. */
  | 'schema-unsupported'
  /** The table in ClickHouse is not the one that the schema describes, or would lose deduplication. */
  | 'table-mismatch'
  /** The cluster that is named cannot have the tables: unknown, without Keeper or macros, or its shards are not shards. */
  | 'cluster-unusable'
  /** A migration that is changed, missing, out of order or not repeatable, or a database that a newer Weir has migrated. */
  | 'migration-refused'
  /** A value that its column cannot hold. The row goes to the dead letters. */
  | 'value-invalid'
  /** A record without a value on a topic that is not a table. */
  | 'value-missing'
  /** The committed promise of a batch cannot be read, or cannot be kept. */
  | 'intent-invalid'
  /** ClickHouse or the way to it failed; the same request may succeed later. */
  | 'clickhouse-transient'
  /** ClickHouse refuses the data of this block. */
  | 'clickhouse-data'
  /** ClickHouse refuses the insert whatever its data: permission, missing table or column. */
  | 'clickhouse-permanent'
  /** The database has rows of another log, or of a former topic, whose offsets mean other records (bound-log.ts, bound-topics.ts). */
  | 'other-log'
  /** The topic has lost records that were not inserted: retention was faster, or the topic was made anew. */
  | 'records-lost'
  /** Kafka refuses this sink's membership in its group. */
  | 'group-refused'
  /** The group's position in a partition is gone, although the table has rows of it. */
  | 'position-lost'
  /** A table is gone of whose topic the group has taken records. */
  | 'table-lost'
  /** Targets of materialized views may lack rows of their table, or have them twice. The sink goes on. */
  | 'views-in-doubt'
  /** Another run writes into the same database (writer-lease.ts). */
  | 'not-only-writer'
  /** The sink was stopped (its signal aborted) before the work was done. What is promised is kept at the next start. */
  | 'stopped';

/**
 * The error of everything under sinks/clickhouse. `retryable` says whether the same call may succeed later.
 * The message names the place (table, column, topic, partition, offset) and what to do.
 */
export class SinkError extends Error {
  override readonly name = 'SinkError';
  readonly code: SinkErrorCode;
  readonly retryable: boolean;

  constructor(code: SinkErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.retryable = code === 'clickhouse-transient' || code === 'not-only-writer';
  }
}

/** Text of anything that was thrown, for messages. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A host name with several addresses fails with an AggregateError, whose own message is empty.
  const [first] = error instanceof AggregateError ? (error.errors as readonly unknown[]) : [];
  return error.message === '' && first !== undefined ? reasonOf(first) : error.message;
}
