/**
 * What ClickHouse remembers of the tokens of a table and of the targets of its materialized views.
 *
 * ClickHouse keeps a block in the table and then gives it to the views. If it dies in between, or a view fails, the rows are
 * in the table and not in a target. A repetition under the same token gives the target what it lacks and changes nothing
 * else, but only while every one of these tables remembers its tokens: else it doubles.
 *
 * A plain MergeTree remembers its newest `non_replicated_deduplication_window` blocks, and numbers blocks rising, all partitions
 * of the table together. So a promise notes the largest number in each table (`mark`). Its block is younger than
 * that, and it is remembered while fewer were numbered since, and its rows were not dropped (block-numbers.ts).
 *
 * I1  `remembered` is said only where no token that was noted after the mark can be forgotten. Whatever cannot be known is `unknown`:
 *     a target that lacks a batch can be told and filled, rows that are there twice cannot be told from one another.
 * I2  A mark that is old is as right as a new one: the bound is lower.
 * I3  Whoever changed a definition may have made a window smaller and larger again, or given a view another name, under which
 *     its target knows no token: so the mark notes when each definition was changed, and the server's version, which may derive another.
 * I4  A server that is killed between the token and the part has one without the other, in the table or in a target, whichever it writes
 *     first; and one that is started again numbers blocks anew. So the mark notes when the server was started.
 *
 * Source: MergeTreeDeduplicationLog.cpp and MergeTreeSink.cpp of ClickHouse 26.7; docs/exactly-once.md says what was tried.
 */
import { createHash } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';
import { mayBeRefilled, partitionsUpTo, readBlocks, type Blocks } from './block-numbers.ts';
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
import type { PromisedRange } from './intent.ts';
import type { Table } from './tables.ts';

/** What may be done about a batch whose rows are all in the table, for the views behind it. */
export type Judgement =
  /** No view takes rows from the table. */
  | { readonly kind: 'no-views' }
  /** Its token is known to all: a repetition gives each target what it lacks. */
  | { readonly kind: 'remembered' }
  | Doubt;

/** What is not known to be remembered. `fill`: for each view of the table, the statement that gives its target the rows of the range. */
export interface Doubt {
  readonly kind: 'unknown';
  readonly why: string;
  readonly fill: readonly string[];
}

export interface TokenMemory {
  /**
   * The mark as of a moment before the call; '' where no view takes rows from the table, or no mark can be made. Waits only
   * the first time. Rejects as the client does, when the same call may succeed later.
   */
  mark(): Promise<string>;
  /** Whether tokens of an insert that was promised with this mark are remembered. Rejects as `mark` does. */
  judge(mark: string, range: PromisedRange): Promise<Judgement>;
}

/** A mark is read again after so long. Far fewer blocks than a window has go into a table meanwhile. */
const REFRESH_MS = 10_000;

/**
 * So much of a window may have been used. Servers up to 26.6 note two hashes for each block, and half is left for what comes
 * between the look and the insert.
 */
const USABLE = 1 / 4;

/** A mark must fit an offset's metadata (intent.ts, I2). */
const MAX_TABLES = 50;

/** The start is reckoned from two clocks in whole seconds; a server younger than this could be taken for its predecessor. */
const START_TOLERANCE_S = 2;
const LEAST_UPTIME_S = 4;

interface Mark {
  readonly definitions: string;
  /** When the server was started, seconds since 1970. */
  readonly startedAtS: number;
  /** Of each table of `Fed`: the largest number of a block, and what `partitionsUpTo` says of it. */
  readonly newest: readonly number[];
  readonly partitions: readonly string[];
}

interface Known {
  readonly fed: Fed;
  /** Or why there is none. */
  readonly mark: Mark | string;
  /** Of each table of `Fed`, where there is a mark. */
  readonly blocks: readonly Blocks[];
}

