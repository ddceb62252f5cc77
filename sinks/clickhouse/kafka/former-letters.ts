/**
 * Which dead letters are of records of a former topic (bound-topics.ts). A letter names its record by topic, partition and offset,
 * which is another record once the topic was made anew; and the table of dead letters is not emptied with the topic's.
 *
 * I1  By their place: before a database is bound to a topic in place of a former one, the ends of `weir.dead-letters` are noted. No sink
 *     has taken a record of the new topic by then. Not by `failed_at`, which is of the hosts' clocks.
 * I2  Of several notes the smallest counts: each was true, and who was bound first may have written letters since.
 * I3  A note is of one topic of dead letters, by its id: where that was made anew since, there are no letters of before.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { answered } from '#engine/kafka/answered.ts';
import type { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import { deadLetters } from '#engine/records/generated.ts';
import { catchUp, createBookkeeping, hasBookkeeping } from '../bookkeeping.ts';
import type { DatabaseTarget } from '../cluster.ts';
import { quoteName } from '../value-type.ts';

const bookkeeping = 'weir_former_letters';

/** By topic, then by partition of `weir.dead-letters`: letters at smaller offsets are of former topics. */
export type FormerLetters = ReadonlyMap<string, readonly number[]>;

export interface NoteConfig {
  readonly client: ClickHouseClient;
  readonly reader: KafkaReader;
  readonly target: DatabaseTarget;
  /** Topics that the database is to be bound to in place of former ones, and all ids. */
  readonly topics: readonly string[];
  readonly ids: ReadonlyMap<string, string>;
  readonly answerMs: number;
  readonly signal: AbortSignal;
}

/** Notes that all letters that are there now are of former topics. @throws EngineError as KafkaReader; as ClickHouse answers */
export async function noteFormerLetters(config: NoteConfig): Promise<void> {
  const { client, reader, target, topics, ids, answerMs, signal } = config;
  const lettersId = ids.get(deadLetters.topic);
  if (topics.length === 0 || lettersId === undefined) return;
  await createBookkeeping(client, target, bookkeeping, {
    columns: '(topic String, id String, letters_id String, ends Array(Int64))',
    rest: `ORDER BY (topic, id) COMMENT 'Where dead letters of former topics of a name end'`,
  });
  const places = Array.from({ length: deadLetters.partitions }, (_, partition) =>
    reader.offsetOf(deadLetters.topic, partition, 'end'),
  );
  const ends = await answered(Promise.all(places), { what: deadLetters.topic, timeoutMs: answerMs, signal });
  await client.command({
    query: `INSERT INTO ${quoteName(target.database)}.${quoteName(bookkeeping)}
SELECT topic, id, {lettersId:String}, {ends:Array(Int64)} FROM (SELECT 1) ARRAY JOIN {topics:Array(String)} AS topic, {ids:Array(String)} AS id`,
    query_params: { lettersId, ends, topics, ids: topics.map((topic) => ids.get(topic)!) },
    clickhouse_settings: { async_insert: 0 },
  });
}

/** Of the topics with these ids. @throws as ClickHouse answers */
export async function formerLetters(
  client: ClickHouseClient,
  target: DatabaseTarget,
  ids: ReadonlyMap<string, string>,
): Promise<FormerLetters> {
  if (!(await hasBookkeeping(client, target, bookkeeping))) return new Map();
  await catchUp(client, target, bookkeeping);
  const result = await client.query({
    query: `SELECT topic, id, minForEach(ends) AS smallest FROM ${quoteName(target.database)}.${quoteName(bookkeeping)}
WHERE letters_id = {lettersId:String} GROUP BY topic, id`,
    query_params: { lettersId: ids.get(deadLetters.topic) ?? '' },
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  const rows = await result.json<{ topic: string; id: string; smallest: readonly number[] }>();
  return new Map(
    rows.filter(({ topic, id }) => ids.get(topic) === id).map(({ topic, smallest }) => [topic, smallest]),
  );
}
