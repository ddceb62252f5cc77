/**
 * Generated from the .avsc files beside it by `npm run generate`. Change those, not this file.
 */

import type { RecordSchema, Stream } from '#engine/topology/stream.ts';

/** A record that could not be processed, with its original bytes and the reason. */
export interface DeadLetter {
  /** Where the record stood: <topic>/<partition>/<offset>, or a unique text for input that never reached a topic. */
  readonly origin: string;
  /** Who could not process it: 'processor <name>', 'sink clickhouse' or 'produce'. */
  readonly reader: string;
  /** The topic that it was on, or was meant for. */
  readonly topic: string;
  /** Its partition; null if it never reached a topic. */
  readonly partition: number | null;
  /** Its offset; null if it never reached a topic. */
  readonly offset: number | null;
  /** Its key, as it was. */
  readonly source_key: Buffer | null;
  /** Its value, byte for byte. */
  readonly value: Buffer | null;
  /** Its headers; of a header given several times, the last value. */
  readonly headers: Readonly<Record<string, Buffer>>;
  /** What went wrong, for programs: a code of the error, 'rejected' for a handler's refusal. */
  readonly code: string;
  /** What went wrong, in words, naming the field. */
  readonly reason: string;
  /** When the reader gave up on it. */
  readonly failed_at: number;
  /** The record's own Kafka timestamp; null if it never reached a topic. */
  readonly record_timestamp: number | null;
}

/**
 * Part of a task's order journal: what the task was fed since the chunk before, in order. Written in the transaction
 * of the outputs that followed from it.
 */
export interface JournalChunk {
  /** Number of the chunk in its task, from 0, without gaps. */
  readonly seq: number;
  /** What the task was fed, in order. */
  readonly entries: readonly JournalEntry[];
}

/** A run of records of one input partition, or a tick of the wall clock. */
export interface JournalEntry {
  /** records: a run of records; tick: the wall clock moved on. */
  readonly kind: JournalKind;
  /** Number of the input among the processor's inputs and tables; -1 for a tick. */
  readonly input: number;
  /** Partition of the input; -1 for a tick. */
  readonly partition: number;
  /** Offset of the run's first record; -1 for a tick. */
  readonly offset: number;
  /** Number of records in the run; 0 for a tick. */
  readonly count: number;
  /** Wall time of a tick in milliseconds since the epoch; for records that of the last tick. */
  readonly wall_ms: number;
  /** For a tick, which input partitions had nothing left to read: a bit set, in the order of the task's partitions. */
  readonly caught_up: Buffer;
}

/** What an entry stands for. */
export type JournalKind = 'records' | 'tick';

/** What a task keeps for one key: the processor's state, its timers, and the events seen. */
export interface KeyEntry {
  /** The state of the processor as Avro binary, in the schema that the task keeps beside it; null if there is none. */
  readonly state: Buffer | null;
  /** Timers that are set, in the order of their names. */
  readonly timers: readonly TimerEntry[];
  /**
   * The last events, oldest first, of inputs that drop repetitions: input name, a colon, and xxHash64 of ce_source,
   * a line feed and ce_id as 16 hexadecimal digits.
   */
  readonly seen: readonly string[];
}

/** Progress of one input partition. */
export interface PartitionMeta {
  /** Topic of the partition. */
  readonly topic: string;
  /** Partition of the input. */
  readonly partition: number;
  /** Largest event time seen, in milliseconds since the epoch; null before the first record. */
  readonly max_event_time_ms: number | null;
  /** Wall time when the partition last had something to read, in milliseconds since the epoch. */
  readonly last_active_wall_ms: number | null;
  /** Whether the partition no longer holds back the watermark. */
  readonly idle: boolean;
  /** Offset of the next record to read. */
  readonly next_offset: number;
}

/** A header with all of its values. */
export interface RecordedHeader {
  /** Name of the header. */
  readonly name: string;
  /** Its values, in order. */
  readonly values: readonly Buffer[];
}

