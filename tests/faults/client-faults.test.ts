/** No loss, no duplicate and no disorder in what the client acknowledged, while brokers and connections fail under load. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { createClient } from '#client/index.ts';
import { connector } from '#client/producer/broker-connection.ts';
import { IdempotentProducer } from '#client/producer/idempotent-producer.ts';
import { linkStates } from '#schemas/migration/generated.ts';
import {
  createClientTopics,
  eventsOf,
  linksOn,
  linkState,
  recordsOf,
} from '../integration/client.fixture.ts';
import {
  expectAllOnceInOrder,
  expectPublished,
  keys,
  publishWhile,
} from '../integration/publish-until.fixture.ts';
import { randomOf } from '../integration/interleaved-transactions.fixture.ts';
import { kafkaForFile } from '../integration/kafka.fixture.ts';

/** Much longer than anything takes: a machine that is slow fails no test. */
const longMs = 60_000;

/** Connections that this process makes, until `end`: how many there were, and how many are open. */
function watchSockets(): { opened(): number; open(): number; end(): void } {
  let opened = 0;
  let open = 0;
  const see = (message: unknown): void => {
    opened += 1;
    open += 1;
    (message as { readonly socket: Socket }).socket.once('close', () => (open -= 1));
  };
  subscribe('net.client.socket', see);
  return { opened: () => opened, open: () => open, end: () => unsubscribe('net.client.socket', see) };
}

describe('with one broker', () => {
  const local = kafkaForFile({ properties: { 'connections.max.idle.ms': '1500' } });

  it('a connection that the broker closed because it was idle', async (context) => {
    const kafka = local.of(context);
    const topic = 'idle';
    await createClientTopics(kafka, [{ topic }]);
    const troubles: string[] = [];
    const sockets = watchSockets();
    const client = createClient({
      brokers: kafka.bootstrapServers.split(','),
      source: '/tests/idle',
      connectTimeoutMs: longMs,
      requestTimeoutMs: longMs,
      onTrouble: ({ message }) => troubles.push(message),
    });
    try {
      for (let n = 0; n < 3; n++) {
        await client.publish(linksOn(topic), linkState('d', n));
        // A broker that has just started hands out no producer ids yet.
        if (n === 0) troubles.length = 0;
        await vi.waitUntil(() => sockets.open() === 0, longMs);
      }
    } finally {
      sockets.end();
      await client.close();
    }
    expect(sockets.opened()).toBeGreaterThan(2);
    expect((await eventsOf(kafka, topic, linkStates)).map(({ event }) => event.path_epoch)).toEqual([
      0, 1, 2,
    ]);
    expect(troubles).toEqual([]);
  });

  it('a broker that is killed and comes back, again and again', async (context) => {
    const kafka = local.of(context);
    const topic = 'killed';
    await createClientTopics(kafka, [{ topic, partitions: 4 }]);
    const published = await publishWhile(kafka, topic, async ({ untilAcknowledged, untilTroubled }) => {
      for (let i = 0; i < 3; i++) {
        // More than fits into the buffer: it goes on after each kill.
        await untilAcknowledged(1_000);
        await sleep(2_000);
        const troubled = untilTroubled();
        await kafka.brokers[0]!.kill();
        await Promise.all([troubled, sleep(i * 400)]);
        await kafka.brokers[0]!.restart();
      }
      await untilAcknowledged(1_000);
    });
    await expectPublished(kafka, topic, published);
  });

  it('a broker that freezes for longer than a request may take', async (context) => {
    const kafka = local.of(context);
    const topic = 'frozen';
    await createClientTopics(kafka, [{ topic, partitions: 2 }]);
    const published = await publishWhile(kafka, topic, async ({ untilAcknowledged, untilTroubled }) => {
      await untilAcknowledged(100);
      const troubled = untilTroubled();
      kafka.brokers[0]!.pause();
      try {
        await Promise.all([troubled, sleep(8_000)]);
      } finally {
        kafka.brokers[0]!.resume();
      }
      await untilAcknowledged(500);
    });
    await expectPublished(kafka, topic, published);
  });

  it.for([1, 2, 3])(
    'connections that are cut before, in and after answers: seed %i',
    async (seed, context) => {
      const kafka = local.of(context);
      const topic = `cut-${seed}`;
      await createClientTopics(kafka, [{ topic, partitions: 3 }]);
      const random = randomOf(seed);
      let cuts = 0;
      let uncut = 0;
      const connectCutting = connector({
        kafka: {
          brokers: kafka.bootstrapServers.split(','),
          socketFactory: ({ host, port, onConnect }) => {
            const socket = connect({ host, port }, onConnect);
            const write = socket.write.bind(socket) as (bytes: Buffer, encoding: BufferEncoding) => boolean;
            socket.write = ((bytes: Buffer, encoding: BufferEncoding) => {
              // Produce requests begin with API key 0 after their length; every fifth one's answer is lost, or more.
              if (bytes.readInt16BE(4) === 0 && (random() < 0.2 || uncut++ === 4)) {
                cuts += 1;
                uncut = 0;
                setTimeout(() => socket.destroy(new Error('cut by the test')), random() * 6);
              }
              return write(bytes, encoding);
            }) as typeof socket.write;
            return socket;
          },
        },
        connectTimeoutMs: 3_000,
        requestTimeoutMs: 10_000,
        keepsProcess: true,
      });
      const producer = new IdempotentProducer({
        connect: connectCutting,
        lingerMs: 1,
        maxBatchBytes: 2_000,
        deliveryTimeoutMs: 300_000,
        firstPauseMs: 5,
        longestPauseMs: 50,
        compression: 'none',
        replicaTimeoutMs: 5_000,
        maxRequestBytes: 1 << 20,
        metadataAgeMs: 300_000,
        onTrouble: () => undefined,
      });
      const count = 4_000;
      const outcomes: Promise<{ readonly key: string; readonly place: string }>[] = [];
      for (let n = 0; n < count; n++) {
        const key = `d-${n % keys}`;
        outcomes.push(
          new Promise((resolve, reject) => {
            producer.send(topic, {
              key: Buffer.from(key),
              value: Buffer.from(String(n)),
              headers: {},
              // Of now: a broker forgets the producer of older records, and takes a repetition for a new one.
              timestampMs: Date.now(),
              bytes: 60,
              queuedAtMs: performance.now(),
              acknowledge: ({ partition, offset }) => {
                resolve({ key: String(n), place: `${partition}/${offset}` });
              },
              reject,
            });
          }),
        );
        if (n % 20 === 0) await sleep(1);
      }
      const acknowledged = await Promise.all(outcomes);
      await producer.close();
      expect(cuts).toBeGreaterThan(5);
      const records = await recordsOf(kafka, topic);
      expectAllOnceInOrder(
        records.map(({ key, value, partition, offset }) => ({
          key: String(key),
          n: Number(String(value)),
          place: `${partition}/${offset}`,
        })),
        count,
      );
      const places = new Map(
        records.map(({ value, partition, offset }) => [String(value), `${partition}/${offset}`]),
      );
      // A repetition that the broker recognises is answered with the offset of the first, if it still knows it.
      for (const { key, place } of acknowledged)
        if (!place.endsWith('/-1')) expect(place, key).toBe(places.get(key));
    },
  );
});
