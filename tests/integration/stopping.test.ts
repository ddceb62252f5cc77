/** Ctrl-C and SIGTERM: how a run ends, how fast, and what is in ClickHouse then. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { readOffsets } from '#engine/embedded/offsets-file.ts';
import { until } from './embedded-clickhouse.fixture.ts';
import { startLoad } from './link-load.fixture.ts';
import { pardonedMs, timed } from './timed.fixture.ts';
import {
  clickHousePid,
  endpointOf,
  inDirectory,
  inspect,
  inStack,
  isAlive,
  released,
  startWeir,
  untilRows,
  weir,
} from './weir.fixture.ts';

/** @returns the process of its ClickHouse, once rows of the simulation have come that far */
async function inFullSwing(dataDir: string): Promise<number> {
  const { url } = await endpointOf(dataDir);
  await untilRows(url, 'migration.link-states', 11);
  const pid = await clickHousePid(dataDir);
  expect(pid).toBeGreaterThan(0);
  return pid!;
}

/** Events by topic that the first run on a directory took, delivered or not. */
async function acceptedIn(dataDir: string): Promise<Readonly<Record<string, number>>> {
  const ends = await readOffsets(join(dataDir, 'offsets.json'));
  return Object.fromEntries([...ends].map(([topic, of]) => [topic, of.reduce((sum, end) => sum + end, 0)]));
}

// One at a time: the time that each takes to end is measured.
describe('weir demo', () => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    test(`on ${signal} delivers what it accepted and ends with 0 within 5 s`, () =>
      inDirectory(async (dataDir) => {
        const running = startWeir(['demo', '--data', dataDir]);
        const child = await inFullSwing(dataDir);
        const { value, tookMs, stalledMs } = await timed(() => {
          running.signalGroup(signal);
          return running.ended;
        });
        const { exitCode, stdout, stderr } = value;
        expect(tookMs).toBeLessThan(5_000);
        // A machine that stands still meanwhile keeps it from delivering all in time: then it says so.
        if (exitCode === 1 && stalledMs > pardonedMs) {
          expect(stderr).toMatch(/did not reach ClickHouse|did not stop within/);
          return;
        }
        expect({ exitCode, stderr }).toEqual({
          exitCode: 0,
          stderr: expect.stringContaining('weir: stopping') as string,
        });
        expect(isAlive(child)).toBe(false);
        const lines = stdout.matchAll(/^([a-z]+\.[a-z-]+) +([\d,]+) +[a-z_]+ +/gm);
        const printed: Readonly<Record<string, number>> = Object.fromEntries(
          [...lines].map(
            ([, topic = '', events = '']) => [topic, Number(events.replaceAll(',', ''))] as const,
          ),
        );
        // A machine that is too slow for it within the time ends without.
        if (!stderr.includes('weir: no summary: ')) expect(printed).toEqual(await acceptedIn(dataDir));
        await inspect(dataDir, async ({ rowsByTopic, expectExactlyOnce }) => {
          const rows = await rowsByTopic();
          expect(rows).toEqual(await acceptedIn(dataDir));
          expect(rows['migration.link-states']).toBeGreaterThan(10);
          await expectExactlyOnce();
        });
      }));
  }

  test('on a second Ctrl-C ends at once with 130 and leaves no process behind', () =>
    inDirectory(async (dataDir) => {
      const running = startWeir(['demo', '--data', dataDir]);
      const child = await inFullSwing(dataDir);
      // Stopped, ClickHouse cannot answer: the first signal has something to wait for.
      process.kill(child, 'SIGSTOP');
      running.signalGroup('SIGINT');
      await until(() => running.stderr().includes('once more to stop at once'));
      const { value, tookMs } = await timed(() => {
        running.signalGroup('SIGINT');
        return running.ended;
      });
      expect(value).toMatchObject({ exitCode: 130 });
      // Of the 4.5 s that it would have waited for.
      expect(tookMs).toBeLessThan(2_000);
      process.kill(child, 'SIGCONT');
      await until(() => !isAlive(child));
    }));
});

