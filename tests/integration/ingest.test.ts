/** Events over HTTP into a real Kafka: what is told as accepted is there, and what is refused says why. */
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Client, createClient } from '#client/index.ts';
import type { ClientConfig } from '#client/client-config.ts';
import type { IngestConfig } from '#client/ingest/ingest-config.ts';
import { type Ingest, startIngest } from '#client/ingest/start-ingest.ts';
import { parseTokens } from '#client/ingest/tokens.ts';
import { confluentHeader } from '#engine/codec/framing.ts';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { headerText } from '#engine/task/cloud-events.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { linkStates } from '#schemas/migration/generated.ts';
import { createClientTopics, eventsOf, linksOn, linkState } from './client.fixture.ts';
import { kafkaForFile } from './kafka.fixture.ts';

const local = kafkaForFile();

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Much longer than anything takes: a machine that is slow fails no test. */
const longMs = 60_000;

function clientOn(
  kafka: Pick<LocalKafka, 'bootstrapServers'>,
  publishing: Partial<ClientConfig> = {},
): Client {
  const client = createClient({
    brokers: kafka.bootstrapServers.split(','),
    source: '/tests/ingest',
    lingerMs: 1,
    connectTimeoutMs: longMs,
    requestTimeoutMs: longMs,
    ...publishing,
  });
  closing.push(() => client.close(100).catch(() => undefined));
  return client;
}

async function openOver(
  client: Client,
  topics: readonly string[],
  { limits, ...config }: Partial<IngestConfig> = {},
): Promise<Ingest> {
  const patience = {
    ackTimeoutMs: longMs,
    requestTimeoutMs: longMs,
    answerTimeoutMs: longMs,
    troubleAfterMs: longMs,
    ...limits,
  };
  const streams = topics.map(linksOn);
  const ingest = await startIngest({ client, streams, port: 0, limits: patience, ...config });
  closing.push(() => ingest.stop(1_000));
  return ingest;
}

const open = (
  kafka: Pick<LocalKafka, 'bootstrapServers'>,
  topics: readonly string[],
  config: Partial<IngestConfig> = {},
  publishing: Partial<ClientConfig> = {},
): Promise<Ingest> => openOver(clientOn(kafka, publishing), topics, config);

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    readonly accepted?: number;
    readonly rejected?: number;
    readonly errors?: readonly {
      readonly index: number;
      readonly field: string | null;
      readonly code: string;
    }[];
    readonly error?: { readonly code: string; readonly message: string };
    readonly status?: string;
  };
}

