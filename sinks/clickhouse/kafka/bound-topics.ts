/**
 * Which topic of a name the rows of a table come from. A topic that was deleted and made anew begins at offset 0 again: its
 * records have the offsets, and in quiet partitions the tokens, of others that are in the table. ClickHouse would drop them as
 * repetitions, in silence, and an audit would find a row for each. So a database is bound to the ids of the topics (KIP-516).
 *
 * I1  A topic is bound while its table has no rows of it, or, in a database of an earlier version, as it is found. With other
 *     rows there it is refused.
 * I2  Whoever emptied the table need not have emptied its memory of tokens (DELETE does not), nor that of the targets of its views:
 *     tokens of a topic that took the place of another one have its id in them, as the log's incarnation (intent.ts). Those of the
 *     first one have none. So each process that reads the bindings makes the same tokens, whenever it reads them.
 * I3  The newest binding counts. Each is later than all before it, also where the clock was put back.
 *
 * Clusters before Apache Kafka 2.8 have no ids; there nothing is bound.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { EngineError } from '#engine/engine-error.ts';
import { patiently } from '#engine/kafka/patiently.ts';
import type { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import type { KafkaCluster } from '#engine/kafka/reader/kafkajs-cluster.ts';
import { topicIdOf } from '#engine/kafka/topic-id.ts';
import { catchUp, createBookkeeping, hasBookkeeping } from '../bookkeeping.ts';
import { onCluster } from '../cluster.ts';
import { SinkError } from '../error.ts';
import { qualified, qualifiedLocal, type Table } from '../tables.ts';
import { quoteName } from '../value-type.ts';
import { formerLetters, type FormerLetters, noteFormerLetters } from './former-letters.ts';

const bookkeeping = 'weir_bound_topics';
/** Leaders that move answer later. */
const answerMs = 20_000;

export interface TopicsConfig {
  readonly client: ClickHouseClient;
  readonly cluster: KafkaCluster;
  readonly reader: KafkaReader;
  /** All of one database. */
  readonly tables: readonly Table[];
  readonly signal: AbortSignal;
}

/**
 * Binds the tables' database to their topics, or sees that it is bound to them. Resolves to the incarnations of those that took the
 * place of a former topic, by topic, in lower-case hexadecimal digits.
 *
 * @throws SinkError `other-log` that names every topic that was made anew and whose table has rows of the one before; EngineError
 *   `kafka-unreachable`, `kafka-refused`; as ClickHouse answers
 */
export async function bindTopics(config: TopicsConfig): Promise<ReadonlyMap<string, string>> {
  const { client, tables } = config;
  const [first] = tables;
  if (first === undefined) return new Map();
  const ids = await topicIds(config);
  await createBookkeeping(client, first, bookkeeping, {
    columns: `(topic String, id String, at DateTime64(6, 'UTC'))`,
    rest: `ORDER BY (topic, at) COMMENT 'Which topic of a name the rows of this database come from'`,
  });
  const bound = await boundTopics(client, tables);
  const unbound = tables.filter(({ stream: { topic } }) => ids.has(topic) && !bound.has(topic));
  const others = tables.filter((table) => isOther(table, ids, bound));
  const remade: Table[] = [];
  for (const table of others) if (await hasRows(client, table)) remade.push(table);
  if (remade.length > 0) throw refusal(remade);
  const fresh = [...unbound, ...others].map(({ stream: { topic } }) => topic);
  if (fresh.length === 0) return incarnationsOf(bound);
  const topics = others.map(({ stream: { topic } }) => topic);
  const { reader, signal } = config;
  await noteFormerLetters({ client, reader, target: first, topics, ids, answerMs, signal });
  const place = `${quoteName(first.database)}.${quoteName(bookkeeping)}`;
  await client.command({
    query: `INSERT INTO ${place} SELECT topic, id, greatest(now64(6), (SELECT max(at) FROM ${place}) + toIntervalMicrosecond(1))
FROM (SELECT 1) ARRAY JOIN {topics:Array(String)} AS topic, {ids:Array(String)} AS id`,
    query_params: { topics: fresh, ids: fresh.map((topic) => ids.get(topic)!) },
    clickhouse_settings: { async_insert: 0 },
  });
  return incarnationsOf(await boundTopics(client, tables));
}

