import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PublishOptions, Publisher } from '#engine/log/publisher.ts';
import { VirtualClock } from '#engine/log/virtual-clock.ts';
import type { IoSample } from '#schemas/failover/generated.ts';
import { startHostIo } from './agent.ts';
import type { HostIoConfig } from './agent.ts';

const START_MS = Date.UTC(2026, 0, 1);
let root: string;
let clock: VirtualClock;
let published: { sample: IoSample; identity: PublishOptions | undefined }[];

const collecting: Publisher = {
  publish: (_stream, event, identity) => {
    published.push({ sample: event as IoSample, identity });
    return Promise.resolve();
  },
};

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** Writes a /proc/diskstats in which each device has written so many sectors, one operation each. */
function diskstats(sectorsWritten: Readonly<Record<string, number>>): void {
  const lines = Object.entries(sectorsWritten).map(
    ([name, sectors], index) => `   8 ${index * 16} ${name} 1 0 8 5 ${sectors} 0 ${sectors} 5 0 10 10`,
  );
  write('proc/diskstats', `${lines.join('\n')}\n`);
}

function start(config: HostIoConfig = {}, publisher: Publisher = collecting) {
  const roots = { procRoot: join(root, 'proc'), sysRoot: join(root, 'sys') };
  return startHostIo({ host: 'h1', ...roots, ...config }, publisher, { clock });
}

function samples(): IoSample[] {
  return published.map((entry) => entry.sample);
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'weir-host-io-'));
  clock = new VirtualClock(START_MS);
  published = [];
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

