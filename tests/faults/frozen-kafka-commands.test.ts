/** Commands for operators while every broker stands still: connections stay open, nothing answers. They say so and end. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { weirApp } from '#cli/app.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { prepareTables } from '#sinks/clickhouse/prepare-tables.ts';
import { tableOf } from '#sinks/clickhouse/tables.ts';
import { startWeir } from '../integration/cli-process.fixture.ts';
import { startTestServer, type TestServer } from '../integration/embedded-clickhouse.fixture.ts';
import { kafkaForFile } from '../integration/kafka.fixture.ts';

const local = kafkaForFile();
let clickHouse: TestServer;
beforeAll(async () => {
  clickHouse = await startTestServer();
});
afterAll(async () => {
  await clickHouse.close();
});

it.for<readonly string[]>([['audit'], ['dead-letters', 'list']])(
  'weir %s ends with 3 soon after it has told that brokers do not answer',
  async (command, context) => {
    const kafka = local.of(context);
    const { url } = clickHouse.server;
    const connection = { brokers: kafka.bootstrapServers.split(',') };
    await ensureTopics(connection, plannedTopics(weirApp));
    const client = openClient({ url });
    await prepareTables(
      client,
      weirApp.streams.map((stream) => tableOf(stream, 'frozen')),
    );
    await client.close();
    for (const broker of kafka.brokers) broker.pause();
    try {
      const startMs = performance.now();
      const running = startWeir([
        ...command,
        ...['--brokers', kafka.bootstrapServers, '--url', url, '--database', 'frozen'],
      ]);
      await running.seen('weir: ');
      const toldMs = performance.now();
      const ended = await running.ended;
      expect(ended).toMatchObject({ exitCode: 3, stdout: '' });
      expect(ended.stderr).toContain(kafka.bootstrapServers);
      // Brokers that stand still would keep it for ever, and before that kafkajs for three minutes.
      expect(performance.now() - toldMs).toBeLessThan(30_000);
      expect(toldMs - startMs).toBeLessThan(90_000);
    } finally {
      for (const broker of kafka.brokers) broker.resume();
    }
  },
);
