/** Runs with topics in memory that write to one ClickHouse server: one at a time, and nothing is lost of any. */
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openClient } from '#sinks/clickhouse/client.ts';
import { acquireWriterLease } from '#sinks/clickhouse/writer-lease.ts';
import { startTestServer, until, type TestServer } from './embedded-clickhouse.fixture.ts';
import { inDirectory, inspection, startWeir, weir } from './weir.fixture.ts';

let it: TestServer;
let client: ClickHouseClient;
let databases = 0;
beforeAll(async () => {
  it = await startTestServer();
  client = openClient({ url: it.server.url });
});
afterAll(async () => {
  await client.close();
  await it.close();
});

const topic = 'migration.link-states';

function lines(run: string, count: number): string {
  const event = {
    vm_id: 'vm',
    mac: '02:00:00:00:00:01',
    host: 'host-1',
    interface: 'primary',
    attached: true,
    link_up: true,
    path_epoch: 0,
  };
  return Array.from({ length: count }, (_, i) =>
    JSON.stringify({ ...event, device_id: `${run}-${i}`, observed_at: Date.now() - i }),
  ).join('\n');
}

describe('two runs of weir produce on one server', () => {
  test('never write at once: the second is told who does, with exit code 3, and all events land once when it tries again', () =>
    inDirectory(async (directory) => {
      const produce = (name: string): readonly string[] => [
        'produce',
        topic,
        '--url',
        it.server.url,
        '--data',
        join(directory, name),
      ];
      const { rows, expectExactlyOnce, rowsByTopic } = inspection(client);
      await mkdir(join(directory, 'a'));
      const first = startWeir(produce('a'));
      first.stdin.write(`${lines('a', 400)}\n`);
      await until(
        async () =>
          (await it.sql("SELECT count() FROM system.tables WHERE name = 'weir_writer_lease'")) === '1',
      );
      await until(
        async () =>
          (await it.sql("SELECT count() FROM default.weir_writer_lease WHERE state = 'held'")) !== '0',
      );

      const refused = await weir(produce('b'), lines('b', 400));
      expect(refused).toMatchObject({ exitCode: 3, stdout: '' });
      expect(refused.stderr).toContain(
        `another weir writes into database default: process ${first.pid} on ${hostname()}`,
      );

      first.stdin.end(lines('late', 100));
      expect(await first.ended).toMatchObject({
        exitCode: 0,
        stdout: `500 events on ${topic}, 0 dead letters\n`,
      });
      expect(await weir(produce('b'), lines('b', 400))).toMatchObject({ exitCode: 0 });
      expect(await rowsByTopic()).toMatchObject({ [topic]: 900 });
      expect(await rows('SELECT uniqExact(device_id) AS n FROM migration_link_states')).toEqual([{ n: 900 }]);
      await expectExactlyOnce();
    }));

  test('started at once: one of them writes, the other ends with exit code 3 and lost nothing', () =>
    inDirectory(async (directory) => {
      const database = 'at_once';
      await it.sql(`CREATE DATABASE ${database}`);
      const produce = (name: string): Promise<Awaited<ReturnType<typeof weir>>> =>
        weir(
          ['produce', topic, '--url', it.server.url, '--database', database, '--data', join(directory, name)],
          lines(name, 300),
        );
      const ended = await Promise.all([produce('a'), produce('b')]);
      // The slower one to start may find the other gone already.
      for (const name of ['a', 'b'] as const) {
        const run = ended[name === 'a' ? 0 : 1];
        expect([0, 3], run.stderr).toContain(run.exitCode);
        if (run.exitCode === 3) expect(await produce(name)).toMatchObject({ exitCode: 0 });
      }
      expect(ended.some(({ exitCode }) => exitCode === 0)).toBe(true);
      expect(await it.sql(`SELECT uniqExact(device_id) FROM ${database}.migration_link_states`)).toBe('600');
      expect(
        await it.sql(
          `SELECT count() - uniqExact(_partition, _offset) FROM ${database}.migration_link_states`,
        ),
      ).toBe('0');
    }));
});

