/**
 * What ClickHouse remembers of the tokens of a table and of the targets of its materialized views.
 *
 * ClickHouse keeps a block in the table and then gives it to the views. If it dies in between, or a view fails, the rows are
 * in the table and not in a target. A repetition under the same token gives the target what it lacks and changes nothing
 * else, but only while every one of these tables remembers its tokens: else it doubles.
 *
 * A plain MergeTree remembers its newest `non_replicated_deduplication_window` blocks, and numbers blocks rising, all partitions
 * of the table together. So a promise notes the largest number in each table (`mark`). Its block is younger than
 * that, and it is remembered while fewer were numbered since.
 *
 * I1  `remembered` is said only where no token that was noted after the mark can be forgotten. Whatever cannot be known is `unknown`:
 *     a target that lacks a batch can be told and filled, rows that are there twice cannot be told from one another.
 * I2  A mark that is old is as right as a new one: the bound is lower.
 * I3  Whoever changed a definition may have made a window smaller and larger again, or given a view another name, under which
 *     its target knows no token: so the mark notes when each definition was changed.
 *
 * Source: MergeTreeDeduplicationLog.cpp and MergeTreeSink.cpp of ClickHouse 26.7; docs/exactly-once.md says what was tried.
 */
import { createHash } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';
import type { OffsetRange } from './audit.ts';
import { localName } from './cluster.ts';
import { reasonOf } from './error.ts';
import {
  fedFrom,
  keyOf,
  readDefaultWindows,
  readTables,
  windowOf,
  type Fed,
  type KnownTable,
} from './fed-tables.ts';
import { fillStatements } from './fill-statements.ts';
import { classify } from './insert-error.ts';
import type { Table } from './tables.ts';

/** What may be done about a batch whose rows are all in the table, for the views behind it. */
export type Judgement =
  /** No view takes rows from the table. */
  | { readonly kind: 'no-views' }
  /** Its token is known to all: a repetition gives each target what it lacks. */
  | { readonly kind: 'remembered' }
  /** `fill`: for each view of the table, the statement that gives its target the rows of the range. */
  | { readonly kind: 'unknown'; readonly why: string; readonly fill: readonly string[] };

export interface TokenMemory {
  /**
   * The mark as of a moment before the call; '' where no view takes rows from the table, or no mark can be made. Waits only
   * the first time. Rejects as the client does, when the same call may succeed later.
   */
  mark(): Promise<string>;
  /** Whether tokens of an insert that was promised with this mark are remembered. Rejects as `mark` does. */
  judge(mark: string, range: OffsetRange): Promise<Judgement>;
}

/** A mark is read again after so long. Far fewer blocks than a window has go into a table meanwhile. */
const REFRESH_MS = 10_000;

/**
 * So much of a window may have been used. Servers up to 26.6 note two hashes for each block, and half is left for what comes
 * between the look and the insert.
 */
const USABLE = 1 / 4;

/** A mark must fit an offset's metadata (intent.ts, I2). */
const MAX_TABLES = 100;

/**
 * ClickHouse noted a token before it kept the part, so that what it has kept it also remembers after it was killed. Since then (autumn
 * of 2026, MergeTreeSink::commitPart) it notes it afterwards, and the fix may be in later patches of any release. So a server is taken
 * for one of before by when its source was last changed, or because it was tried (strace: the write to the log, then the rename).
 */
const NOTES_FIRST_BEFORE = '2026-09-01';
const TRIED = ['26.7.2.1'];

/** The start is reckoned from two clocks in whole seconds; a server younger than this could be taken for its predecessor. */
const START_TOLERANCE_S = 2;
const LEAST_UPTIME_S = 10;

interface Mark {
  readonly definitions: string;
  /** When the server was started, seconds since 1970; 0 where it remembers across its death. */
  readonly startedAtS: number;
  /** Of each table of `Fed`: the largest number of a block. */
  readonly blocks: readonly number[];
}

interface Known {
  readonly fed: Fed;
  /** Or why there is none. */
  readonly mark: Mark | string;
}

/** The memory of one table and its views. */
export function tokenMemory(client: ClickHouseClient, table: Table): TokenMemory {
  let known: { readonly mark: string; readonly isFinal: boolean; readonly atMs: number } | undefined;
  let reading: Promise<string> | undefined;
  const read = async (): Promise<string> => {
    const { fed, mark } = await readMark(client, table);
    const text = typeof mark === 'string' ? '' : formatMark(mark);
    // Views come with migrations, before the sink starts. One that is made while it runs is found by `judge`.
    known = { mark: text, isFinal: fed.feeds.length === 0, atMs: performance.now() };
    return text;
  };
  const refresh = (): Promise<string> => {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };
  return {
    mark: () => {
      if (known === undefined) return refresh();
      // What fails now is tried again with the next promise; until then the old mark serves (I2).
      if (!known.isFinal && performance.now() - known.atMs > REFRESH_MS) refresh().catch(() => undefined);
      return Promise.resolve(known.mark);
    },
    judge: (mark, range) => judge(client, table, mark, range),
  };
}

async function judge(
  client: ClickHouseClient,
  table: Table,
  text: string,
  range: OffsetRange,
): Promise<Judgement> {
  const { fed, mark: now } = await readMark(client, table);
  if (fed.feeds.length === 0) return { kind: 'no-views' };
  const then = parseMark(text);
  const why =
    typeof now === 'string'
      ? now
      : then === undefined
        ? 'the promise does not say what the tables had then'
        : await changedSince(client, fed, then, now);
  if (why === undefined) return { kind: 'remembered' };
  return { kind: 'unknown', why, fill: await fillStatements(client, fed, range) };
}