describe('when ClickHouse does not answer', () => {
  test('Ctrl-C still ends weir demo within 5 s; what it accepted is kept, and the next command delivers it', () =>
    inDirectory(async (dataDir) => {
      const running = startWeir(['demo', '--data', dataDir]);
      const child = await inFullSwing(dataDir);
      process.kill(child, 'SIGSTOP');
      // The simulation goes on meanwhile, by the wall clock.
      await sleep(2_000);
      const { value, tookMs, stalledMs } = await timed(() => {
        running.signalGroup('SIGINT');
        return running.ended;
      });
      const { exitCode, stderr } = value;
      expect(tookMs).toBeLessThan(5_500);
      expect({ exitCode, stderr }).toMatchObject({ exitCode: 1 });
      if (stderr.includes('did not stop within')) {
        expect(stalledMs, stderr).toBeGreaterThan(pardonedMs);
        process.kill(child, 'SIGCONT');
        return;
      }
      expect(isAlive(child)).toBe(false);
      const kept = Number(/(\d+) records did not reach ClickHouse in time/.exec(stderr)?.[1]);
      expect(kept).toBeGreaterThan(5);
      expect(stderr).toContain(join(dataDir, 'undelivered'));
      const accepted = await acceptedIn(dataDir);

      const next = await weir(['produce', 'migration.link-states', '--data', dataDir]);
      expect(next).toMatchObject({ exitCode: 0 });
      // Fewer where an insert was done, and ClickHouse stopped before it could say so.
      const delivered = Number(/delivering (\d+) records that an earlier run kept/.exec(next.stderr)?.[1]);
      expect(delivered).toBeGreaterThan(0);
      expect(delivered).toBeLessThanOrEqual(kept);
      expect(existsSync(join(dataDir, 'undelivered'))).toBe(false);
      await inspect(dataDir, async ({ rowsByTopic, expectExactlyOnce }) => {
        const rows = await rowsByTopic();
        // Every run announces its schemas.
        expect({ ...rows, 'weir.schemas': 0 }).toEqual({ ...accepted, 'weir.schemas': 0 });
        await expectExactlyOnce();
      });
    }));

  test('tens of thousands of records are kept and delivered once, though the runs that deliver them are killed', () =>
    inDirectory(async (dataDir) => {
      const written = await inStack(dataDir, async (stack) => {
        const load = startLoad(stack, 2_000);
        await load.done;
        await until(async () => (await stack.sink.stats()).some(({ rows }) => rows > 500));
        // In the midst of inserts: some promise is left open.
        const more = startLoad(stack, 15_000);
        await sleep(150);
        process.kill(stack.clickHousePid() ?? 0, 'SIGSTOP');
        await more.done;
        expect(await stack.stop(4_500)).toMatchObject({ kept: expect.any(Number) as number });
        return Object.fromEntries(stack.written());
      });
      expect(written['migration.link-states']).toBe(17_000);
      const lists = async (): Promise<readonly string[]> => readdir(join(dataDir, 'undelivered'));
      expect(await lists()).toContain('undelivered.json');

      for (const afterMs of [0, 120]) {
        const delivering = startWeir(['produce', 'migration.link-states', '--data', dataDir]);
        // The one before may have delivered all of them, where it took long until it was killed.
        await until(
          async () =>
            /delivering \d+ records that an earlier run kept/.test(delivering.stderr()) ||
            (await endpointOf(dataDir)).pid === delivering.pid,
        );
        await sleep(afterMs);
        process.kill(delivering.pid, 'SIGKILL');
        expect(await delivering.ended).toMatchObject({ signal: 'SIGKILL' });
        await released(dataDir);
      }
      expect(await weir(['produce', 'migration.link-states', '--data', dataDir])).toMatchObject({
        exitCode: 0,
      });
      expect(existsSync(join(dataDir, 'undelivered'))).toBe(false);
      await inspect(dataDir, async ({ rowsByTopic, expectExactlyOnce }) => {
        const rows = await rowsByTopic();
        // Every run announces its schemas; one that was killed may not have got to it.
        expect(rows).toEqual({ ...written, 'weir.schemas': rows['weir.schemas'] });
        await expectExactlyOnce();
      });
    }));

  test('nor can be started again, weir demo ends with 3 and the reason; the next command delivers what was kept', () =>
    inDirectory(async (dataDir) => {
      const running = startWeir(['demo', '--data', dataDir]);
      await inFullSwing(dataDir);
      while (isAlive(running.pid)) {
        const pid = await clickHousePid(dataDir);
        if (pid !== undefined) process.kill(pid, 'SIGKILL');
        await sleep(20);
      }
      const { exitCode, stderr } = await running.ended;
      expect(exitCode).toBe(3);
      expect(stderr).toContain(
        `weir: ClickHouse on ${join(dataDir, 'clickhouse')} died 6 times soon after its start`,
      );
      expect(stderr).toMatch(/\d+ records did not reach ClickHouse in time; they are kept in/);
      expect(await weir(['produce', 'migration.link-states', '--data', dataDir])).toMatchObject({
        exitCode: 0,
      });
      await inspect(dataDir, async ({ rowsByTopic, expectExactlyOnce }) => {
        expect((await rowsByTopic())['migration.link-states']).toBeGreaterThan(10);
        await expectExactlyOnce();
      });
    }));
});
