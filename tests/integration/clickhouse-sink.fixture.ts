/** A log in memory, a ClickHouse and a sink between them, for tests. */
import type { ClickHouseClient } from '@clickhouse/client';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { MemoryLog } from '#engine/log/memory-log.ts';
import type { NewRecord } from '#engine/log/log.ts';
import { deadLetters } from '#engine/records/generated.ts';
import type { Stream } from '#engine/topology/stream.ts';
import { auditTable, type PartitionAudit } from '#sinks/clickhouse/audit.ts';
import {
  startClickHouseSink,
  type ClickHouseSink,
  type SinkConfig,
} from '#sinks/clickhouse/clickhouse-sink.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { prepareTables } from '#sinks/clickhouse/prepare-tables.ts';
import { tableOf, type Table } from '#sinks/clickhouse/tables.ts';

const GROUP = 'sink';

export interface Pipe<T> {
  readonly client: ClickHouseClient;
  readonly log: MemoryLog;
  readonly writers: WriterSchemas;
  readonly table: Table;
  readonly deadLetterTable: Table;
  /** Starts a sink over all partitions; tables are prepared first. */
  readonly start: (config?: Partial<SinkConfig>) => Promise<ClickHouseSink>;
  /** Appends events, each to the partition that `i % partitions` says. */
  readonly send: (events: readonly T[]) => void;
  readonly append: (records: readonly Partial<NewRecord>[]) => void;
  readonly audit: () => Promise<readonly PartitionAudit[]>;
  readonly rows: <R>(sql: string) => Promise<readonly R[]>;
  readonly close: () => Promise<void>;
}

/** A pipe for a stream into a database of its own. */
export function openPipe<T>(url: string, stream: Stream<T>, database: string, username = 'default'): Pipe<T> {
  const client = openClient({ url, username });
  const log = new MemoryLog({ maxBytes: 1e9 });
  const writers = new WriterSchemas();
  const codec = eventCodec(stream, writers);
  const table = tableOf(stream, database);
  const deadLetterTable = tableOf(deadLetters, database);
  log.createTopic(stream.topic, stream.partitions);
  log.createTopic(deadLetters.topic, deadLetters.partitions);
  const inputs = [table, deadLetterTable].map((each) => ({
    table: each,
    sources: Array.from({ length: each.stream.partitions }, (_, i) =>
      log.source(GROUP, each.stream.topic, i),
    ),
  }));
  let sent = 0;
  const append: Pipe<T>['append'] = (records) => {
    log.append(
      records.map((record) => ({
        topic: stream.topic,
        key: null,
        value: null,
        timestampMs: Date.now(),
        headers: {},
        partition: sent++ % stream.partitions,
        ...record,
      })),
    );
  };
  return {
    client,
    log,
    writers,
    table,
    deadLetterTable,
    start: async (config = {}) => {
      await prepareTables(client, [table, deadLetterTable]);
      return startClickHouseSink({ client, inputs, writers, deadLetters: log, incarnation: '', ...config });
    },
    send: (events) => {
      append(
        events.map((event) => ({ value: codec.encode(event), headers: { ce_source: 'test', ce_id: 'x' } })),
      );
    },
    append,
    audit: () => auditTable(client, table),
    rows: async <R>(sql: string): Promise<readonly R[]> => {
      const result = await client.query({
        query: sql,
        format: 'JSONEachRow',
        clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
      });
      return result.json<R>();
    },
    close: () => client.close(),
  };
}