function incarnationsOf(bound: ReadonlyMap<string, Bound>): ReadonlyMap<string, string> {
  const remade = [...bound].filter(([, { id, firstId }]) => id !== firstId);
  return new Map(remade.map(([topic, { id }]) => [topic, Buffer.from(id, 'base64url').toString('hex')]));
}

export interface RemadeTopics {
  /** The tables whose database is bound to another topic of the name. */
  readonly remade: ReadonlySet<Table>;
  /** Of the topics that it is bound to. */
  readonly formerLetters: FormerLetters;
}

/** What is to be known of topics that were made anew. @throws as `bindTopics`, but `other-log` */
export async function remadeTopics(config: TopicsConfig): Promise<RemadeTopics> {
  const { client, tables } = config;
  const [first] = tables;
  if (first === undefined) return { remade: new Set(), formerLetters: new Map() };
  const bound = await boundTopics(client, tables);
  const ids = bound.size === 0 ? new Map<string, string>() : await topicIds(config);
  return {
    remade: new Set(tables.filter((table) => isOther(table, ids, bound))),
    formerLetters: await formerLetters(client, first, ids),
  };
}

function isOther(
  { stream: { topic } }: Table,
  ids: ReadonlyMap<string, string>,
  bound: ReadonlyMap<string, Bound>,
): boolean {
  return bound.has(topic) && ids.has(topic) && bound.get(topic)?.id !== ids.get(topic);
}

/** By topic, as they are now, of topics that are there and have one. */
async function topicIds({
  cluster,
  reader,
  tables,
  signal,
}: TopicsConfig): Promise<ReadonlyMap<string, string>> {
  const ids = new Map<string, string>();
  for (const { stream } of tables) {
    const { topic } = stream;
    try {
      await reader.partitionCount(topic);
    } catch (error) {
      // Who reads it says so.
      if (error instanceof EngineError && error.code === 'unknown-topic') continue;
      throw error;
    }
    const id = await patiently(() => topicIdOf(cluster, topic, 0), { timeoutMs: answerMs, signal });
    if (id !== undefined) ids.set(topic, id);
  }
  return ids;
}

interface Bound {
  readonly id: string;
  /** Of the first topic of this name that the database was bound to. */
  readonly firstId: string;
}

/** By topic; none where nothing was bound yet. */
async function boundTopics(
  client: ClickHouseClient,
  [first]: readonly Table[],
): Promise<ReadonlyMap<string, Bound>> {
  if (first === undefined) return new Map();
  const { database } = first;
  if (!(await hasBookkeeping(client, first, bookkeeping))) return new Map();
  await catchUp(client, first, bookkeeping);
  const result = await client.query({
    query: `SELECT topic, argMax(b.id, at) AS id, argMin(b.id, at) AS firstId FROM ${quoteName(database)}.${quoteName(bookkeeping)} AS b
GROUP BY topic`,
    format: 'JSONEachRow',
  });
  const rows = await result.json<Bound & { topic: string }>();
  return new Map(rows.map(({ topic, ...bound }) => [topic, bound]));
}

async function hasRows(client: ClickHouseClient, table: Table): Promise<boolean> {
  const result = await client.query({
    query: `SELECT 1 FROM ${qualified(table)} WHERE _topic = {topic:String} LIMIT 1`,
    query_params: { topic: table.stream.topic },
    format: 'JSONEachRow',
  });
  return (await result.json()).length > 0;
}

/** Not by RENAME TABLE: views stay with the table that has a name of its own then, and the one that is made anew has none. */
function refusal(remade: readonly Table[]): SinkError {
  const emptied = remade.map((table) => `TRUNCATE TABLE ${qualifiedLocal(table)}${onCluster(table.cluster)}`);
  return new SinkError(
    'other-log',
    [
      'topics were made anew since their rows were inserted: the same offset is another record now, so rows would be lost in silence',
      ...remade.map(
        (table) => `table ${table.database}.${table.name} has rows of a former topic ${table.stream.topic}`,
      ),
      'With every weir up stopped, one of:',
      `remove these rows: ${emptied.join('; ')}; and the same of each target of a materialized view behind them. To keep them, copy them ` +
        'before: CREATE TABLE <other name> ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM <table>. Do not RENAME: the views would stay behind',
      'use another database: --database',
    ].join('\n'),
  );
}
