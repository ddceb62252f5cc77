/**
 * A table that fails with 300 MB of records before it: its partitions are paused, the others go on, and the sink's memory stays
 * where it is without a lag.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { startTestServer, until } from '../integration/embedded-clickhouse.fixture.ts';
import { type Fault, pass } from '../integration/faulty-clickhouse.fixture.ts';
import { kafkaForFile } from '../integration/kafka.fixture.ts';
import { startLoad, type SinkScene } from '../integration/kafka-sink.fixture.ts';
import { openFaultScene, thing } from './kafka-sink-faults.fixture.ts';
import { patientSessionMs, startSinkProcess } from '../integration/kafka-sink-process.fixture.ts';
import { TestProducer } from '../integration/librdkafka.fixture.ts';
import { peakMemoryOf } from './sink-process.fixture.ts';

const backlog = 300_000;
const bytesPerRecord = 1_000;
/**
 * Of the process: batches (64 MiB), what is read ahead (32 MiB), blocks on their way and fetched answers, V8 and librdkafka. All
 * records at once would be 300 MB, and more as objects. Measured: 232 MB while it waits, 331 MB at the most.
 */
const mostBytes = 450e6;
const mostWhilePaused = 350e6;
const local = kafkaForFile();
const retry = { initialMs: 50, maxMs: 1_000 };

it('is read no further than memory allows, waits, and goes in when the table is mended', async (context) => {
  const kafka = local.of(context);
  const clickHouse = await startTestServer();
  onTestFinished(() => clickHouse.close());
  const { scene, proxy, tableOf, close } = await openFaultScene(kafka, clickHouse.server.url, [4, 2]);
  onTestFinished(close);
  await fill(kafka, scene);
  const refused: Fault = {
    kind: 'answer',
    code: 241,
    name: 'MEMORY_LIMIT_EXCEEDED',
    message: 'Memory limit (total) exceeded: would use 9.31 GiB, maximum: 9.00 GiB',
  };
  let tries = 0;
  proxy.decide = ({ insertInto }) => {
    if (insertInto !== tableOf(0)) return pass;
    tries += 1;
    return refused;
  };
  const { child, ended, seen } = startSinkProcess(scene, {
    url: proxy.url,
    limits: { retry },
    sessionTimeoutMs: patientSessionMs,
  });
  const startedAtMs = performance.now();
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const pid = child.pid!;
  await seen('ready');
  const load = startLoad({ writer: scene.writer, streams: [scene.streams[1]!] }, 50);
  const rowsOf = async (i: number): Promise<number> =>
    Number(await clickHouse.sql(`SELECT count() FROM ${scene.app}.${tableOf(i)}`));
  await until(() => tries >= 4);
  for (let i = 0; i < 20; i += 1) {
    const before = await rowsOf(1);
    await until(async () => (await rowsOf(1)) > before);
    await sleep(500);
  }
  await load.stop();
  expect(await rowsOf(0)).toBe(0);
  const whilePaused = peakMemoryOf(pid);

  proxy.decide = () => pass;
  const failedForMs = performance.now() - startedAtMs;
  await scene.expectExactlyOnce(60_000);
  const peak = peakMemoryOf(pid);
  expect({ whilePaused, isBounded: whilePaused < mostWhilePaused }).toMatchObject({ isBounded: true });
  expect({ peak, isBounded: peak < mostBytes }).toMatchObject({ isBounded: true });
  // Of each of the four partitions: five while its pauses grow, then one each half of the longest.
  expect(tries).toBeLessThanOrEqual(4 * (6 + failedForMs / (retry.maxMs / 2)));
  child.kill('SIGTERM');
  expect((await ended).stdout).toContain('stopped true');
});

/** So many records of a thousand bytes, in the first stream. */
async function fill(kafka: LocalKafka, { streams, writer }: SinkScene): Promise<void> {
  const { topic, partitions } = streams[0]!;
  const producer = await TestProducer.connect(kafka.bootstrapServers);
  const chunk = 10_000;
  const padding = 'x'.repeat(bytesPerRecord - 16);
  for (let written = 0; written < backlog; written += chunk) {
    await producer.write(
      Array.from({ length: chunk }, (_, i) => ({
        topic,
        partition: i % partitions,
        key: null,
        value: thing({ id: `${padding}${written + i}`, count: i }),
      })),
    );
    writer.committed += chunk;
  }
  await producer.close();
}