/** One record of a partition, as a recording keeps it. */
export interface RecordedRecord {
  /** Its offset in the partition. */
  readonly offset: number;
  /** Its Kafka timestamp in milliseconds since the epoch. */
  readonly timestamp_ms: number;
  /** Its key. */
  readonly key: Buffer | null;
  /** Its value; null for a tombstone. */
  readonly value: Buffer | null;
  /** Its headers, in order. */
  readonly headers: readonly RecordedHeader[];
}

/** A writer's schema, announced before the first record that is written with it, so that any reader can resolve it. */
export interface SchemaAnnouncement {
  /**
   * CRC-64-AVRO fingerprint of the schema's Parsing Canonical Form: 16 lower-case hexadecimal digits, most
   * significant first.
   */
  readonly fingerprint: string;
  /** Full name of the record that the schema describes. */
  readonly name: string;
  /** The schema as JSON text, standing alone. */
  readonly schema: string;
  /** Id of the schema in the schema registry; null without a registry. */
  readonly confluent_id: number | null;
  /** When the writer announced it. */
  readonly announced_at: number;
}

/** What a task keeps besides the states of its keys, so that a restart changes no decision. */
export interface TaskMeta {
  /** Wall time as of the last tick, in milliseconds since the epoch; null before the first. */
  readonly wall_ms: number | null;
  /** Watermark in milliseconds since the epoch; null before the first record. */
  readonly watermark_ms: number | null;
  /** Number of the next journal chunk. */
  readonly journal_seq: number;
  /** Ticks taken so far: part of what tells two firings of a timer apart. */
  readonly ticks: number;
  /** Progress of each input partition, tables included. */
  readonly partitions: readonly PartitionMeta[];
}

/** A timer that is set. */
export interface TimerEntry {
  /** Name of the timer in its processor. */
  readonly name: string;
  /** When it fires, in milliseconds since the epoch of its clock. */
  readonly time_ms: number;
}

/** Topic weir.dead-letters: DeadLetter, keyed by record. */
export const deadLetters: Stream<DeadLetter> = {
  name: 'weir.DeadLetter',
  topic: 'weir.dead-letters',
  kind: 'stream',
  key: { field: 'origin', entity: 'record' },
  time: { field: 'failed_at', unit: 'millis' },
  partitions: 4,
  clickhouse: { table: 'weir_dead_letters', orderBy: ['topic', 'reader', 'failed_at'] },
  schema: {
    type: 'record',
    name: 'DeadLetter',
    namespace: 'weir',
    doc: 'A record that could not be processed, with its original bytes and the reason.',
    weir: {
      topic: 'weir.dead-letters',
      key: { field: 'origin', entity: 'record' },
      time: 'failed_at',
      clickhouse: { orderBy: ['topic', 'reader', 'failed_at'] },
    },
    fields: [
      {
        name: 'origin',
        type: 'string',
        doc: 'Where the record stood: <topic>/<partition>/<offset>, or a unique text for input that never reached a topic.',
      },
      {
        name: 'reader',
        type: 'string',
        doc: "Who could not process it: 'processor <name>', 'sink clickhouse' or 'produce'.",
        clickhouse: { lowCardinality: true },
      },
      {
        name: 'topic',
        type: 'string',
        doc: 'The topic that it was on, or was meant for.',
        clickhouse: { lowCardinality: true },
      },
      {
        name: 'partition',
        type: ['null', 'int'],
        default: null,
        doc: 'Its partition; null if it never reached a topic.',
      },
      {
        name: 'offset',
        type: ['null', 'long'],
        default: null,
        doc: 'Its offset; null if it never reached a topic.',
      },
      { name: 'source_key', type: ['null', 'bytes'], default: null, doc: 'Its key, as it was.' },
      { name: 'value', type: ['null', 'bytes'], default: null, doc: 'Its value, byte for byte.' },
      {
        name: 'headers',
        type: { type: 'map', values: 'bytes' },
        default: {},
        doc: 'Its headers; of a header given several times, the last value.',
      },
      {
        name: 'code',
        type: 'string',
        doc: "What went wrong, for programs: a code of the error, 'rejected' for a handler's refusal.",
        clickhouse: { lowCardinality: true },
      },
      { name: 'reason', type: 'string', doc: 'What went wrong, in words, naming the field.' },
      {
        name: 'failed_at',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'When the reader gave up on it.',
      },
      {
        name: 'record_timestamp',
        type: ['null', { type: 'long', logicalType: 'timestamp-millis' }],
        default: null,
        doc: "The record's own Kafka timestamp; null if it never reached a topic.",
      },
    ],
  },
};

