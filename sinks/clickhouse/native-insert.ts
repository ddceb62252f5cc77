/**
 * One insert: a Native block by HTTP, under a deduplication token.
 *
 * I1  One insert is one block. The settings that could cut it up, merge it with others or put it off are pinned here,
 *     whatever the server's or the user's profile says.
 * I2  An insert is done when ClickHouse itself says so: what stands in front of it may answer 200 with a page of its own.
 */
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { ClickHouseClient, ClickHouseSettings } from '@clickhouse/client';
import { qualified, type Table } from './tables.ts';
import { quoteName } from './value-type.ts';

/** Far above any batch (`maxRows` in clickhouse-sink.ts). */
const NEVER_SPLIT_ROWS = 1_048_576;

const PINNED: ClickHouseSettings = {
  async_insert: 0,
  insert_deduplicate: 1,
  deduplicate_blocks_in_dependent_materialized_views: 1,
  // With it a view that fails would lose its rows, and the insert be answered as done.
  materialized_views_ignore_errors: 0,
  input_format_parallel_parsing: 0,
  max_insert_threads: '1',
  max_insert_block_size: String(NEVER_SPLIT_ROWS),
  min_insert_block_size_rows: String(NEVER_SPLIT_ROWS),
  // 0 lets the number of rows decide alone.
  min_insert_block_size_bytes: '0',
  // Each table partition that a block touches takes one entry of the deduplication window.
  max_partitions_per_insert_block: '100',
  // On a cluster: acknowledged once the shard has it, not once it is queued for the shard (cluster.ts).
  distributed_foreground_insert: 1,
  wait_end_of_query: 1,
};

export interface NativeInsert {
  readonly table: Table;
  readonly block: Buffer;
  readonly token: string;
}

/** Inserts a block. Resolves once ClickHouse has it, now or from an earlier try; rejects with the client's error. */
export async function insertNative(
  client: ClickHouseClient,
  insert: NativeInsert,
  signal: AbortSignal,
): Promise<void> {
  // It may have waited for its turn, and the client heeds only a signal that aborts during the request.
  signal.throwIfAborted();
  const { table, block, token } = insert;
  const { fields, audit } = table.columns;
  const names = [...fields, ...audit].map((column) => quoteName(column.name));
  const { stream, response_headers: headers } = await client.exec({
    query: `INSERT INTO ${qualified(table)} (${names.join(', ')}) FORMAT Native`,
    values: Readable.from([block], { objectMode: false }),
    clickhouse_settings: { ...PINNED, insert_deduplication_token: token },
    abort_signal: signal,
  });
  // Nothing comes back from an insert, but the connection is free again only once that is read.
  stream.resume();
  await finished(stream);
  if (headers['x-clickhouse-query-id'] === undefined && headers['x-clickhouse-summary'] === undefined)
    throw new Error(
      'an answer without the headers of ClickHouse (X-ClickHouse-Query-Id): does a proxy in front of it answer, or take them away?',
    );
}
