/** The client against a real broker: what is acknowledged is there once and in order, and what is refused says why. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ConfigResourceTypes } from 'kafkajs';
import RdKafka from 'node-rdkafka';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Client, ClientError, createClient, encodeEvent } from '#client/index.ts';
import type { ClientConfig } from '#client/client-config.ts';
import type { ClusterMetadata, ProduceResult } from '#client/producer/requests.ts';
import { fingerprintHex } from '#engine/codec/fingerprint.ts';
import { confluentHeader } from '#engine/codec/framing.ts';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { partitionOf } from '#engine/log/murmur2.ts';
import { headerText } from '#engine/task/cloud-events.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { linkStates } from '#schemas/migration/generated.ts';
import {
  announcedSchemas,
  createClientTopics,
  eventsOf,
  linksOn,
  linkState,
  recordsOf,
} from './client.fixture.ts';
import { faultyProducer, type Fault } from './faulty-producer.fixture.ts';
import { clientOf, createTopics, kafkaForFile } from './kafka.fixture.ts';
import { TestProducer } from './librdkafka.fixture.ts';

const local = kafkaForFile();

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Much longer than anything takes: a machine that is slow fails no test, and no request is sent twice because of it. */
const longMs = 60_000;

function open(kafka: Pick<LocalKafka, 'bootstrapServers'>, config: Partial<ClientConfig> = {}): Client {
  const client = createClient({
    brokers: kafka.bootstrapServers.split(','),
    source: '/tests/client',
    connectTimeoutMs: longMs,
    requestTimeoutMs: longMs,
    ...config,
  });
  closing.push(() => client.close(5_000).catch(() => undefined));
  return client;
}

const failureOf = (promise: Promise<unknown>): Promise<ClientError> =>
  promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: unknown) => {
      if (error instanceof ClientError) return error;
      throw error;
    },
  );

