/**
 * With which columns starts have prepared a table. A column that a start's schema lacks is there for one of two reasons: a newer build
 * has added it (in a rolling upgrade, or before going back), or this build's schema has lost its field. The names alone do not tell;
 * the past does: an earlier build has prepared this table before, with just these columns. So what a start prepares is remembered.
 *
 * I1  Remembered before a column is added. So whoever finds a column, and reads the memory after that, finds all that were there before it.
 * I2  Of a table without a memory, the columns that are there are remembered, too: they are of the build before, which may come back.
 * I3  Only a start that was not refused is remembered: being refused, and trying again, makes no start an earlier build.
 *
 * Only names: types are compared with those of the table itself.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { catchUp, createBookkeeping } from './bookkeeping.ts';
import type { DatabaseTarget } from './cluster.ts';
import { SinkError } from './error.ts';
import { classify, describeFailure } from './insert-error.ts';
import { quoteName } from './value-type.ts';

const bookkeeping = 'weir_prepared_columns';

/** Names of the columns of one table. */
export interface PreparedColumns {
  readonly table: string;
  readonly columns: readonly string[];
}

/** What was prepared in a database. */
export interface PreparedBefore {
  /** Whether a start has prepared the table with just these columns, in any order. */
  has(columns: PreparedColumns): boolean;
  /** Whether anything is remembered of the table. */
  knows(table: string): boolean;
}

/** Of a database that exists. @throws as ClickHouse answers, naming the table */
export async function preparedBefore(
  client: ClickHouseClient,
  target: DatabaseTarget,
): Promise<PreparedBefore> {
  const rows = await naming(target, async () => {
    await createBookkeeping(client, target, bookkeeping, {
      columns: `(table String, columns Array(String), at DateTime64(3, 'UTC'))`,
      rest: `ORDER BY table COMMENT 'With which columns weir has prepared tables'`,
    });
    await catchUp(client, target, bookkeeping);
    const result = await client.query({
      query: `SELECT DISTINCT table, columns FROM ${quoteName(target.database)}.${quoteName(bookkeeping)}`,
      format: 'JSONEachRow',
    });
    return result.json<PreparedColumns>();
  });
  const tables = new Set(rows.map(({ table }) => table));
  const all = new Set(rows.map(keyOf));
  return { has: (columns) => all.has(keyOf(columns)), knows: (table) => tables.has(table) };
}

/** Twice the same does no harm. @throws as ClickHouse answers, naming the table */
export async function rememberPrepared(
  client: ClickHouseClient,
  target: DatabaseTarget,
  prepared: readonly PreparedColumns[],
): Promise<void> {
  const values = [...new Map(prepared.map((one) => [keyOf(one), one])).values()];
  if (values.length === 0) return;
  const place = `${quoteName(target.database)}.${quoteName(bookkeeping)}`;
  await naming(target, () =>
    client.command({
      query: `INSERT INTO ${place} SELECT table, columns, now64(3)
FROM (SELECT 1) ARRAY JOIN {tables:Array(String)} AS table, {columns:Array(Array(String))} AS columns`,
      query_params: {
        tables: values.map(({ table }) => table),
        columns: values.map(({ columns }) => columns),
      },
      clickhouse_settings: { async_insert: 0 },
    }),
  );
}

const keyOf = ({ table, columns }: PreparedColumns): string => JSON.stringify([table, [...columns].sort()]);

async function naming<T>({ database }: DatabaseTarget, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SinkError) throw error;
    throw describeFailure(error, classify(error), `table ${database}.${bookkeeping}`);
  }
}
