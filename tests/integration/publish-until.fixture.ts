/** A client that publishes while brokers fail, and what must be in the topic afterwards. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { createClient } from '#client/index.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { linksOn, linkState } from './client.fixture.ts';

/** Devices that events are published for, in turn. */
export const keys = 23;

/** Publishes under bounded concurrency until `done`; returns how many were published. All must be acknowledged. */
export async function publishUntil(
  kafka: LocalKafka,
  topic: string,
  done: AbortSignal,
): Promise<{ readonly published: number; readonly troubles: number }> {
  let troubles = 0;
  const client = createClient({
    brokers: kafka.bootstrapServers.split(','),
    source: '/tests/faults',
    lingerMs: 2,
    maxBatchBytes: 8_000,
    maxBufferedRecords: 400,
    requestTimeoutMs: 5_000,
    onTrouble: () => {
      troubles += 1;
    },
  });
  const outcomes: Promise<void>[] = [];
  for (let n = 0; !done.aborted; n++) {
    const one = client.publish(linksOn(topic), linkState(`d-${n % keys}`, n));
    outcomes.push(one);
    // A rejection before `all` below listens is no accident of the process.
    one.catch(() => undefined);
    if (client.stats().waiting > 0) await one.catch(() => undefined);
    else if (n % 50 === 0) await sleep(1);
  }
  await client.close(60_000);
  await Promise.all(outcomes);
  return { published: outcomes.length, troubles };
}

/** Every key has its numbers in order, each once. */
export function expectAllOnceInOrder(
  records: readonly { readonly key: string; readonly n: number }[],
  published: number,
): void {
  const next = new Map<string, number>();
  for (const { key, n } of records) {
    expect(n, `key ${key}`).toBe(next.get(key) ?? Number(key.split('-')[1]));
    next.set(key, n + keys);
  }
  expect(records).toHaveLength(published);
}