describe('a published event', () => {
  it('is read by its announced schema, under its key, time and CloudEvents headers', async (context) => {
    const kafka = local.of(context);
    const topic = 'published';
    await createClientTopics(kafka, [{ topic, partitions: 4 }]);
    const client = open(kafka, { compression: 'gzip' });
    await client.publish(linksOn(topic), linkState('device-1', 3), { id: 'id-1', source: '/elsewhere' });
    await client.publish(linksOn(topic), linkState('device-2', 4));
    const [one, two] = (await eventsOf(kafka, topic, linkStates)).toSorted(
      (a, b) => a.event.path_epoch - b.event.path_epoch,
    );
    expect(one!.event).toEqual(linkState('device-1', 3));
    expect(one!.key!.toString()).toBe('device-1');
    expect(one!.timestampMs).toBe(1_700_000_000_003);
    const headers = Object.fromEntries(
      Object.keys(one!.headers).map((name) => [name, headerText(one!.headers, name)]),
    );
    expect(headers).toEqual({
      ce_specversion: '1.0',
      ce_id: 'id-1',
      ce_source: '/elsewhere',
      ce_type: 'weir.migration.LinkState',
      ce_time: '2023-11-14T22:13:20.003Z',
    });
    expect(headerText(two!.headers, 'ce_source')).toBe('/tests/client');
    expect(headerText(two!.headers, 'ce_id')).toMatch(/.{30,}/);
  });

  it('lies in the partition that librdkafka chooses by murmur2 too', async (context) => {
    const kafka = local.of(context);
    await createClientTopics(kafka, [
      { topic: 'ours', partitions: 7 },
      { topic: 'theirs', partitions: 7 },
    ]);
    // node-rdkafka makes an empty key none.
    const keys = ['a', 'ab', 'abc', 'abcd', 'gerät-ä', ...Array.from({ length: 200 }, (_, i) => `d-${i}`)];
    const client = open(kafka);
    await Promise.all(keys.map((key, i) => client.publish(linksOn('ours'), linkState(key, i))));
    await produceByMurmur2(kafka, 'theirs', keys);
    const placesIn = async (topic: string): Promise<readonly string[]> =>
      (await recordsOf(kafka, topic)).map(({ key, partition }) => `${String(key)} in ${partition}`).sort();
    const ours = await placesIn('ours');
    expect(ours).toEqual(await placesIn('theirs'));
    expect(ours).toEqual(keys.map((key) => `${key} in ${partitionOf(Buffer.from(key), 7)}`).sort());
    expect(new Set(ours.map((place) => place.split(' in ')[1])).size).toBe(7);
  });

  it('has Confluent framing where ids of a registry are given, which are announced', async (context) => {
    const kafka = local.of(context);
    const topic = 'confluent';
    await createClientTopics(kafka, [{ topic }]);
    const client = open(kafka, { framing: { kind: 'confluent', idOf: () => 4711 } });
    await client.publish(linksOn(topic), linkState('device-1', 1));
    const [record] = await eventsOf(kafka, topic, linkStates);
    expect(record!.value!.subarray(0, 5)).toEqual(confluentHeader(4711));
    expect(record!.event).toEqual(linkState('device-1', 1));
    expect((await announcedSchemas(kafka)).byConfluentId(4711)?.name).toBe('weir.migration.LinkState');
  });

  it('announces its schema once, before it', async (context) => {
    const kafka = local.of(context);
    await createClientTopics(kafka, [{ topic: 'announced' }, { topic: 'announced-too' }]);
    const client = open(kafka);
    await Promise.all([
      client.publish(linksOn('announced'), linkState('a', 1)),
      client.publish(linksOn('announced-too'), linkState('a', 1)),
      client.publish(linksOn('announced'), linkState('a', 2)),
    ]);
    const { writer } = eventCodec(linkStates, new WriterSchemas());
    const named = (await recordsOf(kafka, 'weir.schemas')).filter(
      ({ key, headers }) =>
        key!.toString() === `${fingerprintHex(writer.fingerprint)}/none` &&
        headerText(headers, 'ce_source') === '/tests/client',
    );
    // One of each client of this file so far that published single-object events of this schema.
    const { length: before } = named;
    await client.publish(linksOn('announced'), linkState('a', 3));
    expect(before).toBeGreaterThan(0);
    expect(
      (await recordsOf(kafka, 'weir.schemas')).filter(
        ({ key }) => key!.toString() === `${fingerprintHex(writer.fingerprint)}/none`,
      ),
    ).toHaveLength(before);
  });

  it('keeps its order within its key, and everything is there once', async (context) => {
    const kafka = local.of(context);
    const topic = 'ordered';
    await createClientTopics(kafka, [{ topic, partitions: 5 }]);
    const client = open(kafka, { maxBatchBytes: 2_000, maxBufferedRecords: 500, lingerMs: 1 });
    const published: Promise<void>[] = [];
    for (let n = 0; n < 3_000; n++)
      published.push(client.publish(linksOn(topic), linkState(`d-${n % 37}`, n)));
    await Promise.all(published);
    const events = await eventsOf(kafka, topic, linkStates);
    expect(events).toHaveLength(3_000);
    expect(new Set(events.map(({ event }) => event.path_epoch)).size).toBe(3_000);
    const last = new Map<string, number>();
    for (const { event } of events) {
      expect(event.path_epoch).toBeGreaterThan(last.get(event.device_id) ?? -1);
      last.set(event.device_id, event.path_epoch);
    }
  });
});