/** The memory of one table and its views. */
export function tokenMemory(client: ClickHouseClient, table: Table): TokenMemory {
  let known: { readonly mark: string; readonly isFinal: boolean; readonly atMs: number } | undefined;
  let reading: Promise<string> | undefined;
  const read = async (): Promise<string> => {
    const { fed, mark } = await readMark(client, table);
    const text = typeof mark === 'string' ? '' : formatMark(mark);
    // Views come with migrations, before the sink starts. One that is made while it runs is found by `judge`.
    known = { mark: text, isFinal: hasNoViews(fed), atMs: performance.now() };
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
  range: PromisedRange,
): Promise<Judgement> {
  const { fed, mark: now, blocks } = await readMark(client, table);
  if (hasNoViews(fed)) return { kind: 'no-views' };
  const then = parseMark(text);
  const why =
    typeof now === 'string'
      ? now
      : then === undefined
        ? 'the promise does not say what the tables had then'
        : await changedSince(client, fed, blocks, then, now);
  if (why === undefined) return { kind: 'remembered' };
  return { kind: 'unknown', why, fill: await fillStatements(client, fed, range) };
}

/** Why a token may be forgotten that was noted after the mark; undefined when it is not. */
async function changedSince(
  client: ClickHouseClient,
  fed: Fed,
  found: readonly Blocks[],
  then: Mark,
  now: Mark,
): Promise<string | undefined> {
  if (then.definitions !== now.definitions)
    return 'the table, a view or its target was altered or made anew since';
  if (Math.abs(then.startedAtS - now.startedAtS) > START_TOLERANCE_S)
    return 'ClickHouse was started again since, and if it was killed, a token and its rows may not both be there';
  const defaults = await readDefaultWindows(client);
  for (const [index, each] of fed.tables.entries()) {
    const window = windowOf(each, defaults);
    const newest = then.newest[index] ?? NaN;
    const blocks = found[index]!;
    const used = blocks.newest - newest;
    if (!(used >= 0 && used < window * USABLE))
      return `${used} blocks went into ${each.database}.${each.name} since, which remembers ${window} (and of these a quarter is relied on)`;
    if (partitionsUpTo(newest, blocks) !== then.partitions[index] || mayBeRefilled(newest, blocks))
      return `rows of ${each.database}.${each.name} may have been dropped since with their tokens (TRUNCATE, DROP PARTITION, a TTL)`;
  }
  return undefined;
}

/** Reads what there is now. Rejects only with what may pass. */
async function readMark(client: ClickHouseClient, table: Table): Promise<Known> {
  const start = keyOf(table.database, localName(table.name, table.cluster));
  const fed = fedFrom(start, await readTables(client));
  const unfit = hasNoViews(fed) ? 'no view takes rows from it' : whyUnfit(fed);
  if (unfit !== undefined) return { fed, mark: unfit, blocks: [] };
  try {
    const server = await readServer(client);
    if (server.startedAtS === undefined) return { fed, mark: 'ClickHouse was started just now', blocks: [] };
    const blocks = await readBlocks(client, fed.tables);
    const newest = blocks.map((each) => each.newest);
    const partitions = blocks.map((each) => partitionsUpTo(each.newest, each));
    return {
      fed,
      mark: { definitions: hashOf(fed, server.version), startedAtS: server.startedAtS, newest, partitions },
      blocks,
    };
  } catch (error) {
    if (classify(error) === 'transient') throw error;
    return { fed, mark: `the blocks of the tables cannot be read: ${reasonOf(error)}`, blocks: [] };
  }
}

const hasNoViews = ({ feeds, unresolved }: Fed): boolean => feeds.length + unresolved.length === 0;

/** Why the memory of these tables cannot be reckoned; undefined where it can. */
function whyUnfit({ tables, feeds, unresolved }: Fed): string | undefined {
  if (unresolved.length > 0) return `the target of view ${unresolved.join(', ')} cannot be found`;
  const other = tables.find((table) => !isPlain(table));
  if (other !== undefined)
    return `what ${other.database}.${other.name} (${other.engine}) remembers cannot be reckoned`;
  if (tables.length > MAX_TABLES)
    return `${tables.length} tables are filled from it, which are too many to be noted`;
  const undated = [...tables, ...feeds.map(({ view }) => view)].find(({ changed_s }) => changed_s === 0);
  return undated && `database ${undated.database} does not say when ${undated.name} was altered`;
}

/**
 * Replicated tables forget by other rules. What collapses, sums up to zeros or takes rows away as deleted leaves parts without rows, and
 * these are dropped with the tokens of the blocks that they came from.
 */
export const isPlain = ({ engine, engine_full }: Pick<KnownTable, 'engine' | 'engine_full'>): boolean =>
  /^(Replacing|Aggregating|Coalescing|Graphite)?MergeTree$/.test(engine) &&
  !/^ReplacingMergeTree\([^,()]+,/.test(engine_full);

function hashOf({ tables, feeds }: Fed, version: string): string {
  const hash = createHash('sha256').update(`${version}\n`);
  for (const each of [...tables, ...feeds.map(({ view }) => view)])
    hash.update(`${each.uuid}\n${each.changed_s}\n${each.create_table_query}\n`);
  return hash.digest('hex').slice(0, 16);
}

/** Which server it is, and when it was started, in seconds since 1970; undefined when it is too young to be told from its predecessor. */
async function readServer(client: ClickHouseClient): Promise<Server> {
  const result = await client.query({
    query:
      'SELECT version() AS version, toInt32(uptime()) AS uptime_s, toInt32(toUnixTimestamp(now()) - uptime()) AS started_s',
    format: 'JSONEachRow',
  });
  const [row] = await result.json<{ version: string; uptime_s: number; started_s: number }>();
  const isOld = row !== undefined && row.uptime_s >= LEAST_UPTIME_S;
  return { version: row?.version ?? '', startedAtS: isOld ? row.started_s : undefined };
}

interface Server {
  readonly version: string;
  readonly startedAtS: number | undefined;
}

/** `<definitions>:<start>:<blocks>:<partitions>`, numbers in base 36. */
function formatMark({ definitions, startedAtS, newest, partitions }: Mark): string {
  const numbers = newest.map((block) => block.toString(36));
  return `${definitions}:${startedAtS.toString(36)}:${numbers.join()}:${partitions.join()}`;
}

function parseMark(text: string): Mark | undefined {
  const [definitions, start, blocks, partitions] = text.split(':');
  if (definitions === undefined || start === undefined) return undefined;
  if (blocks === undefined || partitions === undefined) return undefined;
  const numbers = blocks.split(',').map((block) => parseInt(block, 36));
  return { definitions, startedAtS: parseInt(start, 36), newest: numbers, partitions: partitions.split(',') };
}