describe('the host I/O agent', () => {
  it('publishes an unknown first, then what each whole disk did in each interval', async () => {
    diskstats({ sda: 100, sda1: 90, loop0: 0 });
    const agent = start();
    await clock.advance(0);
    diskstats({ sda: 108, sda1: 98, loop0: 0 });
    await clock.advance(1000);
    await agent.stop();
    await agent.done;
    expect(samples()).toEqual([
      {
        device_id: 'h1/sda',
        app: 'h1',
        host: 'h1',
        device: 'sda',
        source: 'diskstats',
        read_ops: null,
        write_ops: null,
        read_bytes: null,
        write_bytes: null,
        unique_bytes: null,
        write_bytes_total: 51_200,
        interval_ms: 0,
        counter_reset: false,
        sampled_at: START_MS,
      },
      expect.objectContaining({
        read_ops: 0,
        write_ops: 8,
        read_bytes: 0,
        write_bytes: 4096,
        unique_bytes: null,
        write_bytes_total: 55_296,
        interval_ms: 1000,
        sampled_at: START_MS + 1000,
      }),
    ]);
  });

  it('gives every sample an id of its own and its source', async () => {
    diskstats({ sda: 1, sdb: 1 });
    const agent = start();
    await clock.advance(5000);
    await agent.stop();
    expect(new Set(published.map((entry) => entry.identity?.id)).size).toBe(12);
    expect(new Set(published.map((entry) => entry.identity?.source))).toEqual(
      new Set(['/agents/host-io/h1']),
    );
  });

  it('reads partitions, stacked devices and busy memory devices when asked to', async () => {
    const idle = '   7 0 loop0 0 0 0 0 0 0 0 0 0 0 0\n';
    const busy = ['sda', 'sda1', 'dm-0', 'loop1', 'nvme0c0n1'].map(
      (name, minor) => `8 ${minor} ${name} 1 0 8 5 6 0 6 5 0 9 9`,
    );
    write('proc/diskstats', `${idle}${busy.join('\n')}\n`);
    const agent = start({ kinds: ['partition', 'stacked', 'memory'] });
    await clock.advance(0);
    await agent.stop();
    expect(samples().map((sample) => sample.device)).toEqual(['sda1', 'dm-0', 'loop1']);
  });

  it('trusts sysfs over the name: xvda1 may be a whole disk', async () => {
    write('proc/diskstats', ' 202 1 xvda1 1 0 8 5 6 0 6 5 0 10 10\n 202 2 xvda2 1 0 8 5 6 0 6 5 0 10 10\n');
    mkdirSync(join(root, 'sys/dev/block/202:1'), { recursive: true });
    write('sys/dev/block/202:2/partition', '2\n');
    const agent = start();
    await clock.advance(0);
    await agent.stop();
    expect(samples().map((sample) => sample.device)).toEqual(['xvda1']);
  });

  it('flags a reset and a replaced device, with nothing made up', async () => {
    write('sys/dev/block/8:0/diskseq', '5\n');
    diskstats({ sda: 100 });
    const agent = start();
    await clock.advance(0);
    diskstats({ sda: 2 });
    await clock.advance(1000);
    write('sys/dev/block/8:0/diskseq', '9\n');
    diskstats({ sda: 500 });
    await clock.advance(1000);
    await agent.stop();
    expect(samples().map((sample) => [sample.counter_reset, sample.write_bytes])).toEqual([
      [false, null],
      [true, null],
      [true, null],
    ]);
    expect(agent.stats()).toMatchObject({ resets: 2, readings: 3 });
  });

  it('publishes nothing for a device that is gone, and starts anew when it is back', async () => {
    diskstats({ sda: 1, sdb: 50 });
    const agent = start();
    await clock.advance(0);
    diskstats({ sda: 1 });
    await clock.advance(1000);
    diskstats({ sda: 1, sdb: 90 });
    await clock.advance(1000);
    await agent.stop();
    const sdb = samples().filter((sample) => sample.device === 'sdb');
    expect(sdb.map((sample) => sample.write_bytes)).toEqual([null, null]);
    expect(agent.stats()).toMatchObject({ vanished: 1, appeared: 3 });
  });

  it('names an unreadable file and a malformed line once each, and goes on with the rest', async () => {
    const told: string[] = [];
    const onProblem = (message: string): void => {
      told.push(message);
    };
    const good = '   8 0 sda 1 0 8 5 6 0 6 5 0 10 10\n';
    write('proc/diskstats', `${good}   8 16 sdb oops\n`);
    const agent = start({ onProblem });
    await clock.advance(2000);
    rmSync(join(root, 'proc/diskstats'));
    await clock.advance(1000);
    write('proc/diskstats', good);
    await clock.advance(1000);
    await agent.stop();
    const file = join(root, 'proc', 'diskstats');
    expect(told).toEqual([
      `${file}:2: sdb: 1 counters, expected 11 or more (or 4, before 2.6.25)`,
      expect.stringContaining(`${file}: ENOENT`),
    ]);
    expect(agent.stats().problems).toBe(4);
    // The second in which the file was away is part of the next interval.
    expect(samples().map((sample) => sample.interval_ms)).toEqual([0, 1000, 1000, 2000]);
  });

  it('tells how long an interval really was when the log had no room', async () => {
    diskstats({ sda: 1 });
    let release = (): void => undefined;
    const blocking: Publisher = {
      publish: async (stream, event, identity) => {
        await collecting.publish(stream, event, identity);
        if (published.length === 2) await new Promise<void>((resolve) => (release = resolve));
      },
    };
    const agent = start({}, blocking);
    await clock.advance(4300);
    diskstats({ sda: 11 });
    release();
    await clock.advance(1000);
    await agent.stop();
    expect(samples().map((sample) => [sample.interval_ms, sample.write_ops])).toEqual([
      [0, null],
      [1000, 0],
      [4000, 10],
    ]);
    expect(agent.stats().longIntervals).toBe(1);
  });

  it('repeats a sample under the same id while the log refuses it for the moment', async () => {
    diskstats({ sda: 1 });
    const ids: (string | undefined)[] = [];
    const flaky: Publisher = {
      publish: (_stream, _event, identity) => {
        ids.push(identity?.id);
        const refusal = Object.assign(new Error('no leader'), { retryable: true });
        return ids.length < 3 ? Promise.reject(refusal) : Promise.resolve();
      },
    };
    const agent = start({}, flaky);
    await clock.advance(350);
    await agent.stop();
    expect(ids).toHaveLength(3);
    expect(new Set(ids).size).toBe(1);
    expect(agent.stats()).toMatchObject({ published: 1, retries: 2 });
  });

  it('ends with the error when the log refuses for good', async () => {
    diskstats({ sda: 1 });
    const refusing: Publisher = { publish: () => Promise.reject(new Error('log closed')) };
    const agent = start({}, refusing);
    await clock.advance(0);
    await expect(agent.done).rejects.toThrow('log closed');
    await agent.stop();
  });

  it('refuses an interval that is not positive', () => {
    expect(() => start({ intervalMs: 0 })).toThrow('intervalMs must be positive, is 0');
  });
});

