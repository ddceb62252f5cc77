/** The client while each of three brokers is killed and started again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createClientTopics } from '../integration/client.fixture.ts';
import { kafkaForFile } from '../integration/kafka.fixture.ts';
import { expectPublished, publishUntil } from '../integration/publish-until.fixture.ts';

describe('with three brokers', () => {
  const local = kafkaForFile({ nodes: 3, heapMib: 256 });

  it('each broker killed in its turn', async (context) => {
    const kafka = local.of(context);
    const topic = 'three';
    await createClientTopics(kafka, [{ topic, partitions: 6 }]);
    const done = new AbortController();
    const publishing = publishUntil(kafka, topic, done.signal);
    try {
      for (const broker of kafka.brokers) {
        await sleep(1_000);
        await broker.kill();
        await sleep(2_000);
        await broker.restart();
      }
      await sleep(1_000);
    } finally {
      done.abort();
    }
    const { published, troubles } = await publishing;
    expect(troubles).toBeGreaterThan(2);
    await expectPublished(kafka, topic, published);
  }, 180_000);
});