describe('an event that cannot be taken', () => {
  it('is refused with every field that does not fit', async (context) => {
    const client = open(local.of(context));
    const bad = { ...linkState('d', 1), path_epoch: 'seven', host: 5 } as unknown as ReturnType<
      typeof linkState
    >;
    const error = await failureOf(client.publish(linkStates, bad));
    expect(error).toMatchObject({ code: 'invalid-event', retryable: false });
    expect(error.problems).toHaveLength(2);
    expect(error.message).toMatch(/migration\.link-states.*field 'host'.*field 'path_epoch'/s);
  });

  it('is refused with a time outside of what can be told', async (context) => {
    const client = open(local.of(context));
    for (const observed_at of [-1, 8.64e15])
      expect(
        await failureOf(client.publish(linkStates, { ...linkState('d', 1), observed_at })),
      ).toMatchObject({ code: 'invalid-event', message: expect.stringContaining('observed_at') as string });
  });

  it('is refused when it is larger than the client or its topic takes, and others go on', async (context) => {
    const kafka = local.of(context);
    const topic = 'small-records';
    await createClientTopics(kafka, [{ topic, config: { 'max.message.bytes': '5000' } }]);
    const client = open(kafka, { lingerMs: 50 });
    const huge = { ...linkState('d', 0), host: 'x'.repeat(2_000_000) };
    expect(await failureOf(client.publish(linksOn(topic), huge))).toMatchObject({
      code: 'too-large',
      message: expect.stringContaining('maxRecordBytes is 1000000') as string,
    });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 100 }, (_, n) =>
        client.publish(linksOn(topic), {
          ...linkState('d', n),
          host: n === 40 || n === 41 ? 'y'.repeat(6_000) : 'h',
        }),
      ),
    );
    const failed = outcomes.flatMap((outcome, n) => (outcome.status === 'rejected' ? [n] : []));
    expect(failed).toEqual([40, 41]);
    expect((outcomes[40] as PromiseRejectedResult).reason).toMatchObject({
      code: 'too-large',
      message: expect.stringContaining('max.message.bytes') as string,
    });
    const epochs = (await eventsOf(kafka, topic, linkStates)).map(({ event }) => event.path_epoch);
    expect(epochs).toEqual(Array.from({ length: 100 }, (_, n) => n).filter((n) => n !== 40 && n !== 41));
  });

  it('with a time that the broker refuses takes no other with it', async (context) => {
    const kafka = local.of(context);
    const topic = 'late-times';
    await createClientTopics(kafka, [{ topic, config: { 'message.timestamp.after.max.ms': '3600000' } }]);
    const client = open(kafka, { lingerMs: 50 });
    const tomorrow = Date.now() + 86_400_000;
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, n) =>
        client.publish(linksOn(topic), {
          ...linkState('d', n),
          ...(n === 3 ? { observed_at: tomorrow } : {}),
        }),
      ),
    );
    expect(outcomes.map(({ status }) => status === 'rejected')).toEqual(
      Array.from({ length: 10 }, (_, n) => n === 3),
    );
    expect((outcomes[3] as PromiseRejectedResult).reason).toMatchObject({
      code: 'refused',
      retryable: false,
    });
    const epochs = (await eventsOf(kafka, topic, linkStates)).map(({ event }) => event.path_epoch);
    expect(epochs).toEqual([0, 1, 2, 4, 5, 6, 7, 8, 9]);
  });

  it('to a topic that is not there says so, and goes in once it is', async (context) => {
    const kafka = local.of(context);
    await createClientTopics(kafka, []);
    const client = open(kafka);
    expect(await failureOf(client.publish(linksOn('absent'), linkState('d', 1)))).toMatchObject({
      code: 'unknown-topic',
      message: 'there is no topic absent in Kafka: create it',
    });
    await createClientTopics(kafka, [{ topic: 'absent' }]);
    await client.publish(linksOn('absent'), linkState('d', 2));
    expect(await recordsOf(kafka, 'absent')).toHaveLength(1);
  });

  /** kafkajs 2.2.4 acknowledges and loses the event after such a request. */
  it('does not disturb other partitions of the same request', async (context) => {
    const kafka = local.of(context);
    const topic = 'mixed';
    await createClientTopics(kafka, [{ topic, partitions: 2, config: { 'max.message.bytes': '5000' } }]);
    const client = open(kafka, { lingerMs: 20 });
    const [good, bad] = [0, 1].map((partition) =>
      Array.from({ length: 100 }, (_, i) => `d-${i}`).find(
        (key) => partitionOf(Buffer.from(key), 2) === partition,
      )!,
    ) as [string, string];
    await client.publish(linksOn(topic), linkState(good, 0));
    await Promise.allSettled([
      client.publish(linksOn(topic), linkState(good, 1)),
      client.publish(linksOn(topic), { ...linkState(bad, 1), host: 'x'.repeat(9_000) }),
    ]);
    for (let n = 2; n < 6; n++) await client.publish(linksOn(topic), linkState(good, n));
    const epochs = (await eventsOf(kafka, topic, linkStates)).map(({ event }) => event.path_epoch);
    expect(epochs).toEqual([0, 1, 2, 3, 4, 5]);
  });
});

