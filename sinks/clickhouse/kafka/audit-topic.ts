/**
 * Proof that a table has every record of a Kafka topic once, up to where the sink's group has come: the topic is read anew,
 * committed records only, and compared with the rows, offset by offset. So control records, aborted and compacted records
 * are no gaps, and a row of an aborted record is found. Dead letters are compared likewise.
 *
 * Limits: records that retention has removed from the topic cannot be compared, nor those that compaction has removed: rows of
 * these are counted apart. Rows that a time to live has removed count as missing.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import type { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import { answered } from '#engine/kafka/answered.ts';
import { committedOffsets } from '#engine/kafka/reader/committed-offsets.ts';
import type { Committed } from '#engine/log/log.ts';
import { parseIntent } from '../intent.ts';
import { qualified, type Table } from '../tables.ts';
import { type AuditCounts, Tally } from './audit-tally.ts';
import type { FormerLetters } from './former-letters.ts';
import { lostBefore, type LostOffsets, type LostSources } from './lost-offsets.ts';

/** What was found in a partition, in [start, position). */
export interface TopicAudit extends AuditCounts, LostOffsets {
  readonly table: string;
  readonly topic: string;
  readonly partition: number;
  /** The first offset that the topic still has. */
  readonly start: number;
  /** The group's position: everything before it is to be in the table, or a dead letter. */
  readonly position: number;
  /** Where the topic ends: from the position to here nothing was compared. */
  readonly end: number;
  /** Records that were promised and may be on their way: [position, to); null without a promise. */
  readonly inDoubtTo: number | null;
}

/** Whether anything is off: something in doubt that Kafka still has is settled by a sink that runs. */
export const isClean = (audit: TopicAudit): boolean =>
  audit.missing +
    audit.lost +
    audit.duplicates +
    audit.rowsAndLetters +
    audit.lettersTwice +
    audit.unexpected ===
  0;

export interface AuditSources extends LostSources {
  readonly reader: KafkaReader;
  /** Where dead letters go; undefined where there is no such table. */
  readonly deadLetterTable: Table | undefined;
  /** Records with a dead letter of the sink's that may not be in that table yet, as `<topic>/<partition>/<offset>`. */
  readonly pendingLetters: ReadonlySet<string>;
  /** Letters that do not count. */
  readonly formerLetters: FormerLetters;
}

const chunk = 20_000;
/** Leaders that move answer later. */
export const answerMs = 20_000;

const inRange =
  'WHERE _topic = {topic:String} AND _partition = {partition:Int32} AND _offset >= {from:Int64} AND _offset < {to:Int64}';

/**
 * Audits a partition.
 *
 * @throws EngineError as KafkaReader; SinkError `intent-invalid` for a position with metadata that is none of the sink's
 */
export async function auditTopic(
  sources: AuditSources,
  table: Table,
  partition: number,
  committed: Committed | undefined,
): Promise<TopicAudit> {
  const { topic } = table.stream;
  const { reader, signal } = sources;
  const ends = Promise.all([
    reader.offsetOf(topic, partition, 'start'),
    reader.offsetOf(topic, partition, 'end'),
  ]);
  const [start, end] = await answered(ends, { what: `${topic}/${partition}`, timeoutMs: answerMs, signal });
  const position = committed?.offset ?? start;
  const covered = committed === undefined ? position : coveredBy(committed, `${topic}/${partition}`);
  const tally = new Tally(table.stream);
  let from = start;
  for await (const offsets of committedOffsets(
    sources.reader,
    { topic, partition, from: start, to: position },
    chunk,
    sources.signal,
  )) {
    const to = offsets.isLast ? position : offsets.to;
    await compare(sources, table, { partition, from, to }, offsets.found, tally);
    from = to;
  }
  await findBeyond(sources, table, partition, covered, tally);
  return {
    table: table.name,
    topic,
    partition,
    start,
    position,
    end,
    ...(await lostBefore(sources, table, partition, { start, committed })),
    ...tally.result(),
    inDoubtTo: covered > position ? covered : null,
  };
}

