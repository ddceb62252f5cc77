/**
 * The body of a request: decompressed, counted, and never whole in memory.
 *
 * I1. More than the limit, compressed or not, ends the request with status 413.
 * I2. A body that breaks off raises an error: what has arrived of it is never used.
 */
import { createWriteStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { exception, type ServerException } from './exception.ts';

function tooLarge(maxBytes: number): ServerException {
  return exception(
    290,
    `The request body is larger than the limit of ${maxBytes} bytes: send less per request.`,
    413,
  );
}

function decoderOf(encoding: string): Transform | undefined {
  switch (encoding.trim().toLowerCase()) {
    case '':
    case 'identity':
      return undefined;
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'deflate':
      return createInflate();
    case 'br':
      return createBrotliDecompress();
    default:
      throw exception(
        48,
        `Unknown Content-Encoding '${encoding}': the embedded server knows gzip, deflate and br.`,
      );
  }
}

/** The bytes of the body, decompressed. */
async function* decoded(message: IncomingMessage, maxBytes: number): AsyncGenerator<Buffer> {
  if (Number(message.headers['content-length'] ?? '0') > maxBytes) throw tooLarge(maxBytes);
  const decoder = decoderOf(message.headers['content-encoding'] ?? '');
  // Left early, the rest of the body is to be drained (http-server.ts), not the connection to be cut.
  let source: AsyncIterable<Buffer> = message.iterator({ destroyOnReturn: false });
  if (decoder !== undefined) {
    decoder.on('error', () => message.unpipe(decoder));
    message.once('error', (error) => decoder.destroy(error));
    message.once('aborted', () => decoder.destroy(new Error('aborted')));
    source = message.pipe(decoder);
  }
  let bytes = 0;
  try {
    for await (const chunk of source) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      yield chunk;
    }
  } catch (error) {
    // Node's codes of zlib and Brotli errors.
    if (!(
      error instanceof Error &&
      'code' in error &&
      /^(Z_|ERR__ERROR|ERR_PADDING)/.test(String(error.code))
    ))
      throw error;
    const encoding = String(message.headers['content-encoding']);
    throw exception(354, `The body is not what Content-Encoding ${encoding} says: ${error.message}.`, 400);
  }
}

/** Reads a body once: first its head into memory, then the rest into a file. */
export class RequestBody {
  readonly #chunks: AsyncGenerator<Buffer>;
  #head: Buffer = Buffer.alloc(0);
  #isComplete = false;

  constructor(message: IncomingMessage, maxBytes: number) {
    this.#chunks = decoded(message, maxBytes);
  }

  /** What was read by `readHead`. */
  get head(): Buffer {
    return this.#head;
  }

  /** Whether the head is the whole body. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Read on until there are `bytes` in memory or the body ends. */
  async readHead(bytes: number): Promise<void> {
    const parts = [this.#head];
    let length = this.#head.length;
    while (length < bytes && !this.#isComplete) {
      const next = await this.#chunks.next();
      if (next.done === true) this.#isComplete = true;
      else {
        parts.push(next.value);
        length += next.value.length;
      }
    }
    this.#head = Buffer.concat(parts);
  }

  /** Write `before` and everything from `start` on into a new file. `onChunk` sees what is written. */
  async spoolTo(
    path: string,
    start: number,
    before: Buffer | undefined,
    onChunk: (chunk: Buffer) => void,
  ): Promise<void> {
    const head = this.#head;
    const rest = this.#chunks;
    async function* content(): AsyncGenerator<Buffer> {
      if (before !== undefined) yield before;
      if (head.length > start) yield head.subarray(start);
      yield* rest;
    }
    async function* seen(): AsyncGenerator<Buffer> {
      for await (const chunk of content()) {
        onChunk(chunk);
        yield chunk;
      }
    }
    await pipeline(seen, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
  }
}