describe('while brokers fail', () => {
  const opened = (kafka: LocalKafka, fault: Fault, deliveryTimeoutMs = 2 * longMs) => {
    const faulty = faultyProducer(kafka, fault, deliveryTimeoutMs);
    closing.push(() => faulty.producer.close());
    return faulty;
  };
  const [on0, on1] = [0, 1].map((partition) =>
    Array.from({ length: 100 }, (_, i) => `d-${i}`).find(
      (key) => partitionOf(Buffer.from(key), 2) === partition,
    ),
  ) as [string, string];
  const valuesIn = async (kafka: LocalKafka, topic: string): Promise<readonly string[]> =>
    (await recordsOf(kafka, topic)).map(({ value }) => String(value));

  it('a batch whose answer was lost is not written again in parts when its topic takes less by then', async (context) => {
    const kafka = local.of(context);
    const topic = 'takes-less';
    await createTopics(kafka, [{ topic }]);
    let isLost = false;
    const { send } = opened(kafka, async ({ name }, call) => {
      const answer = await call();
      if (name !== 'Produce' || isLost) return answer;
      isLost = true;
      // Of one record, but not of four.
      await configure(kafka, topic, 'max.message.bytes', '80');
      // A broker takes the repetition for what it has, until it has heard of the change.
      await vi.waitUntil(
        async () => ((await call()) as readonly ProduceResult[])[0]!.errorCode === 10,
        longMs,
      );
      throw new Error('cut by the test');
    });
    const outcomes = await Promise.all([0, 1, 2, 3].map((n) => settled(send(topic, 'k', `${n}`))));
    expect(outcomes).toEqual(Array(4).fill('unknown-outcome'));
    expect(await valuesIn(kafka, topic)).toEqual(['0', '1', '2', '3']);
  });

  it('trouble lasts, and since when, until a record is written', async (context) => {
    const kafka = local.of(context);
    const topic = 'too-few-replicas';
    await createTopics(kafka, [{ topic }]);
    let isShort = true;
    const notEnoughReplicas: ProduceResult = {
      topic,
      partition: 0,
      errorCode: 19,
      baseOffset: -1,
      recordErrors: [],
      message: '',
    };
    const { producer, send, troubles } = opened(kafka, ({ name }, call) =>
      name === 'Produce' && isShort ? Promise.resolve([notEnoughReplicas]) : call(),
    );
    const sent = send(topic, 'k', 'v');
    await vi.waitUntil(() => troubles.length > 3, longMs);
    expect(new Set(troubles.map(({ sinceMs }) => sinceMs)).size).toBe(1);
    expect(troubles[0]!.error.message).toContain('NOT_ENOUGH_REPLICAS');
    isShort = false;
    await sent;
    expect(producer.trouble).toBeUndefined();
  });

  it('trouble lasts when all was given up, until a broker answers', async (context) => {
    const kafka = local.of(context);
    const topic = 'given-up';
    await createTopics(kafka, [{ topic }]);
    let isAway = true;
    const { producer, send } = opened(
      kafka,
      (_, call) => (isAway ? Promise.reject(new Error('away, says the test')) : call()),
      200,
    );
    expect(await settled(send(topic, 'k', 'v'))).toBe('not-delivered');
    // The first connection may take longer than the record is tried.
    await vi.waitUntil(() => producer.trouble !== undefined, longMs);
    await sleep(400);
    expect(producer.trouble?.error.message).toContain('away, says the test');
    expect(producer.trouble?.isGeneral).toBe(true);
    isAway = false;
    await vi.waitUntil(() => producer.trouble === undefined, longMs);
  });

  it('a partition without a leader is told as trouble, and asked for at a growing distance', async (context) => {
    const kafka = local.of(context);
    const topic = 'leaderless';
    await createTopics(kafka, [{ topic }]);
    let looks = 0;
    const { producer, send } = opened(
      kafka,
      async ({ name }, call) => {
        const answer = await call();
        if (name !== 'Metadata') return answer;
        looks += 1;
        const { topics } = answer as ClusterMetadata;
        return { ...(answer as ClusterMetadata), topics: topics.map((one) => ({ ...one, leaders: [-1] })) };
      },
      1_000,
    );
    // The first look may take longer than a record is tried: only what comes after it is told of it for certain.
    const first = settled(send(topic, 'k', 'v'));
    await vi.waitUntil(() => producer.trouble !== undefined, longMs);
    const error = await failureOf(send(topic, 'k', 'v'));
    expect(error).toMatchObject({ code: 'not-delivered' });
    expect(error.message).toContain('leaderless-0: it has no leader now');
    expect(await first).toBe('not-delivered');
    expect(looks).toBeLessThan(9);
    expect(producer.trouble?.error.message).toContain('no leader');
    expect(producer.trouble?.isGeneral).toBe(false);
  });

  it('a partition that waits for a producer id does not hold up the others', async (context) => {
    const kafka = local.of(context);
    const topic = 'waits-for-id';
    await createTopics(kafka, [{ topic, partitions: 2 }]);
    let isCut = false;
    const held: (() => void)[] = [];
    const { send } = opened(kafka, async ({ name }, call) => {
      if (isCut && name === 'InitProducerId') await new Promise<void>((go) => held.push(go));
      const answer = await call();
      if (isCut && name === 'Produce' && held.length === 0) throw new Error('cut by the test');
      return answer;
    });
    await Promise.all([send(topic, on0, '0'), send(topic, on1, '1')]);
    isCut = true;
    // Given up in 2 s; what comes after it has its full time.
    expect(await settled(send(topic, on0, '2', 2 * longMs - 2_000))).toBe('unknown-outcome');
    const waiting = send(topic, on0, '3');
    await vi.waitUntil(() => held.length > 0, longMs);
    await send(topic, on1, '4');
    isCut = false;
    for (const go of held) go();
    await waiting;
    expect((await valuesIn(kafka, topic)).toSorted()).toEqual(['0', '1', '2', '3', '4']);
  });

  it('a topic that is made anew with fewer partitions is written by what it has now', async (context) => {
    const kafka = local.of(context);
    const topic = 'made-anew';
    await createTopics(kafka, [{ topic, partitions: 2 }]);
    const { send } = opened(kafka, (_, call) => call());
    await Promise.all([send(topic, on0, '0'), send(topic, on1, '1')]);
    const admin = clientOf(kafka).admin();
    await admin.deleteTopics({ topics: [topic] });
    await vi.waitUntil(async () => !(await admin.listTopics()).includes(topic), longMs);
    await admin.disconnect();
    await createTopics(kafka, [{ topic, partitions: 1 }]);
    // Sent to where it is not any more: nobody can say what became of it.
    expect(await settled(send(topic, on1, '2'))).toBe('unknown-outcome');
    await Promise.all([send(topic, on0, '3'), send(topic, on1, '4')]);
    expect(await valuesIn(kafka, topic)).toEqual(['3', '4']);
  });

  it('a topic of which a broker has not heard yet is waited for', async (context) => {
    const kafka = local.of(context);
    let looks = 0;
    const { send } = opened(kafka, async ({ name }, call) => {
      // Between the first look and the second, however long it takes.
      if (name === 'Metadata' && ++looks === 2) await createTopics(kafka, [{ topic: 'made-soon' }]);
      return call();
    });
    await send('made-soon', 'k', 'v');
    expect(looks).toBeGreaterThan(1);
  });
});