async function post(
  ingest: Ingest,
  topic: string,
  body: string | Buffer | object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const isText = typeof body === 'string' || Buffer.isBuffer(body);
  const response = await fetch(`${ingest.url}/v1/topics/${topic}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: isText ? new Uint8Array(Buffer.from(body)) : JSON.stringify(body),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Answer['body'],
  };
}

/** Nothing listens there. */
const nowhere = { bootstrapServers: '127.0.0.1:1' };

describe('events', () => {
  it('of every content type are in the topic when they are told as accepted', async (context) => {
    const kafka = local.of(context);
    const topic = 'typed';
    await createClientTopics(kafka, [{ topic }]);
    const ingest = await open(kafka, [topic]);
    const writers = new WriterSchemas();
    const avro = eventCodec(linkStates, writers).encode(linkState('d', 5));
    const enveloped = (n: number): object => ({
      specversion: '1.0',
      id: `id-${n}`,
      source: '/elsewhere',
      type: 'weir.migration.LinkState',
      data: linkState('d', n),
    });
    const requests: readonly (readonly [string, string | Buffer | object, number])[] = [
      ['application/json', linkState('d', 0), 1],
      ['application/json; charset=utf-8', [linkState('d', 1), linkState('d', 2)], 2],
      ['application/x-ndjson', [3, 4].map((n) => JSON.stringify(linkState('d', n))).join('\n') + '\n', 2],
      ['application/avro', avro, 1],
      ['application/cloudevents+json', enveloped(6), 1],
      ['application/cloudevents-batch+json', [enveloped(7), enveloped(8)], 2],
      ['application/json', gzipSync(JSON.stringify(linkState('d', 9))), 1],
    ];
    for (const [type, body, accepted] of requests) {
      const gzip = Buffer.isBuffer(body) && body !== avro ? { 'content-encoding': 'gzip' } : {};
      const answer = await post(ingest, topic, body, { 'content-type': type, ...gzip });
      expect(answer.body, type).toEqual({ accepted, rejected: 0, errors: [] });
      expect(answer.status).toBe(200);
    }
    const events = await eventsOf(kafka, topic, linkStates);
    expect(events.map(({ event }) => event)).toEqual(Array.from({ length: 10 }, (_, n) => linkState('d', n)));
    expect(events.slice(6, 9).map(({ headers }) => headerText(headers, 'ce_id'))).toEqual([
      'id-6',
      'id-7',
      'id-8',
    ]);
    expect(headerText(events[6]!.headers, 'ce_source')).toBe('/elsewhere');
    expect(headerText(events[0]!.headers, 'ce_source')).toBe('/weir/ingest/local');
    expect(ingest.stats()).toEqual({ requests: 7, accepted: 10, rejected: 0 });
  });

  it('times may be ISO 8601, and have the id of the request', async (context) => {
    const kafka = local.of(context);
    const topic = 'identified';
    await createClientTopics(kafka, [{ topic }]);
    const ingest = await open(kafka, [topic]);
    const event = { ...linkState('d', 1), observed_at: '2026-03-01T12:00:00Z' };
    await post(ingest, topic, event, { 'idempotency-key': 'once' });
    await post(ingest, topic, [event, event], { 'idempotency-key': 'batch' });
    await post(ingest, topic, event, { 'ce-id': 'mine', 'ce-source': '/sensors/1' });
    const records = await eventsOf(kafka, topic, linkStates);
    expect(records.map(({ headers }) => headerText(headers, 'ce_id'))).toEqual([
      'once',
      'batch-0',
      'batch-1',
      'mine',
    ]);
    expect(headerText(records[3]!.headers, 'ce_source')).toBe('/sensors/1');
    expect(records[0]!.event.observed_at).toBe(Date.UTC(2026, 2, 1, 12));
    expect(await post(ingest, topic, event, { 'idempotency-key': 'a b' })).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid-header' } },
    });
  });

  it('that are wrong are told by index, field and reason, and spoil no other', async (context) => {
    const kafka = local.of(context);
    const topic = 'partly';
    await createClientTopics(kafka, [{ topic, config: { 'message.timestamp.after.max.ms': '3600000' } }]);
    const ingest = await open(kafka, [topic]);
    const answer = await post(ingest, topic, [
      linkState('d', 0),
      { ...linkState('d', 1), path_epoch: 'x', host: undefined, colour: 'red' },
      'no event',
      linkState('d', 3),
      { ...linkState('d', 4), observed_at: Date.now() + 86_400_000 },
    ]);
    expect(answer.status).toBe(207);
    expect(answer.body).toMatchObject({ accepted: 2, rejected: 3 });
    expect(answer.body.errors!.map(({ index, field, code }) => [index, field, code])).toEqual([
      [1, 'colour', 'invalid-event'],
      [1, 'host', 'invalid-event'],
      [1, 'path_epoch', 'invalid-event'],
      [2, null, 'invalid-event'],
      [4, null, 'refused'],
    ]);
    const epochs = (await eventsOf(kafka, topic, linkStates)).map(({ event }) => event.path_epoch);
    expect(epochs).toEqual([0, 3]);
    const lines = await post(ingest, topic, `{"a":\n\n${JSON.stringify(linkState('d', 9))}`, {
      'content-type': 'application/x-ndjson',
    });
    expect(lines).toMatchObject({ status: 207, body: { accepted: 1, errors: [{ index: 0 }] } });
    expect(await post(ingest, topic, {})).toMatchObject({ status: 400, body: { accepted: 0, rejected: 1 } });
  });

  it('of Avro are refused when they are none, or of a schema that is not known here', async (context) => {
    const kafka = local.of(context);
    const topic = 'avro';
    await createClientTopics(kafka, [{ topic }]);
    const ingest = await open(kafka, [topic]);
    const avro = { 'content-type': 'application/avro' };
    const single = eventCodec(linkStates, new WriterSchemas()).encode(linkState('d', 1));
    for (const [body, reason] of [
      [Buffer.from('nonsense'), /neither Confluent's 00 nor/],
      [single.subarray(0, 20), /field 'mac': the length of string needs/],
      [Buffer.concat([confluentHeader(99), single.subarray(10)]), /registry id 99/],
      [Buffer.alloc(0), /no bytes/],
    ] as const) {
      const answer = await post(ingest, topic, body, avro);
      expect(answer.status).toBe(400);
      expect(JSON.stringify(answer.body)).toMatch(reason);
    }
  });
});

describe('a request is refused', () => {
  it.each([
    ['an unknown path', 'GET', '/elsewhere', {}, 404, 'not-found'],
    ['another method', 'PUT', '/v1/topics/links', {}, 405, 'method-not-allowed'],
    ['an unknown topic', 'POST', '/v1/topics/other', {}, 404, 'unknown-topic'],
    ['a topic that is no text', 'POST', '/v1/topics/%ff', {}, 404, 'unknown-topic'],
    ['no content type', 'POST', '/v1/topics/links', { 'content-type': '' }, 415, 'unsupported-media-type'],
    [
      'another content type',
      'POST',
      '/v1/topics/links',
      { 'content-type': 'text/plain' },
      415,
      'unsupported-media-type',
    ],
    [
      'another charset',
      'POST',
      '/v1/topics/links',
      { 'content-type': 'application/json; charset=latin1' },
      415,
      'unsupported-media-type',
    ],
    [
      'another encoding',
      'POST',
      '/v1/topics/links',
      { 'content-encoding': 'br' },
      415,
      'unsupported-media-type',
    ],
    ['a web page', 'POST', '/v1/topics/links', { origin: 'http://evil.example' }, 403, 'forbidden'],
    ['another host name', 'POST', '/v1/topics/links', { host: 'evil.example' }, 403, 'forbidden'],
  ] as const)('for %s', async (_, method, path, headers, status, code) => {
    const ingest = await open(nowhere, ['links']);
    const answer = await new Promise<{ readonly status: number; readonly text: string }>(
      (resolve, reject) => {
        const request = httpRequest(
          `${ingest.url}${path}`,
          { method, headers: { 'content-type': 'application/json', ...headers } },
          (response) => {
            let text = '';
            response.on('data', (chunk: Buffer) => (text += chunk.toString()));
            response.on('end', () => {
              resolve({ status: response.statusCode ?? 0, text });
            });
          },
        );
        request.on('error', reject);
        request.end(method === 'GET' ? undefined : '{}');
      },
    );
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toMatchObject({ error: { code } });
  });

  it.each([
    ['not JSON', '{"a":', 'invalid-body'],
    ['not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'invalid-body'],
    ['an empty array', '[]', 'invalid-body'],
    ['nothing', '', 'invalid-body'],
  ])('for a body that is %s', async (_, body, code) => {
    const ingest = await open(nowhere, ['links']);
    expect(await post(ingest, 'links', body)).toMatchObject({ status: 400, body: { error: { code } } });
  });

  it('for too many events or bytes, also when they grow only while they are read', async () => {
    const ingest = await open(nowhere, ['links'], { limits: { maxRecords: 3, maxBodyBytes: 10_000 } });
    expect(await post(ingest, 'links', [1, 2, 3, 4])).toMatchObject({
      status: 413,
      body: { error: { code: 'too-many-records' } },
    });
    expect(await post(ingest, 'links', ' '.repeat(10_001))).toMatchObject({
      status: 413,
      body: { error: { code: 'too-large' } },
    });
    const bomb = gzipSync(Buffer.alloc(1_000_000, ' '));
    expect(bomb.length).toBeLessThan(10_000);
    expect(await post(ingest, 'links', bomb, { 'content-encoding': 'gzip' })).toMatchObject({ status: 413 });
    const chunked = await rawRequest(
      ingest,
      'POST /v1/topics/links HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n' +
        `Transfer-Encoding: chunked\r\n\r\n2ee0\r\n${' '.repeat(12_000)}\r\n`,
    );
    expect(chunked).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('in few words, whatever the number of things that are wrong', async () => {
    const ingest = await open(nowhere, ['links']);
    const fields = Array.from({ length: 300_000 }, (_, i) => `"f${i}":1`).join(',');
    const { status, body } = await post(ingest, 'links', `{${fields}}`);
    expect(status).toBe(400);
    expect(body.errors).toHaveLength(21);
    expect(JSON.stringify(body).length).toBeLessThan(10_000);
  });

  it('before a large body is sent, where the client asks', async () => {
    const ingest = await open(nowhere, ['links']);
    const head = (topic: string): string =>
      `POST /v1/topics/${topic} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n` +
      'Expect: 100-continue\r\nContent-Length: 5\r\n\r\n';
    expect(await rawRequest(ingest, head('other'))).toMatch(/^HTTP\/1\.1 404 /);
    expect(await rawRequest(ingest, head('links'))).toMatch(/^HTTP\/1\.1 100 /);
  });

  it('without a token that is for the topic', async (context) => {
    const kafka = local.of(context);
    await createClientTopics(kafka, [{ topic: 'guarded' }, { topic: 'other' }]);
    const [secret, restricted] = ['s'.repeat(20), 'r'.repeat(20)];
    const tokens = parseTokens(`all ${secret}\nsome ${restricted} oth`, 'here');
    const ingest = await open(kafka, ['guarded', 'other'], { tokens });
    const event = linkState('d', 1);
    const as = (token: string): Readonly<Record<string, string>> => ({ authorization: `Bearer ${token}` });
    const anonymous = await post(ingest, 'guarded', event);
    expect(anonymous).toMatchObject({ status: 401, body: { error: { code: 'unauthorized' } } });
    expect(anonymous.headers.get('www-authenticate')).toMatch(/^Bearer/);
    expect((await post(ingest, 'guarded', event, as('s'.repeat(19)))).status).toBe(401);
    expect(await post(ingest, 'guarded', event, as(restricted))).toMatchObject({
      status: 403,
      body: { error: { message: "the token 'some' is not for topic guarded" } },
    });
    expect((await post(ingest, 'other', event, as(restricted))).status).toBe(200);
    expect((await post(ingest, 'guarded', event, as(secret))).status).toBe(200);
    const [record] = await eventsOf(kafka, 'other', linkStates);
    expect(headerText(record!.headers, 'ce_source')).toBe('/weir/ingest/some');
  });
});

describe('back-pressure', () => {
  it('a full buffer is a 503, and nothing overtakes what found no room', async () => {
    const ingest = await open(
      nowhere,
      ['links'],
      { limits: { ackTimeoutMs: 300, troubleAfterMs: 60_000 } },
      { maxBufferedBytes: 2_000 },
    );
    const events = [0, 1, 2, 3].map((n) => ({
      ...linkState('d', n),
      ...(n === 1 ? { host: 'x'.repeat(1_700) } : {}),
    }));
    const answer = await post(ingest, 'links', events);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(answer.body.errors!.map(({ index, code }) => [index, code])).toEqual([
      [0, 'unknown-outcome'],
      [1, 'buffer-full'],
      [2, 'buffer-full'],
      [3, 'buffer-full'],
    ]);
  });

  it('a Kafka that is away is a 503 at once after a while, and well again when it is back', async (context) => {
    const kafka = local.of(context);
    const topic = 'away';
    await createClientTopics(kafka, [{ topic }]);
    const client = clientOn(kafka);
    const ingest = await openOver(client, [topic], { limits: { troubleAfterMs: 200 } });
    const hasty = await openOver(client, [topic], { limits: { ackTimeoutMs: 2_000 } });
    const health = async (): Promise<number> => (await fetch(`${ingest.url}/v1/health`)).status;
    expect((await post(ingest, topic, linkState('d', 0))).status).toBe(200);
    expect(await health()).toBe(200);
    await kafka.brokers[0]!.kill();
    const first = await post(hasty, topic, linkState('d', 1));
    expect(first).toMatchObject({ status: 503, body: { errors: [{ code: 'unknown-outcome' }] } });
    await vi.waitUntil(async () => (await health()) === 503, longMs);
    const startedAtMs = performance.now();
    expect(await post(ingest, topic, linkState('d', 2))).toMatchObject({
      status: 503,
      body: { error: { code: 'unavailable' } },
    });
    // It does not wait for an acknowledgement.
    expect(performance.now() - startedAtMs).toBeLessThan(longMs / 2);
    await kafka.brokers[0]!.restart();
    await vi.waitUntil(async () => (await health()) === 200, longMs);
    expect((await post(ingest, topic, linkState('d', 3))).status).toBe(200);
    const epochs = (await eventsOf(kafka, topic, linkStates)).map(({ event }) => event.path_epoch);
    // The one whose outcome was unknown came in when Kafka was back.
    expect(epochs).toEqual([0, 1, 3]);
  });

  it('more requests at a time than wanted are a 429', async () => {
    const client = clientOn(nowhere);
    const ingest = await openOver(client, ['links'], { limits: { maxConcurrentRequests: 2 } });
    const underWay = [0, 1].map((n) => post(ingest, 'links', linkState('d', n)));
    await vi.waitUntil(() => ingest.stats().requests === 2, longMs);
    for (const n of [2, 3]) expect((await post(ingest, 'links', linkState('d', n))).status).toBe(429);
    // They wait for Kafka as long as their client does.
    await client.close(1).catch(() => undefined);
    expect((await Promise.all(underWay)).map(({ status }) => status)).toEqual([503, 503]);
    expect((await post(ingest, 'links', '[]')).status).toBe(400);
  });
});

describe('the endpoint', () => {
  it('does not listen for other machines without tokens', async () => {
    const client = createClient({ brokers: ['127.0.0.1:1'], source: '/tests' });
    closing.push(() => client.close());
    for (const host of ['0.0.0.0', '::', 'ingest.example'])
      await expect(startIngest({ client, streams: [], port: 0, host })).rejects.toMatchObject({
        code: 'insecure-listen',
      });
    await expect(startIngest({ client, streams: [], port: 0, tokens: [] })).rejects.toMatchObject({
      code: 'invalid-config',
    });
    const tokens = parseTokens(`a ${'t'.repeat(16)}`, 'here');
    await expect(startIngest({ client, streams: [], port: 0, tokens, host: '' })).rejects.toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining('host') as string,
    });
    const open0 = await startIngest({ client, streams: [], port: 0, host: '0.0.0.0', tokens });
    await open0.stop();
  });

  it('says when its port is taken', async () => {
    const ingest = await open(nowhere, ['links']);
    await expect(open(nowhere, ['links'], { port: ingest.port })).rejects.toMatchObject({
      code: 'listen',
      message: expect.stringMatching(/127\.0\.0\.1:\d+: .*EADDRINUSE/) as string,
    });
  });

  it('answers requests under way when it stops, and takes no more', async (context) => {
    const kafka = local.of(context);
    const topic = 'stopping';
    await createClientTopics(kafka, [{ topic }]);
    const ingest = await open(kafka, [topic], {}, { lingerMs: 300 });
    const { url } = ingest;
    const underWay = post(ingest, topic, linkState('d', 1));
    while (ingest.stats().requests === 0) await sleep(5);
    const stopped = ingest.stop(longMs);
    expect((await underWay).status).toBe(200);
    await stopped;
    await expect(fetch(`${url}/v1/health`)).rejects.toThrow();
    expect(await eventsOf(kafka, topic, linkStates)).toHaveLength(1);
  });
});

/** Sends bytes and resolves with the beginning of the answer. */
function rawRequest(ingest: Ingest, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(ingest.port, '127.0.0.1', () => socket.write(text));
    socket.once('data', (data) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.once('error', reject);
  });
}