/** Schema of JournalChunk. */
export const journalChunkSchema: RecordSchema<JournalChunk> = {
  name: 'weir.JournalChunk',
  schema: {
    type: 'record',
    name: 'JournalChunk',
    namespace: 'weir',
    doc: "Part of a task's order journal: what the task was fed since the chunk before, in order. Written in the transaction of the outputs that followed from it.",
    fields: [
      { name: 'seq', type: 'long', doc: 'Number of the chunk in its task, from 0, without gaps.' },
      {
        name: 'entries',
        doc: 'What the task was fed, in order.',
        type: {
          type: 'array',
          items: {
            type: 'record',
            name: 'JournalEntry',
            doc: 'A run of records of one input partition, or a tick of the wall clock.',
            fields: [
              {
                name: 'kind',
                type: {
                  type: 'enum',
                  name: 'JournalKind',
                  doc: 'What an entry stands for.',
                  symbols: ['records', 'tick'],
                },
                doc: 'records: a run of records; tick: the wall clock moved on.',
              },
              {
                name: 'input',
                type: 'int',
                doc: "Number of the input among the processor's inputs and tables; -1 for a tick.",
              },
              { name: 'partition', type: 'int', doc: 'Partition of the input; -1 for a tick.' },
              { name: 'offset', type: 'long', doc: "Offset of the run's first record; -1 for a tick." },
              { name: 'count', type: 'int', doc: 'Number of records in the run; 0 for a tick.' },
              {
                name: 'wall_ms',
                type: 'long',
                doc: 'Wall time of a tick in milliseconds since the epoch; for records that of the last tick.',
              },
              {
                name: 'caught_up',
                type: 'bytes',
                doc: "For a tick, which input partitions had nothing left to read: a bit set, in the order of the task's partitions.",
              },
            ],
          },
        },
      },
    ],
  },
};

/** Schema of KeyEntry. */
export const keyEntrySchema: RecordSchema<KeyEntry> = {
  name: 'weir.KeyEntry',
  schema: {
    type: 'record',
    name: 'KeyEntry',
    namespace: 'weir',
    doc: "What a task keeps for one key: the processor's state, its timers, and the events seen.",
    fields: [
      {
        name: 'state',
        type: ['null', 'bytes'],
        default: null,
        doc: 'The state of the processor as Avro binary, in the schema that the task keeps beside it; null if there is none.',
      },
      {
        name: 'timers',
        doc: 'Timers that are set, in the order of their names.',
        type: {
          type: 'array',
          items: {
            type: 'record',
            name: 'TimerEntry',
            doc: 'A timer that is set.',
            fields: [
              { name: 'name', type: 'string', doc: 'Name of the timer in its processor.' },
              {
                name: 'time_ms',
                type: 'long',
                doc: 'When it fires, in milliseconds since the epoch of its clock.',
              },
            ],
          },
        },
      },
      {
        name: 'seen',
        type: { type: 'array', items: 'string' },
        doc: 'The last events, oldest first, of inputs that drop repetitions: input name, a colon, and xxHash64 of ce_source, a line feed and ce_id as 16 hexadecimal digits.',
      },
    ],
  },
};

/** Schema of RecordedRecord. */
export const recordedRecordSchema: RecordSchema<RecordedRecord> = {
  name: 'weir.RecordedRecord',
  schema: {
    type: 'record',
    name: 'RecordedRecord',
    namespace: 'weir',
    doc: 'One record of a partition, as a recording keeps it.',
    fields: [
      { name: 'offset', type: 'long', doc: 'Its offset in the partition.' },
      { name: 'timestamp_ms', type: 'long', doc: 'Its Kafka timestamp in milliseconds since the epoch.' },
      { name: 'key', type: ['null', 'bytes'], default: null, doc: 'Its key.' },
      { name: 'value', type: ['null', 'bytes'], default: null, doc: 'Its value; null for a tombstone.' },
      {
        name: 'headers',
        doc: 'Its headers, in order.',
        type: {
          type: 'array',
          items: {
            type: 'record',
            name: 'RecordedHeader',
            doc: 'A header with all of its values.',
            fields: [
              { name: 'name', type: 'string', doc: 'Name of the header.' },
              { name: 'values', type: { type: 'array', items: 'bytes' }, doc: 'Its values, in order.' },
            ],
          },
        },
      },
    ],
  },
};

