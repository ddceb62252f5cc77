/**
 * Dead letters as ClickHouse has them. Bytes travel as hexadecimal text: they need not be UTF-8.
 *
 * I1  A letter that was written twice (a run with topics in memory may do so) is one: by origin and reader.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import type { Letter } from '#client/redrive/letter.ts';
import type { Condition } from './letter-filter.ts';

/** A letter with what its reader said. */
export interface FullLetter extends Omit<Letter, 'readers'> {
  readonly reader: string;
  readonly code: string;
  readonly reason: string;
  readonly failedAtMs: number;
}

/** A letter without its bytes. */
export interface LetterLine {
  readonly origin: string;
  readonly reader: string;
  readonly code: string;
  readonly reason: string;
  readonly failedAtMs: number;
  readonly valueBytes: number | null;
}

interface Row {
  readonly origin: string;
  readonly reader: string;
  readonly topic: string;
  readonly partition: number | null;
  readonly offset: number | null;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly code: string;
  readonly reason: string;
  readonly failedAtMs: number;
  readonly recordTimestampMs: number | null;
}

const pageOrigins = 200;

async function ask<T>(
  client: ClickHouseClient,
  query: string,
  parameters: Readonly<Record<string, unknown>>,
): Promise<T[]> {
  const result = await client.query({
    query,
    query_params: { ...parameters },
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  return result.json<T>();
}

/** The newest letters that fulfil the condition. @param table qualified @param limit undefined for all */
export function letterLines(
  client: ClickHouseClient,
  table: string,
  { sql, parameters }: Condition,
  limit?: number,
): Promise<LetterLine[]> {
  return ask(
    client,
    `SELECT origin, reader, code, reason, toUnixTimestamp64Milli(failed_at) AS failedAtMs, length(value) AS valueBytes
     FROM ${table} WHERE ${sql} ORDER BY failed_at DESC, origin, reader LIMIT 1 BY origin, reader` +
      (limit === undefined ? '' : ` LIMIT ${limit}`),
    parameters,
  );
}

/** The topics that there are letters of. @param table qualified */
export async function letterTopics(client: ClickHouseClient, table: string): Promise<readonly string[]> {
  const query = `SELECT DISTINCT topic FROM ${table} WHERE topic != '' ORDER BY topic`;
  return (await ask<{ topic: string }>(client, query, {})).map(({ topic }) => topic);
}

/** Every letter of these origins, with its bytes. */
export async function fullLetters(
  client: ClickHouseClient,
  table: string,
  origins: readonly string[],
): Promise<readonly FullLetter[]> {
  const rows = await ask<Row>(
    client,
    `SELECT origin, reader, topic, partition, offset, code, reason, hex(source_key) AS key, hex(value) AS value,
       mapApply((name, bytes) -> (name, hex(bytes)), headers) AS headers,
       toUnixTimestamp64Milli(failed_at) AS failedAtMs, toUnixTimestamp64Milli(record_timestamp) AS recordTimestampMs
     FROM ${table} WHERE origin IN {origins:Array(String)}
     ORDER BY origin, reader, failed_at DESC LIMIT 1 BY origin, reader`,
    { origins },
  );
  const bytes = (text: string): Buffer => Buffer.from(text, 'hex');
  return rows.map((row) => ({
    ...row,
    key: row.key === null ? null : bytes(row.key),
    value: row.value === null ? null : bytes(row.value),
    headers: Object.fromEntries(Object.entries(row.headers).map(([name, text]) => [name, bytes(text)])),
  }));
}

/** The letters of these origins for a redrive, in pages: one for each origin, with all its readers. */
export async function* redrivable(
  client: ClickHouseClient,
  table: string,
  origins: readonly string[],
): AsyncGenerator<readonly Letter[]> {
  for (let from = 0; from < origins.length; from += pageOrigins)
    yield byOrigin(await fullLetters(client, table, origins.slice(from, from + pageOrigins)));
}

/** Of two letters of a record, that with its bytes counts. */
export function byOrigin(letters: readonly FullLetter[]): readonly Letter[] {
  const found = new Map<string, Letter>();
  for (const { reader, ...letter } of letters) {
    const before = found.get(letter.origin);
    const readers = [...(before?.readers ?? []), reader];
    const { origin, topic, partition, offset, key, recordTimestampMs } = letter;
    const content = before !== undefined && before.value !== null ? before : letter;
    const { value, headers } = content;
    found.set(origin, { origin, readers, topic, partition, offset, key, value, headers, recordTimestampMs });
  }
  return [...found.values()];
}