describe('control groups', () => {
  const db = 'sys/fs/cgroup/system.slice/db.service';

  it('are sampled in cgroup v2 by device, as applications, without the root', async () => {
    diskstats({ sda: 1 });
    write('sys/fs/cgroup/cgroup.controllers', 'io memory\n');
    write('sys/fs/cgroup/io.stat', '8:0 rbytes=9 wbytes=9 rios=9 wios=9\n');
    write(`${db}/io.stat`, '8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n');
    const agent = start();
    await clock.advance(0);
    write(`${db}/io.stat`, '8:0 rbytes=4096 wbytes=12288 rios=1 wios=3 dbytes=0 dios=0\n');
    await clock.advance(1000);
    await agent.stop();
    const group = samples().filter((sample) => sample.source === 'cgroup');
    expect(group).toHaveLength(2);
    expect(group[1]).toMatchObject({
      device_id: 'h1/sda/system.slice/db.service',
      app: 'system.slice/db.service',
      device: 'sda',
      write_ops: 1,
      write_bytes: 4096,
      write_bytes_total: 12_288,
    });
  });

  it('are sampled in cgroup v1 from the recursive files where the kernel has them', async () => {
    write('proc/diskstats', '');
    const service = (bytes: number) => `8:0 Read 0\n8:0 Write ${bytes}\n8:0 Total ${bytes}\nTotal ${bytes}\n`;
    for (const suffix of ['', '_recursive']) {
      const bytes = suffix === '' ? 10 : 30;
      write(`sys/fs/cgroup/blkio/docker/a/blkio.throttle.io_service_bytes${suffix}`, service(bytes));
      write(`sys/fs/cgroup/blkio/docker/a/blkio.throttle.io_serviced${suffix}`, service(1));
    }
    const agent = start();
    await clock.advance(0);
    await agent.stop();
    expect(samples()).toMatchObject([{ device_id: 'h1/8:0/docker/a', write_bytes_total: 30 }]);
  });

  it('are found when they appear and let go when they vanish', async () => {
    diskstats({});
    write('sys/fs/cgroup/cgroup.controllers', 'io\n');
    const agent = start({ cgroupScanMs: 2000 });
    await clock.advance(1000);
    write(`${db}/io.stat`, '8:0 rbytes=0 wbytes=8192 rios=0 wios=2\n');
    await clock.advance(2000);
    rmSync(join(root, db), { recursive: true });
    await clock.advance(2000);
    await agent.stop();
    expect(samples().map((sample) => sample.interval_ms)).toEqual([0, 1000]);
    expect(agent.stats()).toMatchObject({ appeared: 1, vanished: 1, series: 0, problems: 0 });
  });

  it('beyond the limit are left out, and it says so', async () => {
    const told: string[] = [];
    diskstats({});
    write('sys/fs/cgroup/cgroup.controllers', 'io\n');
    for (const name of ['a', 'b', 'c'])
      write(`sys/fs/cgroup/${name}/io.stat`, '8:0 rbytes=0 wbytes=0 rios=0 wios=0\n');
    const agent = start({ maxCgroups: 2, onProblem: (message) => told.push(message) });
    await clock.advance(0);
    await agent.stop();
    expect(samples().map((sample) => sample.app)).toEqual(['a', 'b']);
    expect(told).toEqual([expect.stringContaining('more than 2 control groups')]);
  });
});