/** `written`, or the error's code. */
const settled = (sending: Promise<unknown>): Promise<string> =>
  sending.then(
    () => 'written',
    (error: unknown) => (error as ClientError).code,
  );

async function configure(kafka: LocalKafka, topic: string, name: string, value: string): Promise<void> {
  const admin = clientOf(kafka).admin();
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name, value }] }],
  });
  await admin.disconnect();
}

/** Nothing listens there. */
const nowhere = { bootstrapServers: '127.0.0.1:1' };

describe('the buffer', () => {
  it('rejects when it is full, naming its bounds, or waits in order', async () => {
    const client = open(nowhere, { maxBufferedRecords: 2, whenFull: 'reject' });
    const waiting = [0, 1].map((n) => failureOf(client.publish(linkStates, linkState('d', n))));
    const error = await failureOf(client.publish(linkStates, linkState('d', 2)));
    expect(error).toMatchObject({ code: 'buffer-full', retryable: true });
    expect(error.message).toMatch(/2 events of \d+ bytes.*maxBufferedRecords 2, maxBufferedBytes 33554432/);
    const third = failureOf(client.publish(linkStates, linkState('d', 3), { whenFull: 'wait' }));
    expect(client.stats()).toMatchObject({ buffered: 2, waiting: 1 });
    expect(await failureOf(client.close(50))).toMatchObject({ code: 'flush-timeout' });
    for (const failed of await Promise.all(waiting)) expect(failed.code).toBe('not-delivered');
    expect((await third).code).toBe('closed');
  });

  it('gives up what Kafka does not take in time, as not delivered', async () => {
    const client = open(nowhere, { deliveryTimeoutMs: 300 });
    // The first connection may be refused later than its event is given up.
    const first = failureOf(client.publish(linkStates, linkState('d', 1)));
    await vi.waitUntil(() => client.trouble !== undefined, longMs);
    const error = await failureOf(client.publish(linkStates, linkState('d', 2)));
    expect(await first).toMatchObject({ code: 'not-delivered', retryable: true });
    expect(error).toMatchObject({ code: 'not-delivered', retryable: true });
    expect(error.message).toMatch(/within 300 ms.*ECONNREFUSED/);
    expect(await failureOf(client.connect())).toMatchObject({ code: 'kafka-unreachable', retryable: true });
  });
});

