/**
 * Answers in ClickHouse's way: its headers, a summary, compression as asked for.
 *
 * I1. An answer is complete or it is an error: nothing is sent before the statement has ended. Should reading the
 *     answer's file fail after all, the connection is cut, which no client takes for a complete answer.
 */
import { open, rm } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { pipeline as pipe, Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createBrotliCompress, createDeflate, createGzip } from 'node:zlib';
import type { ServerException } from './exception.ts';
import { nativeRevision as toNativeRevision } from './native-revision.ts';
import type { QueryOutcome } from './query.ts';
import type { QueryRequest } from './query-request.ts';

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

/** Written after an answer to see whether there was room for all of it. */
const probe = Buffer.alloc(64 * 1024);

/**
 * The answer of a query, its file removed already.
 * The engine says nothing when its file meets a full disk (measured with chdb 3.4.0: the answer is just shorter).
 * Such a disk has no room for a few bytes more either, and that is what tells.
 */
async function answerBytes({
  path,
  result,
}: QueryOutcome): Promise<{ readonly stream: Readable; readonly length: number }> {
  if (path === undefined)
    return { stream: Readable.from([Buffer.from(result.bytes)]), length: result.bytes.length };
  const file = await open(path, 'r+');
  await rm(path);
  try {
    const { size } = await file.stat();
    await file.write(probe, 0, probe.length, size);
    if (size > 0) return { stream: file.createReadStream({ start: 0, end: size - 1 }), length: size };
    await file.close();
    return { stream: Readable.from([]), length: 0 };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The stream for another revision. Waits for its beginning: a type that cannot be converted is an answer, not a cut. */
async function converted(stream: Readable, revision: number): Promise<Readable> {
  const converter = toNativeRevision(revision);
  // An error ends the converter as well, and reaches the one who reads from it.
  pipe(stream, converter, () => undefined);
  const chunks: AsyncIterator<Buffer, undefined> = converter[Symbol.asyncIterator]();
  const first = await chunks.next();
  return Readable.from(
    (async function* (): AsyncGenerator<Buffer> {
      for (let chunk = first; chunk.done !== true; chunk = await chunks.next()) yield chunk.value;
    })(),
  );
}

/** Send what a query gave. Resolves when it is sent; rejects when the client has gone. */
export async function sendOutcome(
  response: ServerResponse,
  outcome: QueryOutcome,
  facts: ServerFacts,
  { acceptEncoding, nativeRevision }: Pick<QueryRequest, 'acceptEncoding' | 'nativeRevision'>,
): Promise<void> {
  const { stream: plain, length } = await answerBytes(outcome);
  const isConverted = outcome.format === 'Native' && nativeRevision > 0 && length > 0;
  const stream = isConverted ? await converted(plain, nativeRevision) : plain;
  const encoding = length === 0 ? undefined : chooseEncoding(acceptEncoding);
  response.setHeader('Content-Type', facts.contentTypes.get(outcome.format) ?? 'text/plain; charset=UTF-8');
  response.setHeader('X-ClickHouse-Format', outcome.format);
  response.setHeader('X-ClickHouse-Summary', summaryOf(outcome));
  if (encoding === undefined) {
    if (!isConverted) response.setHeader('Content-Length', length);
    await pipeline(stream, response);
    return;
  }
  const [name, create] = encoding;
  response.setHeader('Content-Encoding', name);
  response.setHeader('Vary', 'Accept-Encoding');
  await pipeline(stream, create(), response);
}

/** Send an exception at once; the response ends, and with it perhaps the connection, when `bodyRead` resolves. */
export function sendException(
  response: ServerResponse,
  exception: ServerException,
  version: string,
  bodyRead: Promise<void>,
): void {
  const suffix = version === '' ? '' : ` (version ${version})`;
  const text = `${exception.message}${suffix}\n`;
  response.statusCode = exception.httpStatus;
  response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
  response.setHeader('X-ClickHouse-Exception-Code', exception.code);
  response.setHeader('Content-Length', Buffer.byteLength(text));
  response.write(text);
  void bodyRead.then(() => response.end());
}

/** Send a short text. */
export function sendText(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
  response.end(text);
}
