/**
 * The seam between Weir and a log of partitioned topics: Apache Kafka, or topics in this process's memory.
 *
 * I1  Records of a partition have rising offsets; they need not be dense (control records, compaction, retention).
 * I2  A group's commit carries an offset (of the next record to read) and metadata, as Kafka's do.
 */

export type HeaderValue = string | Buffer | readonly (string | Buffer)[];
export type Headers = Readonly<Record<string, HeaderValue>>;

/** A record as read from a partition. What it holds may be read from the bytes when it is asked for: a copy by `{ ...record }` lacks it. */
export interface LogRecord {
  readonly offset: number;
  readonly key: Buffer | null;
  /** null is a tombstone. */
  readonly value: Buffer | null;
  readonly timestampMs: number;
  readonly headers: Headers;
  /** The same as `headerText(headers, name)` (engine/task/cloud-events.ts), where a log has a way that leaves the others unread. */
  headerText?(name: string): string | undefined;
  /** The same as `recordKeyIs(record, text)` (engine/log/record-key.ts), where a log has a way that does not read the key. */
  keyIs?(text: string | null): boolean;
}

/** A record to be written. The partition follows from the key (murmur2, as Kafka's Java client), unless given. */
export interface NewRecord {
  readonly topic: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestampMs: number;
  readonly headers: Headers;
  readonly partition?: number;
}

/** A group's committed position in a partition: the offset of the next record to read. */
export interface Committed {
  readonly offset: number;
  readonly metadata: string;
}

/**
 * One partition as a sink reads it. `committed` and `commit` belong to the sink's own consumer group; on Kafka a commit
 * carries the group's generation and fails with a `fenced` error once the partition belongs to another member.
 */
export interface PartitionSource {
  readonly topic: string;
  readonly partition: number;
  committed(): Promise<Committed | undefined>;
  commit(offset: number, metadata: string): Promise<void>;
  /** Up to `maxRecords` records from `offset` on, at once with what there is; an empty array at the end of the partition. */
  read(offset: number, maxRecords: number): readonly LogRecord[] | Promise<readonly LogRecord[]>;
  /**
   * The offset of the next record at or after `offset`, as far as that is known; `offset` itself where it is not. A log whose
   * offsets are dense does without.
   */
  nextOffset?(offset: number): number;
  /** The offset that the next record written will get (on Kafka: the last stable offset). */
  endOffset(): number | Promise<number>;
  /**
   * Resolves when there may be something new at or after `offset`, also when `nextOffset` has come past it, or when `signal`
   * aborts. Never rejects.
   */
  waitForData(offset: number, signal: AbortSignal): Promise<void>;
}

/** Writes records so that all become visible or none. Rejects if none was written; waits while the log has no room. */
export interface LogWriter {
  write(records: readonly NewRecord[]): Promise<void>;
}