describe('a client', () => {
  it('flushes what is under way and then takes no more', async (context) => {
    const kafka = local.of(context);
    const topic = 'flushed';
    await createClientTopics(kafka, [{ topic, partitions: 3 }]);
    const client = open(kafka, { lingerMs: 10 * longMs });
    const first = Array.from({ length: 50 }, (_, n) =>
      client.publish(linksOn(topic), linkState(`d-${n}`, n)),
    );
    await client.flush(longMs);
    expect(await recordsOf(kafka, topic)).toHaveLength(50);
    const second = client.publish(linksOn(topic), linkState('d', 50));
    await client.close(longMs);
    await Promise.all([...first, second]);
    await client.close();
    expect(await recordsOf(kafka, topic)).toHaveLength(51);
    expect(await failureOf(client.publish(linksOn(topic), linkState('d', 51)))).toMatchObject({
      code: 'closed',
      retryable: false,
    });
    expect(client.stats()).toMatchObject({ acknowledged: 51, rejected: 0, buffered: 0, bufferedBytes: 0 });
  });

  it.for([
    ['by itself', ''],
    ['by SIGTERM', "process.kill(process.pid, 'SIGTERM');"],
    [
      'by SIGTERM with two clients',
      "createClient({ brokers: ['127.0.0.1:1'], source: '/', flushOnExit: true }); process.kill(process.pid, 'SIGTERM');",
    ],
  ])(
    'with `flushOnExit` delivers all before its process ends %s',
    async ([how = '', ending = ''], context) => {
      const kafka = local.of(context);
      const topic = `exit-${how.replaceAll(' ', '-')}`;
      await createClientTopics(kafka, [{ topic, partitions: 3 }]);
      const program = `
      import { createClient } from 'weir/client';
      import { linkStates } from 'weir/schemas/migration';
      const client = createClient({
        brokers: '${kafka.bootstrapServers}'.split(','), source: '/tests/exit', flushOnExit: true, lingerMs: 500,
        exitTimeoutMs: ${longMs},
      });
      const stream = { ...linkStates, topic: '${topic}' };
      const event = ${JSON.stringify(linkState('d', 1))};
      for (let i = 0; i < 100; i++) void client.publish(stream, { ...event, device_id: 'd-' + i });
      ${ending}
    `;
      const run = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
        cwd: fileURLToPath(new URL('../..', import.meta.url)),
        timeout: 2 * longMs,
      });
      if (ending === '') await run;
      else await expect(run).rejects.toMatchObject({ signal: 'SIGTERM' });
      expect(await recordsOf(kafka, topic)).toHaveLength(100);
    },
  );
});

