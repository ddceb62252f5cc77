/** Whether tables are there, for those who only read them. */
import type { ClickHouseClient } from '@clickhouse/client';
import { SinkError } from './error.ts';
import type { Table } from './tables.ts';

/**
 * Resolves when every table is there.
 *
 * @throws SinkError `table-mismatch` that names those that are not
 */
export async function requireTables(client: ClickHouseClient, tables: readonly Table[]): Promise<void> {
  const found = await client.query({
    query: 'SELECT database, name FROM system.tables WHERE database IN {databases:Array(String)}',
    query_params: { databases: [...new Set(tables.map(({ database }) => database))] },
    format: 'JSONEachRow',
  });
  const rows = await found.json<{ database: string; name: string }>();
  const present = new Set(rows.map(({ database, name }) => JSON.stringify([database, name])));
  const missing = tables.filter(({ database, name }) => !present.has(JSON.stringify([database, name])));
  if (missing.length === 0) return;
  const names = missing.map(({ database, name }) => `${database}.${name}`).join(', ');
  throw new SinkError(
    'table-mismatch',
    rows.length === 0
      ? `not in ClickHouse: ${names}, and nothing else in that database: it is another database or server, or weir up has ` +
          'not run there yet'
      : `not in ClickHouse: ${names}. weir up makes what is missing, but without the rows of before: bring these back first`,
  );
}