/** Up to where a position takes records for done: to the end of what it promises, if it does. */
const coveredBy = ({ offset, metadata }: Committed, place: string): number =>
  parseIntent(offset, metadata, place)?.to ?? offset;

interface Range {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

async function compare(
  { client, deadLetterTable, pendingLetters, formerLetters }: AuditSources,
  table: Table,
  range: Range,
  expected: readonly number[],
  tally: Tally,
): Promise<void> {
  const query_params = { ...range, topic: table.stream.topic };
  const copies = new Map<number, number>();
  const rows = await client.query({
    query: `SELECT _offset AS offset, count() AS copies FROM ${qualified(table)} ${inRange} GROUP BY _offset`,
    query_params,
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  for (const row of await rows.json<{ offset: number; copies: number }>()) copies.set(row.offset, row.copies);
  const letters =
    deadLetterTable === undefined
      ? []
      : await lettersOf(client, deadLetterTable, {
          ...query_params,
          former: formerLetters.get(table.stream.topic) ?? [],
        });
  const lettered = new Set<number>();
  for (const { offset, reader, count } of letters) {
    if (reader === sinkReader) lettered.add(offset);
    // Every task reads the rows of a table for itself, and writes a letter of its own.
    if (reader === sinkReader || table.stream.kind !== 'table') tally.letters(offset, count);
  }
  const isPending = (offset: number): boolean =>
    pendingLetters.size > 0 && pendingLetters.has(`${table.stream.topic}/${range.partition}/${offset}`);
  for (const offset of expected) {
    const found = copies.get(offset) ?? 0;
    copies.delete(offset);
    tally.expect(offset, found, lettered.has(offset) || isPending(offset));
  }
  for (const [offset, found] of copies) tally.withoutRecord(offset, found);
}

const sinkReader = 'sink clickhouse';

interface LettersFound {
  readonly offset: number;
  readonly reader: string;
  /** Records on the topic of dead letters: one of them that is two rows is a fault of that table, found there. */
  readonly count: number;
}

async function lettersOf(
  client: ClickHouseClient,
  table: Table,
  query_params: Range & { readonly topic: string; readonly former: readonly number[] },
): Promise<readonly LettersFound[]> {
  const result = await client.query({
    query: `SELECT offset, reader, uniqExact(_partition, _offset) AS count FROM ${qualified(table)}
WHERE topic = {topic:String} AND partition = {partition:Int32} AND offset >= {from:Int64} AND offset < {to:Int64}
AND _offset >= {former:Array(Int64)}[_partition + 1] GROUP BY offset, reader`,
    query_params: { ...query_params },
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  return result.json<LettersFound>();
}

/**
 * Rows at or past `covered` that no promise covers: of offsets that the topic has not given yet, or of a position that was lost or
 * put back. A sink that goes on meanwhile promises before it inserts, so it is not blamed: rows are asked first, then its promise.
 */
async function findBeyond(
  { client, positionNow }: AuditSources,
  table: Table,
  partition: number,
  covered: number,
  tally: Tally,
): Promise<void> {
  const { topic } = table.stream;
  const ask = async <R>(select: string, from: number, to: number): Promise<R[]> => {
    const result = await client.query({
      query: `SELECT ${select} FROM ${qualified(table)} ${inRange}`,
      query_params: { topic, partition, from, to },
      format: 'JSONEachRow',
      clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
    });
    return result.json<R>();
  };
  const [{ last } = { last: null }] = await ask<{ last: number | null }>(
    'maxOrNull(_offset) AS last',
    covered,
    Number.MAX_SAFE_INTEGER,
  );
  if (last === null) return;
  const now = await positionNow(table, partition);
  const from = now === undefined ? covered : Math.max(covered, coveredBy(now, `${topic}/${partition}`));
  if (last < from) return;
  const [beyond] = await ask<{ first: number; rows: number }>(
    'min(_offset) AS first, count() AS rows',
    from,
    last + 1,
  );
  if (beyond !== undefined) tally.beyond(beyond.first, beyond.rows);
}
