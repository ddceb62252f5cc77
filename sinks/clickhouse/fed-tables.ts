/**
 * Tables and what their materialized views fill, directly or in turn, as ClickHouse says.
 *
 * I1  An insert into a table touches it and the tables that `fedFrom` gives, and no others, unless it names a view as unresolved.
 */
import type { ClickHouseClient } from '@clickhouse/client';

/** A row of `system.tables`. */
export interface KnownTable {
  readonly database: string;
  readonly name: string;
  readonly uuid: string;
  readonly engine: string;
  readonly engine_full: string;
  readonly create_table_query: string;
  /** A view's SELECT. */
  readonly as_select: string;
  /** When its definition was last changed, seconds since 1970; 0 where the database does not say. */
  readonly changed_s: number;
  readonly views: readonly (readonly [database: string, name: string])[];
}

export type KnownTables = ReadonlyMap<string, KnownTable>;

/** A materialized view, the table whose rows it takes, and the table that it fills. */
export interface Feed {
  readonly source: KnownTable;
  readonly view: KnownTable;
  readonly target: KnownTable;
}

/** What an insert into a table touches. */
export interface Fed {
  /** The table itself, then those that views fill from it, in the order of their names. */
  readonly tables: readonly KnownTable[];
  readonly feeds: readonly Feed[];
  /** Views that take rows from these tables and whose targets cannot be found, as `<database>.<name>`. */
  readonly unresolved: readonly string[];
}

const userDatabases = `database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema')`;

/** All tables that the user may see, by `keyOf`. */
export async function readTables(client: ClickHouseClient): Promise<KnownTables> {
  const result = await client.query({
    query: `SELECT database, name, toString(uuid) AS uuid, engine, engine_full, create_table_query, as_select,
       toUInt32(metadata_modification_time) AS changed_s, arrayZip(dependencies_database, dependencies_table) AS views
FROM system.tables WHERE ${userDatabases}`,
    format: 'JSONEachRow',
  });
  const rows = await result.json<KnownTable>();
  return new Map(rows.map((row) => [keyOf(row.database, row.name), row]));
}

/** A table and every table that materialized views fill from it; none when the table is not known. */
export function fedFrom(start: string, known: KnownTables): Fed {
  const tables = new Map<string, KnownTable>();
  const feeds: Feed[] = [];
  const unresolved: string[] = [];
  const visit = (key: string): void => {
    const table = known.get(key);
    if (table === undefined || tables.has(key)) return;
    tables.set(key, table);
    for (const [database, name] of table.views) {
      const view = known.get(keyOf(database, name));
      if (view !== undefined && view.engine !== 'MaterializedView') continue;
      const target = view && targetOf(view, known);
      if (view === undefined || target === undefined) {
        unresolved.push(`${database}.${name}`);
        continue;
      }
      feeds.push({ source: table, view, target });
      visit(keyOf(target.database, target.name));
    }
  };
  visit(start);
  const [first, ...others] = tables.values();
  return {
    tables: first === undefined ? [] : [first, ...others.sort(byName)],
    feeds: feeds.sort((a, b) => byName(a.view, b.view)),
    unresolved: unresolved.sort(),
  };
}

/** A name as ClickHouse prints it. */
const NAME = '(`(?:[^`\\\\]|\\\\.)*`|\\w+)';
const TO = new RegExp(
  `^CREATE MATERIALIZED VIEW ${NAME}\\.${NAME} (?:REFRESH .*? )?TO (?:${NAME}\\.)?${NAME}`,
  's',
);

/** Where a view's rows go: the table after TO, or its own inner one. */
function targetOf(view: KnownTable, known: KnownTables): KnownTable | undefined {
  const [, , , database, name] = TO.exec(view.create_table_query) ?? [];
  if (name !== undefined) return known.get(keyOf(unquote(database ?? view.database), unquote(name)));
  const byUuid = known.get(keyOf(view.database, `.inner_id.${view.uuid}`));
  return byUuid ?? known.get(keyOf(view.database, `.inner.${view.name}`));
}

/** Engines that keep no rows of their own. */
const PASSING = new Set(['Null', 'MaterializedView', 'View', 'Distributed']);

export const keepsRows = ({ engine }: Pick<KnownTable, 'engine'>): boolean => !PASSING.has(engine);

/** The setting that says how many blocks a table of the MergeTree family remembers. */
export const windowSetting = ({ engine }: Pick<KnownTable, 'engine'>): string =>
  engine.startsWith('Replicated') ? 'replicated_deduplication_window' : 'non_replicated_deduplication_window';

/** How many blocks a table of the MergeTree family remembers. */
export function windowOf(table: KnownTable, defaults: ReadonlyMap<string, number>): number {
  const setting = windowSetting(table);
  const written = new RegExp(`\\b${setting}\\s*=\\s*(\\d+)`).exec(table.engine_full)?.[1];
  return written === undefined ? (defaults.get(setting) ?? 0) : Number(written);
}

/** The server's own windows, for tables that say nothing themselves. */
export async function readDefaultWindows(client: ClickHouseClient): Promise<ReadonlyMap<string, number>> {
  const result = await client.query({
    query: `SELECT name, value FROM system.merge_tree_settings WHERE name LIKE '%replicated_deduplication_window'`,
    format: 'JSONEachRow',
  });
  const rows = await result.json<{ name: string; value: string }>();
  return new Map(rows.map(({ name, value }) => [name, Number(value)]));
}

export function keyOf(database: string, name: string): string {
  return `${database}\n${name}`;
}

function byName(a: KnownTable, b: KnownTable): number {
  return keyOf(a.database, a.name) < keyOf(b.database, b.name) ? -1 : 1;
}

const ESCAPES: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  0: '\0',
};

/** Source: writeBackQuotedString of ClickHouse. */
function unquote(name: string): string {
  if (!name.startsWith('`')) return name;
  return name.slice(1, -1).replace(/\\(.)/gs, (_, escaped: string) => ESCAPES[escaped] ?? escaped);
}
