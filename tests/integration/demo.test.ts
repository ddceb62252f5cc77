import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { weirApp } from '#cli/app.ts';
import { parameterOverrides } from '#cli/parameter-option.ts';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { openRecording } from '#engine/replay/recording-reader.ts';
import { outputChanges, replayRecording, type ReplayedTask } from '#engine/replay/replay-recording.ts';
import type { OutputRecord } from '#engine/task/task-io.ts';
import { alerts, commands, transitions } from '#schemas/migration/generated.ts';
import { withoutProgress } from './cli-process.fixture.ts';
import { until } from './embedded-clickhouse.fixture.ts';
import { endpointOf, inspect, startWeir, weir, type Ended } from './weir.fixture.ts';

/** One run of the demo, watched while it runs, serves all tests here: it takes real time. */
let directory: string;
let dataDir: string;
let recordingDir: string;
let ended: Ended;
let whileRunning: {
  readonly pid: number;
  readonly weirPid: number;
  readonly answer: string;
  readonly printedUrl: string;
};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weir-demo-'));
  dataDir = join(directory, 'data');
  recordingDir = join(directory, 'recording');
  const args = [
    'demo',
    '--for',
    '7s',
    '--data',
    dataDir,
    '--record',
    recordingDir,
    '--io-load',
    '--vms',
    '24',
  ];
  const running = startWeir(args);
  const endpoint = await endpointOf(dataDir);
  const query = 'SELECT sum(number) FROM numbers(10) FORMAT TSV';
  const answer = await fetch(endpoint.url, { method: 'POST', body: query });
  // It is printed after it is written down.
  await until(() => /^ClickHouse: .*\n/m.test(running.stdout()));
  whileRunning = {
    pid: endpoint.pid,
    weirPid: running.pid,
    answer: await answer.text(),
    printedUrl: /^ClickHouse: (http:\S+)$/m.exec(running.stdout())?.[1] ?? '',
  };
  expect(whileRunning.printedUrl).toBe(endpoint.url);
  ended = await running.ended;
}, 240_000);

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** The rows of a table on stdout: those under the line of dashes that follows `heading`. */
function printedRows(heading: RegExp): readonly (readonly string[])[] {
  const lines = ended.stdout.split('\n');
  const from = lines.findIndex((line) => heading.test(line));
  expect(from, `no heading like ${String(heading)} in:\n${ended.stdout}`).toBeGreaterThanOrEqual(0);
  const first = lines.findIndex((line, i) => i > from && line.startsWith('──')) + 1;
  const end = lines.indexOf('', first);
  return lines.slice(first, end).map((line) => line.trim().split(/\s{2,}/));
}

const number = (text: string | undefined): number => Number((text ?? 'none').replaceAll(',', ''));

