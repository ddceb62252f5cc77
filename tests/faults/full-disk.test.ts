/** Full disks under a data directory and under a recording. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { linkStates } from '#schemas/migration/generated.ts';
import { until } from '../integration/embedded-clickhouse.fixture.ts';
import { linkState } from '../integration/link-load.fixture.ts';
import { fill, smallDisk } from '../support/small-disk.ts';
import { inDirectory, inspect, inStack, weir } from '../integration/weir.fixture.ts';

test('a data directory on a full disk: the sink waits and says so; with space again everything arrives once', async (context) => {
  const mount = await smallDisk(context, 48 * 1024);
  const dataDir = join(mount, 'data');
  const filler = join(mount, 'filler');
  const startMs = Date.now() - 60_000;
  const publishing = { count: 0 };
  const written = await inStack(dataDir, async (stack, notes) => {
    const publish = async (count: number): Promise<void> => {
      for (const end = publishing.count + count; publishing.count < end; publishing.count += 1)
        await stack.edge.publish(linkStates, linkState(publishing.count, startMs));
    };
    await publish(1_000);
    await stack.sink.drain();
    await fill(filler);
    await publish(5_000);
    await until(async () => {
      // Whatever ClickHouse removes meanwhile, as of a merge that failed, leaves no room.
      await fill(filler);
      return notes.some((note) => note.includes('waiting for ClickHouse'));
    });
    const [note = ''] = notes.filter((each) => each.includes('waiting for ClickHouse'));
    expect(note).toMatch(/space/i);
    await publish(1_000);
    await rm(filler);
    expect(await stack.settle(120_000)).toBe(true);
    const counts = Object.fromEntries(stack.written());
    expect(await stack.stop(60_000)).toMatchObject({ kept: 0 });
    return counts;
  });
  expect(written).toMatchObject({ [linkStates.topic]: 7_000, 'weir.dead-letters': 0 });
  await inspect(dataDir, async ({ rowsByTopic, expectExactlyOnce }) => {
    expect(await rowsByTopic()).toEqual(written);
    await expectExactlyOnce();
  });
});

test('a disk that stays full at the end: the error says that records are lost, and where', async (context) => {
  const mount = await smallDisk(context, 48 * 1024);
  const dataDir = join(mount, 'data');
  await inStack(dataDir, async (stack) => {
    const filler = join(mount, 'filler');
    await fill(filler);
    for (let i = 0; i < 1_000; i += 1)
      await stack.edge.publish(linkStates, linkState(i, Date.now() - 60_000));
    // What ClickHouse has removed meanwhile, as of a merge that failed, leaves no room.
    await fill(filler);
    await expect(stack.stop(2_000)).rejects.toMatchObject({
      code: 'environment',
      message: expect.stringMatching(
        /could not be kept for the next run and is lost: cannot write .*ENOSPC/,
      ) as string,
    });
    expect(stack.clickHousePid()).toBeGreaterThan(0);
  });
});

test('a recording onto a full disk: the run goes on to its reports, and the recording fails by name', async (context) => {
  const mount = await smallDisk(context, 2 * 1024);
  await inDirectory(async (directory) => {
    const recordingDir = join(mount, 'recording');
    const running = weir([
      'demo',
      '--for',
      '5s',
      '--data',
      join(directory, 'data'),
      '--record',
      recordingDir,
    ]);
    // Its files are there when the first records are on their way.
    await until(() => existsSync(join(recordingDir, 'tasks', 'migration.device-failover', '0.journal.avro')));
    await fill(join(mount, 'filler'));
    const { exitCode, stdout, stderr } = await running;
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 1 });
    expect(stderr).toMatch(new RegExp(`weir: cannot write ${recordingDir}/\\S+: ENOSPC`));
    expect(stdout).toContain('Dead letters: 0');
    expect(stdout).not.toContain('replay it with');
    await inspect(join(directory, 'data'), async ({ expectExactlyOnce }) => {
      await expectExactlyOnce();
    });
  });
});