/** Topic weir.schemas: SchemaAnnouncement, keyed by schema. */
export const schemas: Stream<SchemaAnnouncement> = {
  name: 'weir.SchemaAnnouncement',
  topic: 'weir.schemas',
  kind: 'table',
  key: { field: 'fingerprint', entity: 'schema' },
  time: { field: 'announced_at', unit: 'millis' },
  partitions: 1,
  clickhouse: { table: 'weir_schemas', orderBy: ['fingerprint', 'announced_at'] },
  schema: {
    type: 'record',
    name: 'SchemaAnnouncement',
    namespace: 'weir',
    doc: "A writer's schema, announced before the first record that is written with it, so that any reader can resolve it.",
    weir: {
      topic: 'weir.schemas',
      kind: 'table',
      key: { field: 'fingerprint', entity: 'schema' },
      time: 'announced_at',
      partitions: 1,
    },
    fields: [
      {
        name: 'fingerprint',
        type: 'string',
        doc: "CRC-64-AVRO fingerprint of the schema's Parsing Canonical Form: 16 lower-case hexadecimal digits, most significant first.",
      },
      {
        name: 'name',
        type: 'string',
        doc: 'Full name of the record that the schema describes.',
        clickhouse: { lowCardinality: true },
      },
      {
        name: 'schema',
        type: 'string',
        doc: 'The schema as JSON text, standing alone.',
        clickhouse: { codec: 'ZSTD(3)' },
      },
      {
        name: 'confluent_id',
        type: ['null', 'int'],
        default: null,
        doc: 'Id of the schema in the schema registry; null without a registry.',
      },
      {
        name: 'announced_at',
        type: { type: 'long', logicalType: 'timestamp-millis' },
        doc: 'When the writer announced it.',
      },
    ],
  },
};

/** Schema of TaskMeta. */
export const taskMetaSchema: RecordSchema<TaskMeta> = {
  name: 'weir.TaskMeta',
  schema: {
    type: 'record',
    name: 'TaskMeta',
    namespace: 'weir',
    doc: 'What a task keeps besides the states of its keys, so that a restart changes no decision.',
    fields: [
      {
        name: 'wall_ms',
        type: ['null', 'long'],
        default: null,
        doc: 'Wall time as of the last tick, in milliseconds since the epoch; null before the first.',
      },
      {
        name: 'watermark_ms',
        type: ['null', 'long'],
        default: null,
        doc: 'Watermark in milliseconds since the epoch; null before the first record.',
      },
      { name: 'journal_seq', type: 'long', doc: 'Number of the next journal chunk.' },
      {
        name: 'ticks',
        type: 'long',
        doc: 'Ticks taken so far: part of what tells two firings of a timer apart.',
      },
      {
        name: 'partitions',
        doc: 'Progress of each input partition, tables included.',
        type: {
          type: 'array',
          items: {
            type: 'record',
            name: 'PartitionMeta',
            doc: 'Progress of one input partition.',
            fields: [
              { name: 'topic', type: 'string', doc: 'Topic of the partition.' },
              { name: 'partition', type: 'int', doc: 'Partition of the input.' },
              {
                name: 'max_event_time_ms',
                type: ['null', 'long'],
                default: null,
                doc: 'Largest event time seen, in milliseconds since the epoch; null before the first record.',
              },
              {
                name: 'last_active_wall_ms',
                type: ['null', 'long'],
                default: null,
                doc: 'Wall time when the partition last had something to read, in milliseconds since the epoch.',
              },
              {
                name: 'idle',
                type: 'boolean',
                doc: 'Whether the partition no longer holds back the watermark.',
              },
              { name: 'next_offset', type: 'long', doc: 'Offset of the next record to read.' },
            ],
          },
        },
      },
    ],
  },
};
