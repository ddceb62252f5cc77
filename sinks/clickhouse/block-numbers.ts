/**
 * The blocks of tables, as `system.parts` tells them: how many were numbered, and whether rows were dropped with their tokens.
 *
 * A plain MergeTree numbers the blocks of all its partitions rising, as long as the server runs. What is dropped (TRUNCATE, DROP PARTITION,
 * a TTL) takes its tokens along, and what is filled in again has higher numbers. A merge keeps the lowest number of what it merges.
 *
 * I1  Where `partitionsUpTo` a number is the same at two moments of one server, none of these partitions was dropped in between and filled
 *     again.
 */
import { createHash } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';
import { keyOf, type KnownTable } from './fed-tables.ts';

export interface Blocks {
  /** The largest number of a block; 0 where there is none. Blocks that are merged away count, too. */
  readonly newest: number;
  /** Of each partition that has rows: its lowest number. */
  readonly partitions: readonly (readonly [id: string, first: number])[];
  /** First and last number of each part that has rows; a merged one has numbers between. */
  readonly parts: readonly (readonly [first: number, last: number])[];
}

const NONE: Blocks = { newest: 0, partitions: [], parts: [] };

/** The blocks of each table, in the same order. Rejects as the client does. */
export async function readBlocks(client: ClickHouseClient, tables: readonly KnownTable[]): Promise<Blocks[]> {
  const result = await client.query({
    query: `SELECT database, name, max(last) AS newest, groupArrayIf((id, first), first > 0) AS partitions,
       arrayFlatten(groupArray(each)) AS parts
FROM (SELECT database, table AS name, partition_id AS id, max(max_block_number) AS last,
        minIf(min_block_number, active AND rows > 0) AS first,
        groupArrayIf((min_block_number, max_block_number), active AND rows > 0) AS each
      FROM system.parts WHERE database IN {databases:Array(String)} AND table IN {names:Array(String)} GROUP BY database, name, id)
GROUP BY database, name`,
    query_params: {
      databases: [...new Set(tables.map(({ database }) => database))],
      names: [...new Set(tables.map(({ name }) => name))],
    },
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  const rows = await result.json<{ database: string; name: string } & Blocks>();
  const found = new Map(rows.map((row) => [keyOf(row.database, row.name), row]));
  return tables.map(({ database, name }) => found.get(keyOf(database, name)) ?? NONE);
}

/** Says which partitions have a block up to `newest`, and where each begins: six digits in base 36. */
export function partitionsUpTo(newest: number, { partitions }: Blocks): string {
  const hash = createHash('sha256');
  const begun = partitions.filter(([, first]) => first <= newest).map(([id, first]) => `${id} ${first}\n`);
  for (const each of begun.sort()) hash.update(each);
  return (hash.digest().readUInt32BE() % 36 ** 6).toString(36).padStart(6, '0');
}

/**
 * Whether a partition that has no block up to `newest` may have been dropped since and filled again: then its first block does not
 * follow upon others. Of a merged part only both ends are its own for sure: numbers between may have been another partition's.
 */
export function mayBeRefilled(newest: number, { partitions, parts }: Blocks): boolean {
  const begin = Math.max(newest, ...partitions.map(([, first]) => first));
  const own = new Set(parts.flat());
  let next = newest + 1;
  while (own.has(next)) next += 1;
  return next <= begin;
}