describe('the lease of a database', () => {
  const freshDatabase = async (): Promise<string> => {
    databases += 1;
    await it.sql(`CREATE DATABASE lease_${databases}`);
    return `lease_${databases}`;
  };

  test('of many that claim it at once, one gets it', async () => {
    const database = await freshDatabase();
    const claims = await Promise.allSettled(
      ['a1', 'b2', 'c3', 'd4', 'e5'].map((incarnation) =>
        acquireWriterLease(client, database, incarnation, false),
      ),
    );
    const got = claims.flatMap((claim) => (claim.status === 'fulfilled' ? [claim.value] : []));
    expect(got).toHaveLength(1);
    for (const claim of claims) {
      if (claim.status === 'rejected')
        expect(claim.reason).toMatchObject({ code: 'not-only-writer', retryable: true });
    }
    await got[0]?.release();
    await (await acquireWriterLease(client, database, 'f6', false)).release();
  });

  /** A claim that was last seen so long ago; one of the future does not run out while a slow machine comes to look at it. */
  const claimBy = (
    database: string,
    host: string,
    space: string,
    pid: number,
    ageSeconds: number,
    ownsServer = false,
  ): Promise<string> =>
    it.sql(
      `INSERT INTO ${database}.weir_writer_lease SELECT 'ff', 'held', '${host}', '${space}', ${pid}, ${ownsServer}, now64(3) - ${ageSeconds}`,
    );

  test('is taken although a request for it had no answer in time', async () => {
    const database = await freshDatabase();
    let unanswered = 0;
    const slow = Object.assign(Object.create(client) as ClickHouseClient, {
      command: (params: Parameters<ClickHouseClient['command']>[0]) => {
        const isClaim = params.query.startsWith('INSERT') && params.query.includes('weir_writer_lease');
        if (!isClaim || unanswered > 0) return client.command(params);
        unanswered += 1;
        return client.command({ ...params, query: 'SELECT sleep(3)' });
      },
    });
    const lease = await acquireWriterLease(slow, database, 'a1', false);
    expect(unanswered).toBe(1);
    await expect(acquireWriterLease(client, database, 'b2', false)).rejects.toThrow('another weir writes');
    await lease.release();
  });

  test('of a run on another machine holds for 15 s after it was last seen', async () => {
    const database = await freshDatabase();
    await (await acquireWriterLease(client, database, 'a1', false)).release();
    // Time for a slow machine to look before it runs out.
    await claimBy(database, 'elsewhere', 'another boot', process.pid, 2);
    await expect(acquireWriterLease(client, database, 'b2', false)).rejects.toThrow(
      new RegExp(`process ${process.pid} on elsewhere, last seen \\d+ s ago`),
    );
    await it.sql(`TRUNCATE TABLE ${database}.weir_writer_lease`);
    await claimBy(database, 'elsewhere', 'another boot', process.pid, 16);
    await (await acquireWriterLease(client, database, 'c3', false)).release();
  });

  test('of a killed process of this machine is free at once', async () => {
    const database = await freshDatabase();
    await (await acquireWriterLease(client, database, 'a1', false)).release();
    const space = await it.sql(`SELECT any(process_space) FROM ${database}.weir_writer_lease`);
    const gone = startWeir(['--version']);
    await gone.ended;
    await claimBy(database, hostname(), space, gone.pid, 0);
    await (await acquireWriterLease(client, database, 'b2', false)).release();
  });

  test('of an earlier owner of the server is free at once for the next owner, and for nobody else', async () => {
    const database = await freshDatabase();
    await (await acquireWriterLease(client, database, 'a1', true)).release();
    await claimBy(database, 'elsewhere', 'another boot', 7, -60, true);
    await expect(acquireWriterLease(client, database, 'b2', false)).rejects.toThrow('process 7 on elsewhere');
    await (await acquireWriterLease(client, database, 'c3', true)).release();
  });

  test('that another run has taken is lost, and its former holder is told', async () => {
    const database = await freshDatabase();
    const lease = await acquireWriterLease(client, database, 'a1', false);
    await claimBy(database, 'elsewhere', 'another boot', 7, -60);
    expect(await lease.lost).toMatchObject({
      code: 'not-only-writer',
      message: expect.stringContaining('process 7 on elsewhere') as string,
    });
    await lease.release();
  });
});