describe('a demo of some seconds', () => {
  test('ends with 0 and announces its ClickHouse only while it runs', () => {
    expect(ended).toMatchObject({ exitCode: 0, signal: null });
    expect(whileRunning).toMatchObject({ pid: whileRunning.weirPid, answer: '45\n' });
    expect(existsSync(join(dataDir, 'endpoint.json'))).toBe(false);
    expect(existsSync(join(dataDir, 'undelivered'))).toBe(false);
  });

  test('prints events and rows for every topic, and they agree with each other and with the tables', async () => {
    const rows = printedRows(/^Events and rows$/);
    expect(rows.map(([topic]) => topic)).toEqual(weirApp.streams.map((stream) => stream.topic));
    const printed: Readonly<Record<string, number>> = Object.fromEntries(
      rows.map(([topic = '', events]) => [topic, number(events)] as const),
    );
    for (const [, events, , ofThisRun, inAll] of rows) expect([ofThisRun, inAll]).toEqual([events, events]);
    for (const topic of [
      'failover.io-samples',
      'failover.predictions',
      'migration.link-states',
      'migration.transitions',
    ])
      expect(printed[topic], topic).toBeGreaterThan(0);
    await inspect(dataDir, async ({ rowsByTopic, expectExactlyOnce }) => {
      expect(await rowsByTopic()).toEqual(printed);
      await expectExactlyOnce();
    });
  });

  test('prints commands issued and how they were answered, each once, and no dead letters', () => {
    const [counts = []] = printedRows(/^Commands$/);
    const [issued = 0, acknowledged = 0, applied = 0, stale = 0, failed = 0, unanswered = 0] =
      counts.map(number);
    const events = printedRows(/^Events and rows$/).find(([topic]) => topic === commands.topic);
    // A command that is repeated is another event of the topic.
    expect(issued).toBeLessThanOrEqual(number(events?.[1]));
    expect(acknowledged).toBe(applied + stale + failed);
    expect(issued).toBe(acknowledged + unanswered);
    expect(applied).toBeGreaterThan(0);
    expect(ended.stdout).toContain('\nDead letters: 0\n');
  });

  test('prints three reports with rows of this machine and of the simulation', () => {
    const predicted = printedRows(/I\/O rate predicted/);
    expect(predicted.length).toBeGreaterThan(0);
    // device, app, method, bins, actual rate: a number of bytes per second that the host really had.
    for (const row of predicted) expect(number(row[4])).toBeGreaterThanOrEqual(0);
    expect(printedRows(/^What bandwidth/).length).toBeGreaterThan(0);
    const standby = printedRows(/standby path\?$/);
    expect(standby.length).toBeGreaterThan(20);
    expect(Math.max(...standby.map((row) => number(row[2])))).toBeGreaterThan(0);
  });

  test('has nothing but results on a piped stdout, and neither colours nor warnings of Node anywhere', () => {
    expect(ended.stdout).not.toMatch(/[^\P{Cc}\n]/u);
    expect(ended.stderr).not.toMatch(/[^\P{Cc}\n]/u);
    expect(ended.stderr).not.toMatch(/Warning|\(node:|trace-warnings|    at /);
    expect(ended.stdout).not.toMatch(/running of|starting ClickHouse|weir: /);
  });
});

describe('the recording of a demo', () => {
  const replayed = (args: readonly string[]): Promise<Ended> =>
    weir(['replay', recordingDir, '--format', 'json', ...args]);

  test('replays to the byte, twice, with other batches and 20 crashes of every task', async () => {
    const runs = [
      await replayed(['--crashes', '20', '--batch', '7', '--seed', '1']),
      await replayed(['--crashes', '20', '--batch', '61', '--seed', '2']),
    ];
    for (const { exitCode, stdout, stderr } of runs) {
      expect({ exitCode, stderr: withoutProgress(stderr) }).toEqual({
        exitCode: 0,
        stderr: expect.stringMatching(/^identical: \d+ outputs/) as string,
      });
      const tasks = JSON.parse(stdout) as readonly Readonly<Record<string, unknown>>[];
      expect(tasks.length).toBeGreaterThan(4);
      for (const task of tasks)
        expect(task).toMatchObject({ crashes: 20, 'compared with the recording': 'identical' });
      expect(tasks.reduce((sum, task) => sum + Number(task['outputs']), 0)).toBeGreaterThan(100);
    }
  });

  test('is told from a replay of other processors: a change of one input byte shows', async () => {
    const recording = await openRecording(recordingDir);
    const tampered = {
      ...recording,
      records: async (topic: string, partition: number) =>
        (await recording.records(topic, partition)).map((record, i) =>
          topic === 'migration.transitions' && i === 0 && record.value !== null
            ? {
                ...record,
                value: Buffer.from([
                  ...record.value.subarray(0, -1),
                  1 - record.value[record.value.length - 1]!,
                ]),
              }
            : record,
        ),
    };
    const tasks = await replayRecording(tampered, { app: weirApp });
    expect(tasks.filter((task) => task.difference !== undefined).map((task) => task.processor)).toContain(
      'migration.device-failover',
    );
  });

  /** Outputs of migration.device-failover that are on one topic only before and only after a change, decoded. */
  async function changesBy(setting: string): Promise<{
    readonly tasks: readonly ReplayedTask[];
    readonly removed: (topic: string) => readonly Readonly<Record<string, unknown>>[];
    readonly added: (topic: string) => readonly Readonly<Record<string, unknown>>[];
  }> {
    const recording = await openRecording(recordingDir);
    const tasks = await replayRecording(recording, {
      app: weirApp,
      parameters: parameterOverrides(weirApp, [setting]),
    });
    const changes = tasks.map((task) => outputChanges(task.recorded, task.outputs));
    const decoded = (
      outputs: readonly OutputRecord[],
      topic: string,
    ): readonly Readonly<Record<string, unknown>>[] => {
      const codec = eventCodec(
        weirApp.streams.find((stream) => stream.topic === topic)!,
        new WriterSchemas(),
      );
      return outputs
        .filter((output) => output.topic === topic && output.value !== null)
        .map((output) => codec.decode(output.value!) as Readonly<Record<string, unknown>>);
    };
    return {
      tasks,
      removed: (topic) => changes.flatMap((change) => decoded(change.removed, topic)),
      added: (topic) => changes.flatMap((change) => decoded(change.added, topic)),
    };
  }

  const others = (tasks: readonly ReplayedTask[]): readonly (string | undefined)[] =>
    tasks.filter((task) => task.processor !== 'migration.device-failover').map((task) => task.difference);

  test('with a hold-down of ten minutes has no return to primary, and is the same elsewhere', async () => {
    const { tasks, removed, added } = await changesBy('migration.device-failover.holdDownMs=600000');
    // What goes are returns after the hold-down and their commands; losses of the primary still move data to standby.
    expect(
      removed(transitions.topic).filter(({ from, to }) => from === 'standby' && to === 'primary').length,
    ).toBeGreaterThan(0);
    expect(removed(commands.topic).filter(({ to }) => to === 'primary').length).toBeGreaterThan(0);
    const now = tasks.flatMap((task) => task.outputs).filter((output) => output.topic === transitions.topic);
    const codec = eventCodec(transitions, new WriterSchemas());
    expect(
      now
        .map((output) => codec.decode(output.value!))
        .filter(({ from, to }) => from === 'standby' && to === 'primary'),
    ).toEqual([]);
    expect(added(commands.topic).filter(({ to }) => to === 'primary')).toEqual([]);
    expect(others(tasks)).toEqual(others(tasks).map(() => undefined));
  });

  test('with a suppress threshold of 0 takes every flap for flapping, and returns no device that flapped', async () => {
    const { tasks, removed, added } = await changesBy('migration.device-failover.suppressThreshold=0');
    const flapping = added(alerts.topic).filter(({ kind }) => kind === 'flapping');
    expect(flapping.length).toBeGreaterThan(0);
    const suppressed = new Set(flapping.map(({ device_id }) => device_id));
    const returned = added(transitions.topic).filter(
      ({ device_id, to }) => to === 'primary' && suppressed.has(device_id),
    );
    expect(returned).toEqual([]);
    // A switch to standby is never delayed: as many as before.
    const toStandby = (list: readonly Readonly<Record<string, unknown>>[]): number =>
      list.filter(({ to }) => to === 'standby').length;
    expect(toStandby(added(transitions.topic))).toBeLessThanOrEqual(toStandby(removed(transitions.topic)));
    expect(others(tasks)).toEqual(others(tasks).map(() => undefined));
  });

  test('of which a file is missing is refused, and the file named', async () => {
    const broken = join(directory, 'broken');
    await cp(recordingDir, broken, { recursive: true });
    await rm(join(broken, 'topics', 'migration.link-states', '2.avro'));
    const { exitCode, stdout, stderr } = await weir(['replay', broken]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain(broken);
    expect(stderr).toContain('missing: topics/migration.link-states/2.avro');
  });
});
