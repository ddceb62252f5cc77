/**
 * Answers in ClickHouse's way: its headers, a summary, compression as asked for.
 *
 * I1. An answer is complete or it is an error: nothing is sent before the statement has ended. Should reading the
 *     answer's file fail after all, the connection is cut, which no client takes for a complete answer.
 */
import { open } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createBrotliCompress, createDeflate, createGzip } from 'node:zlib';
import type { ServerException } from './exception.ts';
import type { QueryOutcome } from './query.ts';
import { rm } from 'node:fs/promises';

/** What the engine says about itself once. */
export interface ServerFacts {
  readonly version: string;
  readonly displayName: string;
  readonly timezone: string;
  /** Content type of each output format. */
  readonly contentTypes: ReadonlyMap<string, string>;
}

type Encoding = readonly [name: string, create: () => Transform];

/** In ClickHouse's order of preference. Level 3 is its default for HTTP. */
const encodings: readonly Encoding[] = [
  ['br', () => createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 3 } })],
  ['gzip', () => createGzip({ level: 3 })],
  ['deflate', () => createDeflate({ level: 3 })],
];

function chooseEncoding(accepted: string): Encoding | undefined {
  const names = accepted
    .split(',')
    .map((part) => part.trim().toLowerCase())
    .filter((part) => !/;\s*q=0(\.0*)?$/.test(part))
    .map((part) => part.replace(/;.*$/, '').trim());
  return encodings.find(([name]) => names.includes(name));
}

function summaryOf({ result, isInsert }: QueryOutcome): string {
  const rows = String(result.rows);
  const bytes = String(result.rowBytes);
  return JSON.stringify({
    read_rows: isInsert ? '0' : rows,
    read_bytes: isInsert ? '0' : bytes,
    written_rows: isInsert ? rows : '0',
    written_bytes: isInsert ? bytes : '0',
    total_rows_to_read: '0',
    result_rows: rows,
    result_bytes: bytes,
    elapsed_ns: String(Math.round(result.elapsedSeconds * 1e9)),
  });
}

/** Headers that every answer to a query carries. */
export function setQueryHeaders(response: ServerResponse, facts: ServerFacts, queryId: string): void {
  response.setHeader('X-ClickHouse-Server-Display-Name', facts.displayName);
  response.setHeader('X-ClickHouse-Timezone', facts.timezone);
  if (/^[\x20-\x7e]*$/.test(queryId)) response.setHeader('X-ClickHouse-Query-Id', queryId);
}

async function answerBytes(
  outcome: QueryOutcome,
): Promise<{ readonly stream: Readable; readonly length: number }> {
  if (outcome.path === undefined) {
    return {
      stream: Readable.from([Buffer.from(outcome.result.bytes)]),
      length: outcome.result.bytes.length,
    };
  }
  const file = await open(outcome.path, 'r');
  await rm(outcome.path);
  return { stream: file.createReadStream(), length: (await file.stat()).size };
}

/** Send what a query gave. Resolves when it is sent; rejects when the client has gone. */
export async function sendOutcome(
  response: ServerResponse,
  outcome: QueryOutcome,
  facts: ServerFacts,
  acceptEncoding: string,
): Promise<void> {
  const { stream, length } = await answerBytes(outcome);
  const encoding = length === 0 ? undefined : chooseEncoding(acceptEncoding);
  response.setHeader('Content-Type', facts.contentTypes.get(outcome.format) ?? 'text/plain; charset=UTF-8');
  response.setHeader('X-ClickHouse-Format', outcome.format);
  response.setHeader('X-ClickHouse-Summary', summaryOf(outcome));
  if (encoding === undefined) {
    response.setHeader('Content-Length', length);
    await pipeline(stream, response);
    return;
  }
  const [name, create] = encoding;
  response.setHeader('Content-Encoding', name);
  response.setHeader('Vary', 'Accept-Encoding');
  await pipeline(stream, create(), response);
}

/** Send an exception. */
export function sendException(response: ServerResponse, exception: ServerException, version: string): void {
  const suffix = version === '' ? '' : ` (version ${version})`;
  response.statusCode = exception.httpStatus;
  response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
  response.setHeader('X-ClickHouse-Exception-Code', exception.code);
  response.end(`${exception.message}${suffix}\n`);
}

/** Send a short text. */
export function sendText(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
  response.end(text);
}