describe('events of other clients', () => {
  it('are read by what was announced, in both framings, from librdkafka and kafkajs', async (context) => {
    const kafka = local.of(context);
    const topic = 'raw';
    await createClientTopics(kafka, [{ topic }]);
    const identity = { id: 'id-1', source: '/elsewhere' };
    const single = encodeEvent(linksOn(topic), linkState('d', 1), identity);
    const confluent = encodeEvent(linksOn(topic), linkState('d', 2), identity, 815);
    expect(single.value!.subarray(0, 2).toString('hex')).toBe('c301');
    expect(confluent.value!.subarray(0, 5).toString('hex')).toBe('000000032f');
    const client = open(kafka);
    await client.announce(linksOn(topic), 815);
    await client.announce(linksOn(topic), 815);
    const producer = clientOf(kafka).producer();
    await producer.connect();
    for (const { key, value } of [single, confluent])
      await producer.send({ topic, messages: [{ key, value }] });
    await producer.disconnect();
    const librdkafka = await TestProducer.connect(kafka.bootstrapServers);
    await librdkafka.write(
      [single, confluent].map(({ key, value }) => ({ topic, partition: 0, key, value })),
    );
    await librdkafka.close();
    const events = (await eventsOf(kafka, topic, linkStates)).map(({ event }) => event.path_epoch);
    expect(events).toEqual([1, 2, 1, 2]);
  });
});

/** One record for each key, in the partition that librdkafka's `murmur2` chooses. */
async function produceByMurmur2(kafka: LocalKafka, topic: string, keys: readonly string[]): Promise<void> {
  const producer = new RdKafka.Producer(
    { 'bootstrap.servers': kafka.bootstrapServers, dr_cb: true },
    { partitioner: 'murmur2' },
  );
  const call = (step: (done: (error: unknown) => void) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      step((error) => {
        if (error === null || error === undefined) resolve();
        else reject(error instanceof Error ? error : new Error(JSON.stringify(error)));
      });
    });
  await call((done) => producer.connect({ timeout: longMs }, done));
  for (const key of keys) producer.produce(topic, null, Buffer.from('v'), Buffer.from(key));
  await call((done) => producer.flush(longMs, done));
  await call((done) => {
    producer.disconnect(longMs, () => {
      done(null);
    });
  });
}
