/** ClickHouse is away for a minute while records come in: the sink waits without spinning, holds little, and catches up. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { startTestServer, until } from '../integration/embedded-clickhouse.fixture.ts';
import { kafkaForFile } from '../integration/kafka.fixture.ts';
import { openScene, startLoad } from '../integration/kafka-sink.fixture.ts';
import { patientSessionMs, startSinkProcess } from '../integration/kafka-sink-process.fixture.ts';
import { cpuSecondsOf, peakMemoryOf } from './sink-process.fixture.ts';
import { steadyPorts } from './steady-ports.fixture.ts';

const downMs = 60_000;
/** Pauses double from 50 ms to 10 s, each shortened by up to half: at worst 8 that grow and then one each 5 s. */
const mostRetries = (forMs: number): number => 8 + forMs / 5_000 + 1;
/** Measured: 148 MB. */
const mostBytes = 250e6;
const local = kafkaForFile();

it('waits for ClickHouse for 60 s, tries now and then, and has all in afterwards', async (context) => {
  const [port] = await steadyPorts(1);
  const clickHouse = await startTestServer({ port: port! });
  const { url } = clickHouse.server;
  const scene = await openScene(local.of(context), url, [4, 2, 1]);
  const { child, ended, seen, output } = startSinkProcess(scene, {
    limits: {},
    sessionTimeoutMs: patientSessionMs,
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await scene.close();
  });
  const pid = child.pid!;
  await seen('ready');
  const load = startLoad(scene, 40);
  const [first] = scene.streams;
  const rows = async (): Promise<number> => {
    const [found] = await scene.rows<{ rows: number }>(
      `SELECT count() AS rows FROM ${scene.app}.${first!.clickhouse.table}`,
    );
    return found!.rows;
  };
  await until(async () => (await rows()) > 2_000);

  process.kill(clickHouse.server.pid(), 'SIGKILL');
  await clickHouse.server.stop();
  const committedBefore = scene.writer.committed;
  const outputBefore = output().length;
  const cpuBefore = cpuSecondsOf(pid);
  const downAtMs = performance.now();
  await sleep(downMs);
  // A machine that is slow writes longer.
  await until(() => scene.writer.committed - committedBefore > 50_000);
  const cpu = cpuSecondsOf(pid) - cpuBefore;
  const retries = placesOfRetries(output().slice(outputBefore));
  const downForMs = performance.now() - downAtMs;

  const again = await startTestServer({ dataDir: clickHouse.dataDir, port: port! });
  onTestFinished(() => again.close());
  // Load goes on while the sink catches up; the longest pause is 10 s.
  const before = await rows();
  await until(async () => (await rows()) > before + 1_000);
  await load.stop();
  await scene.expectExactlyOnce(60_000);

  // The seven partitions that records come to, and no more than these.
  expect(retries.size).toBe(7);
  for (const [place, count] of retries)
    expect({ place, few: count >= 5 && count <= mostRetries(downForMs), count }).toMatchObject({
      place,
      few: true,
    });
  expect({ cpu, isIdle: cpu < downForMs / 1_000 / 4 }).toMatchObject({ isIdle: true });
  const peak = peakMemoryOf(pid);
  expect({ peak, isBounded: peak < mostBytes }).toMatchObject({ isBounded: true });
  child.kill('SIGTERM');
  const { stdout } = await ended;
  expect(stdout).toContain('stopped true');
  expect(stdout).not.toMatch(/^failed /m);
});

/** Partition -> how often something of it was tried again. */
function placesOfRetries(output: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const [, place] of output.matchAll(/^retry (table \S+, \S+\/\d+) /gm))
    counts.set(place!, (counts.get(place!) ?? 0) + 1);
  return counts;
}
