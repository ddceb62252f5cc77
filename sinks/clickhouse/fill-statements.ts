/** Statements by which an operator gives the targets of materialized views rows that they lack. */
import type { ClickHouseClient } from '@clickhouse/client';
import type { Fed, KnownTable } from './fed-tables.ts';
import { batchName, type PromisedRange } from './intent.ts';
import { quoteName, quoteText } from './value-type.ts';

/**
 * For each view of the table itself, the statement that gives its target the rows of a range: the view's own SELECT over these
 * rows. Views of the targets take them from there. Each has a token of its own: servers before 26.1 know an INSERT SELECT without one by its
 * data, and take two ranges that aggregate to equal rows for one.
 */
export async function fillStatements(
  client: ClickHouseClient,
  { tables, feeds }: Fed,
  range: PromisedRange,
): Promise<string[]> {
  const { topic, partition, from, to } = range;
  const [table] = tables;
  const filter = `_topic = ${quoteText(topic)} AND _partition = ${partition} AND _offset >= ${from} AND _offset < ${to}`;
  const direct = feeds.filter(({ source }) => source === table);
  const statements = direct.map(async ({ source, view, target }) => {
    const names = (await columnsOf(client, view)).map(quoteName).join(', ');
    return (
      `INSERT INTO ${quoteName(target.database)}.${quoteName(target.name)} (${names}) SELECT ${names} FROM (${view.as_select}) ` +
      `SETTINGS insert_deduplication_token = ${quoteText(`weir/fill/${view.database}.${view.name}/${batchName(range)}`)}, ` +
      'deduplicate_blocks_in_dependent_materialized_views = 1, max_insert_threads = 1, ' +
      `additional_table_filters = {${quoteText(`${source.database}.${source.name}`)}: ${quoteText(filter)}}`
    );
  });
  return Promise.all(statements);
}

/** What a view selects. */
async function columnsOf(client: ClickHouseClient, { database, name }: KnownTable): Promise<string[]> {
  const result = await client.query({
    query: `SELECT name FROM system.columns WHERE database = {database:String} AND table = {name:String} ORDER BY position`,
    query_params: { database, name },
    format: 'JSONEachRow',
  });
  return (await result.json<{ name: string }>()).map((column) => column.name);
}
