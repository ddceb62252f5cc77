/** Where offsets go on when topics in memory start anew over a data directory that has rows of earlier runs. */
import type { ClickHouseClient } from '@clickhouse/client';
import { qualified, type Table } from './tables.ts';

/**
 * For each topic, the next offset of each partition that has rows: its largest `_offset` + 1. Partitions without rows are
 * missing; tables that do not exist yet are left out by the caller (`prepareTables` makes them).
 */
export async function nextOffsets(
  client: ClickHouseClient,
  tables: readonly Table[],
): Promise<ReadonlyMap<string, readonly number[]>> {
  const found = new Map<string, number[]>();
  if (tables.length === 0) return found;
  const each = tables.map(
    (table) =>
      `SELECT toString(_topic) AS topic, _partition AS partition, max(_offset) + 1 AS next FROM ${qualified(table)} GROUP BY topic, partition`,
  );
  const result = await client.query({
    query: `${each.join('\nUNION ALL\n')}\nORDER BY topic, partition`,
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  for (const { topic, partition, next } of await result.json<{
    topic: string;
    partition: number;
    next: number;
  }>()) {
    const offsets = found.get(topic) ?? [];
    while (offsets.length < partition) offsets.push(0);
    offsets[partition] = Math.max(offsets[partition] ?? 0, next);
    found.set(topic, offsets);
  }
  return found;
}
