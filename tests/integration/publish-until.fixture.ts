/** A client that publishes while brokers fail, and what must be in the topic afterwards. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, vi } from 'vitest';
import { type Client, createClient } from '#client/index.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { linkStates } from '#schemas/migration/generated.ts';
import { eventsOf, linksOn, linkState } from './client.fixture.ts';

/** Devices that events are published for, in turn. */
export const keys = 23;

/** Much longer than anything takes: a machine that is slow fails no test. */
const longMs = 300_000;

/** A client that publishes. */
export interface Publishing {
  /** Resolves when brokers have acknowledged `count` events more than now: they are well, and the load goes on. */
  readonly untilAcknowledged: (count: number) => Promise<void>;
  /** Resolves when the client has told of trouble since this call. */
  readonly untilTroubled: () => Promise<void>;
}

/**
 * Publishes under bounded concurrency while `work` goes on; returns how many were published.
 *
 * @throws Error unless all of them are acknowledged
 */
export async function publishWhile(
  kafka: LocalKafka,
  topic: string,
  work: (publishing: Publishing) => Promise<void>,
): Promise<number> {
  let troubles = 0;
  const client = createClient({
    brokers: kafka.bootstrapServers.split(','),
    source: '/tests/faults',
    lingerMs: 2,
    maxBatchBytes: 8_000,
    maxBufferedRecords: 400,
    requestTimeoutMs: 5_000,
    deliveryTimeoutMs: longMs,
    onTrouble: () => {
      troubles += 1;
    },
  });
  const done = new AbortController();
  const publishing = publishUntil(client, topic, done.signal);
  try {
    await work({
      untilAcknowledged: async (count) => {
        const { acknowledged } = client.stats();
        await vi.waitUntil(() => client.stats().acknowledged >= acknowledged + count, longMs);
      },
      untilTroubled: async () => {
        const before = troubles;
        await vi.waitUntil(() => troubles > before, longMs);
      },
    });
  } catch (error) {
    done.abort();
    await client.close(1).catch(() => undefined);
    throw error;
  }
  done.abort();
  const outcomes = await publishing;
  await client.close(longMs);
  await Promise.all(outcomes);
  return outcomes.length;
}

async function publishUntil(client: Client, topic: string, done: AbortSignal): Promise<Promise<void>[]> {
  const outcomes: Promise<void>[] = [];
  for (let n = 0; !done.aborted; n++) {
    // Of now: a broker that is started again forgets the producer of older records, and takes a repetition for a new one.
    const event = { ...linkState(`d-${n % keys}`, n), observed_at: Date.now() };
    const one = client.publish(linksOn(topic), event);
    outcomes.push(one);
    // A rejection before `all` above listens is no accident of the process.
    one.catch(() => undefined);
    if (client.stats().waiting > 0) await one.catch(() => undefined);
    else if (n % 50 === 0) await sleep(1);
  }
  return outcomes;
}

/** Every key has its numbers in order, each once. */
export function expectAllOnceInOrder(
  records: readonly { readonly key: string; readonly n: number; readonly place: string }[],
  published: number,
): void {
  const next = new Map<string, { readonly n: number; readonly after: string }>();
  for (const { key, n, place } of records) {
    const due = next.get(key) ?? { n: Number(key.split('-')[1]), after: 'the first' };
    expect(n, `key ${key} at ${place}, behind ${due.after}`).toBe(due.n);
    next.set(key, { n: n + keys, after: place });
  }
  expect(records).toHaveLength(published);
}

/** The topic has all `published` events of `publishWhile`, those of each key in order, each once. */
export async function expectPublished(kafka: LocalKafka, topic: string, published: number): Promise<void> {
  const events = await eventsOf(kafka, topic, linkStates);
  expectAllOnceInOrder(
    events.map(({ event, partition, offset }) => ({
      key: event.device_id,
      n: event.path_epoch,
      place: `${partition}/${offset}`,
    })),
    published,
  );
}
