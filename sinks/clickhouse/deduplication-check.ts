/**
 * The check that tables remember deduplication tokens, and so do the targets of the materialized views behind them.
 * Measured (docs/exactly-once.md): a target with a window of 0 doubles when an insert is repeated.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { DEDUPLICATION_WINDOW, LEAST_WINDOW, localName } from './cluster.ts';
import { SinkError } from './error.ts';
import {
  fedFrom,
  keepsRows,
  keyOf,
  readDefaultWindows,
  readTables,
  windowOf,
  windowSetting,
  type Fed,
  type KnownTable,
} from './fed-tables.ts';
import type { Table } from './tables.ts';

/** Rejects with `table-mismatch`, naming the table and the statement that mends it, where a token would be forgotten. */
export async function refuseForgetfulTables(
  client: ClickHouseClient,
  tables: readonly Table[],
): Promise<void> {
  await refuseForgetfulProfile(client);
  const known = await readTables(client);
  const defaults = await readDefaultWindows(client);
  for (const table of tables) {
    const start = keyOf(table.database, localName(table.name, table.cluster));
    const fed = fedFrom(start, known);
    refuseUnresolved(fed, table);
    for (const each of fed.tables) refuseForgetful(each, table, defaults);
  }
}

function refuseUnresolved({ unresolved }: Fed, { database, name }: Table): void {
  if (unresolved.length === 0) return;
  throw new SinkError(
    'table-mismatch',
    `table ${database}.${name} has a materialized view whose target cannot be found: ${unresolved.join(', ')}. Does the target exist, ` +
      "and may the sink's user see it (GRANT SHOW TABLES)? Make it, or drop the view",
  );
}

/** `deduplicate_insert` (25.12 and newer) overrules what an insert says for itself; older servers know no such setting. */
async function refuseForgetfulProfile(client: ClickHouseClient): Promise<void> {
  const result = await client.query({
    query: `SELECT value FROM system.settings WHERE name = 'deduplicate_insert' AND value = 'disable'`,
    format: 'JSONEachRow',
  });
  if ((await result.json()).length === 0) return;
  throw new SinkError(
    'table-mismatch',
    "the user's profile sets deduplicate_insert = 'disable': ClickHouse forgets the tokens of inserts with it, and a repeated " +
      "insert would double its rows. Remove it from the profile, or set it to 'backward_compatible_choice'",
  );
}

function refuseForgetful(known: KnownTable, table: Table, defaults: ReadonlyMap<string, number>): void {
  if (!keepsRows(known)) return;
  const place =
    known.name === localName(table.name, table.cluster)
      ? `table ${known.database}.${known.name}`
      : `table ${known.database}.${known.name}, filled by a materialized view from ${table.database}.${table.name},`;
  if (!known.engine.endsWith('MergeTree')) {
    throw new SinkError(
      'table-mismatch',
      `${place} has engine ${known.engine}, which knows no deduplication tokens; use one of the MergeTree family`,
    );
  }
  const window = windowOf(known, defaults);
  if (window >= LEAST_WINDOW) return;
  const setting = windowSetting(known);
  const few = window === 0 ? 'no deduplication tokens' : 'too few deduplication tokens';
  throw new SinkError(
    'table-mismatch',
    `${place} remembers ${few} (${setting} = ${window}): a repeated insert would double its rows. ` +
      `ALTER TABLE \`${known.database}\`.\`${known.name}\` MODIFY SETTING ${setting} = ${DEDUPLICATION_WINDOW}`,
  );
}
