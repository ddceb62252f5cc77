/**
 * A request's body, bounded: what is announced too large is not read, what grows too large is not kept.
 */
import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { HttpProblem } from './http-problem.ts';

const gunzipped = promisify(gunzip);

const tooLarge = (maxBytes: number): HttpProblem =>
  new HttpProblem(413, 'too-large', `the body is larger than ${maxBytes} bytes: send fewer events at once`);

/** The bytes of a body, decompressed. @throws HttpProblem 400, 413 or 415 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
  if (encoding !== 'identity' && encoding !== 'gzip')
    throw new HttpProblem(
      415,
      'unsupported-media-type',
      `Content-Encoding '${encoding}' is not taken: send gzip or none`,
    );
  const raw = await readAll(request, maxBytes);
  if (encoding === 'identity') return raw;
  try {
    return await gunzipped(raw, { maxOutputLength: maxBytes });
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge(maxBytes);
    throw new HttpProblem(400, 'invalid-body', 'the body is not gzip');
  }
}

async function readAll(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Not destroyed by an early end: its sender is still to be answered.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
