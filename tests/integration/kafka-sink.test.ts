/** The sink on a real Kafka and the real ClickHouse: every committed record is one row or one dead letter. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from './embedded-clickhouse.fixture.ts';
import { kafkaForFile } from './kafka.fixture.ts';
import { openScene, type SinkScene } from './kafka-sink.fixture.ts';

const local = kafkaForFile();
let clickHouse: TestServer;
beforeAll(async () => {
  clickHouse = await startTestServer();
});
afterAll(async () => {
  await clickHouse.close();
});
const open: SinkScene[] = [];
afterEach(async () => {
  for (const scene of open.splice(0)) await scene.close();
});

async function sceneOf(context: Parameters<typeof local.of>[0], ...partitions: number[]): Promise<SinkScene> {
  const scene = await openScene(local.of(context), clickHouse.server.url, partitions);
  open.push(scene);
  return scene;
}

describe('a sink on Kafka', () => {
  it('has every committed record of all topics once, and none of an aborted transaction', async (context) => {
    const scene = await sceneOf(context, 4, 2, 1);
    for (let i = 0; i < 6; i += 1) await scene.writer.write(scene.streams, 50);
    const sink = await scene.start();
    for (let i = 0; i < 6; i += 1) await scene.writer.write(scene.streams, 50);
    await scene.expectExactlyOnce();
    expect(scene.writer.committed).toBe(8 * 7 * 50);
    await sink.drain();
    expect((await sink.stats()).map(({ lag }) => lag)).toEqual([0, 0, 0, 0, 0]);
    expect(await sink.stop(5_000)).toBe(true);
  });
});