/** Why a token may be forgotten that was noted after the mark; undefined when it is not. */
async function changedSince(
  client: ClickHouseClient,
  fed: Fed,
  then: Mark,
  now: Mark,
): Promise<string | undefined> {
  if (then.definitions !== now.definitions)
    return 'the table, a view or its target was altered or made anew since';
  if (Math.abs(then.startedAtS - now.startedAtS) > START_TOLERANCE_S)
    return 'ClickHouse was started again since, and may have kept the rows without their token';
  const defaults = await readDefaultWindows(client);
  for (const [index, each] of fed.tables.entries()) {
    const window = windowOf(each, defaults);
    const used = (now.blocks[index] ?? NaN) - (then.blocks[index] ?? NaN);
    if (!(used >= 0 && used < window * USABLE))
      return `${used} blocks went into ${each.database}.${each.name} since, which remembers ${window} (and of these a quarter is relied on)`;
  }
  return undefined;
}

/** Reads what there is now. Rejects only with what may pass. */
async function readMark(client: ClickHouseClient, table: Table): Promise<Known> {
  const start = keyOf(table.database, localName(table.name, table.cluster));
  const fed = fedFrom(start, await readTables(client));
  const unfit = fed.feeds.length === 0 ? 'no view takes rows from it' : whyUnfit(fed);
  if (unfit !== undefined) return { fed, mark: unfit };
  try {
    const startedAtS = await readStart(client);
    if (startedAtS === undefined) return { fed, mark: 'ClickHouse was started just now' };
    const blocks = await readBlocks(client, fed.tables);
    return { fed, mark: { definitions: hashOf(fed), startedAtS, blocks } };
  } catch (error) {
    if (classify(error) === 'transient') throw error;
    return { fed, mark: `the blocks of the tables cannot be read: ${reasonOf(error)}` };
  }
}

/** Why the memory of these tables cannot be reckoned; undefined where it can. */
function whyUnfit({ tables, feeds }: Fed): string | undefined {
  const other = tables.find(({ engine }) => !isPlain(engine));
  if (other !== undefined)
    return `what ${other.database}.${other.name} (${other.engine}) remembers cannot be reckoned`;
  if (tables.length > MAX_TABLES)
    return `${tables.length} tables are filled from it, which are too many to be noted`;
  const undated = [...tables, ...feeds.map(({ view }) => view)].find(({ changed_s }) => changed_s === 0);
  return undated && `database ${undated.database} does not say when ${undated.name} was altered`;
}

/**
 * Replicated tables forget by other rules. What collapses leaves parts without rows, and these are dropped with the tokens of the
 * blocks that they came from.
 */
const isPlain = (engine: string): boolean =>
  /^(Replacing|Aggregating|Summing|Coalescing|Graphite)?MergeTree$/.test(engine);

function hashOf({ tables, feeds }: Fed): string {
  const hash = createHash('sha256');
  for (const each of [...tables, ...feeds.map(({ view }) => view)])
    hash.update(`${each.uuid}\n${each.changed_s}\n${each.create_table_query}\n`);
  return hash.digest('hex').slice(0, 16);
}

/** When the server was started, or 0 where that does not matter; undefined when it is too young to be told from another. */
async function readStart(client: ClickHouseClient): Promise<number | undefined> {
  const result = await client.query({
    query: `SELECT version() AS version, (SELECT value FROM system.build_options WHERE name = 'GIT_DATE') AS changed_at,
       toInt32(uptime()) AS uptime_s, toInt32(toUnixTimestamp(now()) - uptime()) AS started_s`,
    format: 'JSONEachRow',
  });
  const [row] = await result.json<Server>();
  if (row === undefined) return undefined;
  if (notesFirst(row.version, row.changed_at ?? '')) return 0;
  return row.uptime_s < LEAST_UPTIME_S ? undefined : row.started_s;
}

interface Server {
  readonly version: string;
  readonly changed_at: string | null;
  readonly uptime_s: number;
  readonly started_s: number;
}

/** Whether a server notes a token before it keeps the part. `changedAt`: the date of its source, `2026-08-31 21:11:15 +0000`, or ''. */
export function notesFirst(version: string, changedAt: string): boolean {
  return TRIED.includes(version) || (/^2\d{3}-/.test(changedAt) && changedAt < NOTES_FIRST_BEFORE);
}

/** Parts that are merged away count, too: they say nothing that the merged one does not. */
async function readBlocks(client: ClickHouseClient, tables: readonly KnownTable[]): Promise<number[]> {
  const result = await client.query({
    query: `SELECT database, table AS name, max(max_block_number) AS block FROM system.parts
WHERE database IN {databases:Array(String)} AND table IN {names:Array(String)} GROUP BY database, name`,
    query_params: {
      databases: [...new Set(tables.map(({ database }) => database))],
      names: [...new Set(tables.map(({ name }) => name))],
    },
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  const rows = await result.json<{ database: string; name: string; block: number }>();
  const blocks = new Map(rows.map(({ database, name, block }) => [keyOf(database, name), block]));
  return tables.map(({ database, name }) => blocks.get(keyOf(database, name)) ?? 0);
}

/** `<definitions>:<start>:<blocks>`, numbers in base 36. */
function formatMark({ definitions, startedAtS, blocks }: Mark): string {
  return `${definitions}:${startedAtS.toString(36)}:${blocks.map((block) => block.toString(36)).join()}`;
}

function parseMark(text: string): Mark | undefined {
  const [definitions, start, blocks] = text.split(':');
  if (definitions === undefined || start === undefined || blocks === undefined) return undefined;
  const numbers = blocks.split(',').map((block) => parseInt(block, 36));
  return { definitions, startedAtS: parseInt(start, 36), blocks: numbers };
}
