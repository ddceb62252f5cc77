/** How the endpoint bears connections that do not get on; what it takes and answers is in tests/integration/ingest.test.ts. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { linkStates } from '#schemas/migration/generated.ts';
import { createClient } from '../client.ts';
import type { IngestConfig } from './ingest-config.ts';
import { type Ingest, startIngest } from './start-ingest.ts';

/** Nothing gets as far as Kafka. */
async function open(config: Partial<IngestConfig>): Promise<Ingest> {
  const client = createClient({ brokers: ['127.0.0.1:1'], source: '/tests' });
  const ingest = await startIngest({ client, streams: [linkStates], port: 0, ...config });
  onTestFinished(() => ingest.stop(0));
  return ingest;
}

async function socketTo({ port }: Ingest): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  onTestFinished(() => {
    socket.destroy();
  });
  await once(socket, 'connect');
  return socket;
}

const path = `/v1/topics/${linkStates.topic}`;
const requestHead = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n`;

async function statusOf({ url }: Ingest, body: string): Promise<number> {
  const headers = { 'content-type': 'application/json' };
  return (await fetch(`${url}${path}`, { method: 'POST', headers, body })).status;
}

describe('the endpoint', () => {
  it('cuts off who does not read answers, which count as requests until then', async () => {
    const limits = { maxRecords: 60_000, maxConcurrentRequests: 1, answerTimeoutMs: 3_000 };
    const ingest = await open({ limits });
    const slow = await socketTo(ingest);
    // The time to read an answer is over when the test says so.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    slow.pause();
    const body = `[${'1,'.repeat(59_999)}1]`;
    // The second answer, a 429, waits behind the first.
    slow.write(`${requestHead}Content-Length: ${body.length}\r\n\r\n${body}`.repeat(2));
    while (ingest.stats().rejected < limits.maxRecords) await nextTurn();
    expect(await statusOf(ingest, '{}')).toBe(429);
    vi.advanceTimersByTime(limits.answerTimeoutMs - 1);
    expect(await statusOf(ingest, '{}')).toBe(429);
    vi.advanceTimersByTime(1);
    expect(await statusOf(ingest, '{}')).toBe(400);
    slow.resume();
    await once(slow, 'close');
  });

  it('cuts off who does not go on with a request', async () => {
    const ingest = await open({ limits: { requestTimeoutMs: 300 } });
    const halfWay = await socketTo(ingest);
    halfWay.write(requestHead);
    await once(halfWay.resume(), 'close');
  });

  it('goes on after connections that it could not take', async () => {
    const failures: unknown[] = [];
    const ingest = await open({ onFailure: (error) => failures.push(error) });
    let server: Server | undefined;
    const note = (message: unknown): void => {
      ({ server } = message as { readonly server: Server });
    };
    subscribe('http.server.request.start', note);
    onTestFinished(() => void unsubscribe('http.server.request.start', note));
    expect(await statusOf(ingest, '{}')).toBe(400);
    const errors = [1, 2].map((n) => new Error(`accept EMFILE ${n}`));
    for (const error of errors) server!.emit('error', error);
    expect(failures).toEqual(errors);
    expect(await statusOf(ingest, '{}')).toBe(400);
  });
});
