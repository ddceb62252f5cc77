/** The client while each of three brokers is killed and started again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, it } from 'vitest';
import { createClientTopics } from '../integration/client.fixture.ts';
import { kafkaForFile } from '../integration/kafka.fixture.ts';
import { expectPublished, publishWhile } from '../integration/publish-until.fixture.ts';

describe('with three brokers', () => {
  const local = kafkaForFile({ nodes: 3, heapMib: 256 });

  it('each broker killed in its turn', async (context) => {
    const kafka = local.of(context);
    const topic = 'three';
    await createClientTopics(kafka, [{ topic, partitions: 6 }]);
    const published = await publishWhile(kafka, topic, async ({ untilAcknowledged, untilTroubled }) => {
      for (const broker of kafka.brokers) {
        await untilAcknowledged(500);
        await sleep(1_000);
        const troubled = untilTroubled();
        await broker.kill();
        await Promise.all([troubled, sleep(2_000)]);
        await broker.restart();
      }
      await untilAcknowledged(500);
    });
    await expectPublished(kafka, topic, published);
  });
});
