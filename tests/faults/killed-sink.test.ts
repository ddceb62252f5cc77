/** Fifty kills of sinks at random moments, two at work at a time, one of them frozen now and then, ClickHouse killed in between. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Started } from '../integration/cli-process.fixture.ts';
import { startTestServer, until, type TestServer } from '../integration/embedded-clickhouse.fixture.ts';
import { kafkaForFile } from '../integration/kafka.fixture.ts';
import { expectEachLetterOnce, openScene, refuseSome, startLoad } from '../integration/kafka-sink.fixture.ts';
import { sessionTimeoutMs, startSinkProcess } from '../integration/kafka-sink-process.fixture.ts';

const kills = 50;
const local = kafkaForFile({ properties: { 'group.min.session.timeout.ms': '500' } });
let clickHouse: TestServer;
beforeAll(async () => {
  clickHouse = await startTestServer();
});
afterAll(async () => {
  await clickHouse.close();
});

const randomMs = (longestMs: number): number => Math.random() * longestMs;

it('loses and doubles nothing', async (context) => {
  const scene = await openScene(local.of(context), clickHouse.server.url, [4, 2, 1]);
  await refuseSome(scene);
  const load = startLoad(scene, 10);
  const sinks: Started[] = [startSinkProcess(scene), startSinkProcess(scene)];
  try {
    for (let killed = 0; killed < kills; killed += 1) {
      const [victim, other] = sinks.splice(0, 2);
      // Some die while they take over.
      if (killed % 3 !== 0) await victim!.seen('ready');
      await sleep(randomMs(1_000));
      if (killed % 10 === 5) await freeze(other!);
      if (killed % 12 === 7) process.kill(clickHouse.server.pid(), 'SIGKILL');
      victim!.child.kill('SIGKILL');
      await victim!.ended;
      sinks.push(other!, startSinkProcess(scene));
    }
    await load.stop();
    await until(async () => (await scene.rows('SELECT 1').catch(() => [])).length === 1);
    await scene.expectExactlyOnce(120_000);
    await expectEachLetterOnce(scene);
    // Before that they have no ear for the signal: the other one may have inserted all while the newest was starting.
    for (const { seen } of sinks) await seen('ready');
    for (const { child } of sinks) child.kill('SIGTERM');
    for (const { ended } of sinks) expect((await ended).stdout).toContain('stopped true');
  } finally {
    for (const { child } of sinks) child.kill('SIGKILL');
    await scene.close();
  }
}, 900_000);

/** Past its session: its partitions are others' when it goes on. */
async function freeze({ child }: Started): Promise<void> {
  child.kill('SIGSTOP');
  await sleep(2 * sessionTimeoutMs);
  child.kill('SIGCONT');
}
