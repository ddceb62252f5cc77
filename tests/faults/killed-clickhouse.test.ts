/** SIGKILL of the ClickHouse child while rows go in: nothing is lost and nothing doubled. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { weirApp } from '#cli/app.ts';
import { until } from '../integration/embedded-clickhouse.fixture.ts';
import { startLoad } from '../integration/link-load.fixture.ts';
import {
  clickHousePid,
  endpointOf,
  inDirectory,
  inspect,
  inStack,
  startWeir,
} from '../integration/weir.fixture.ts';

/** For some ten thousand events, however slow the machine is. */
const longMs = 240_000;

const randomMs = (longestMs: number): number => Math.random() * longestMs;

/** Kills the child that has the data now, or the next one, unless it is one of those killed already; nothing once `isOver`. */
async function killClickHouse(
  dataDir: string,
  killed: Set<number>,
  isOver: () => boolean = () => false,
): Promise<void> {
  while (!isOver()) {
    const pid = await clickHousePid(dataDir);
    if (pid !== undefined && !killed.has(pid)) {
      process.kill(pid, 'SIGKILL');
      killed.add(pid);
      return;
    }
    await sleep(20);
  }
}

/** Whether a note says that a child is back which has not been killed. */
function isOfOneThatLives(note: string, killed: ReadonlySet<number>): boolean {
  const pid = /is back as process (\d+)/.exec(note)?.[1];
  return pid !== undefined && !killed.has(Number(pid));
}

test('six times during some thousand events per second', () =>
  inDirectory(async (dataDir) => {
    const killed = new Set<number>();
    const written = await inStack(dataDir, async (stack, notes) => {
      const load = startLoad(stack);
      // Two series of kills at any moment of start, insert and idle; between them it lives for 2 s, or it would be given up.
      const series = [
        [500, randomMs(700), randomMs(1_500)],
        [2_300, randomMs(700), randomMs(1_500)],
      ];
      for (const pausesMs of series) {
        // By the word of who counts how long a child has lived.
        await until(() => killed.size === 0 || notes.some((note) => isOfOneThatLives(note, killed)));
        for (const pauseMs of pausesMs) {
          await sleep(pauseMs);
          await killClickHouse(dataDir, killed);
        }
      }
      await until(() => load.published() > 10_000, longMs);
      await load.stop();
      expect(await stack.settle(longMs)).toBe(true);
      const counts = Object.fromEntries(stack.written());
      expect(await stack.stop(60_000)).toMatchObject({ kept: 0 });
      // A child that is killed while it starts has not been back yet.
      const deaths = notes.filter((note) => /died by SIGKILL|could not be started again/.test(note));
      expect({ killed: killed.size, deaths: deaths.length }).toEqual({ killed: 6, deaths: 6 });
      expect(counts).toMatchObject({ 'migration.link-states': load.published() });
      return counts;
    });
    await inspect(dataDir, async ({ rowsByTopic, expectExactlyOnce }) => {
      expect(await rowsByTopic()).toEqual(written);
      await expectExactlyOnce();
    });
  }));

test('up to three times during a weir demo', () =>
  inDirectory(async (dataDir) => {
    const running = startWeir(['demo', '--for', '8s', '--data', dataDir, '--io-load']);
    const { url } = await endpointOf(dataDir);
    const killed = new Set<number>();
    // Less often where a start of ClickHouse takes seconds: none in the demo's last moments, whose questions need one.
    const lastKillMs = performance.now() + 6_000;
    const isOver = (): boolean => performance.now() > lastKillMs;
    for (let kill = 0; kill < 3 && !isOver(); kill += 1) {
      await sleep(800 + randomMs(900));
      await killClickHouse(dataDir, killed, isOver);
    }
    const { exitCode, stdout, stderr } = await running.ended;
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(stderr).toMatch(/ClickHouse \(process \d+\) died by SIGKILL; starting it again, nothing is lost/);
    expect(stdout).toContain(url);
    const lines = stdout.matchAll(/^([a-z]+\.[a-z-]+) +([\d,]+) +[a-z_]+ +([\d,]+) +([\d,]+)$/gm);
    const printed: Readonly<Record<string, number>> = Object.fromEntries(
      [...lines].map(([, topic = '', events = '']) => [topic, Number(events.replaceAll(',', ''))] as const),
    );
    expect(Object.keys(printed)).toHaveLength(weirApp.streams.length);
    await inspect(dataDir, async ({ rowsByTopic, expectExactlyOnce }) => {
      expect(await rowsByTopic()).toEqual(printed);
      await expectExactlyOnce();
    });
  }));
