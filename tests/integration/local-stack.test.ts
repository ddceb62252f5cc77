/** `weir local`: Kafka and ClickHouse that outlive the command which starts them. */
import { execFileSync } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test, type TestContext } from 'vitest';
import { findJava } from '#local/kafka/java.ts';
import { LocalError } from '#local/local-error.ts';
import { localStack, stackStatus, type LocalStack } from '#local/stack/local-stack.ts';
import { startWeir, weir, type Ended } from './cli-process.fixture.ts';
import { send, until } from './embedded-clickhouse.fixture.ts';
import { clientOf, createTopics } from './kafka.fixture.ts';
import { clickHousePid, inDirectory } from './weir.fixture.ts';

const freePorts = ['--kafka-port', '0', '--clickhouse-port', '0', '--kafka-runtime', 'java'];

let missing: string | undefined;
beforeAll(async () => {
  try {
    await findJava();
  } catch (error) {
    if (!(error instanceof LocalError) || process.env['CI'] === 'true') throw error;
    missing = error.message;
  }
});

/** Ends what a failed test left, and then fails if anything that names the directory still runs. */
async function inLocalDirectory(
  context: TestContext,
  use: (dataDir: string) => Promise<void>,
): Promise<void> {
  if (missing !== undefined) context.skip(missing);
  await inDirectory(async (directory) => {
    const dataDir = join(directory, 'local');
    try {
      await use(dataDir);
    } finally {
      await weir(['local', 'stop', '--data', dataDir]);
    }
    expect(await processesOn(dataDir)).toEqual([]);
  });
}

const start = (dataDir: string, ...options: string[]): Promise<Ended> =>
  weir(['local', 'start', '--data', dataDir, ...freePorts, ...options]);
const stop = (dataDir: string): Promise<Ended> => weir(['local', 'stop', '--data', dataDir]);
const status = (dataDir: string): Promise<Ended> =>
  weir(['local', 'status', '--data', dataDir, '--format', 'json']);

/** Command lines that name the directory, and ClickHouse, whose command line does not. */
async function processesOn(dataDir: string): Promise<string[]> {
  const listed = execFileSync('ps', ['-ww', '-eo', 'pid=,stat=,command='], { encoding: 'utf8' }).split('\n');
  const clickHouse = await clickHousePid(dataDir);
  return [
    ...listed.filter((line) => line.includes(dataDir) && !/^\s*\d+ Z/.test(line)),
    ...(clickHouse === undefined ? [] : [`ClickHouse ${clickHouse}`]),
  ];
}

async function running(dataDir: string): Promise<LocalStack> {
  const stack = await localStack(dataDir);
  if (stack === undefined) throw new Error(`nothing runs on ${dataDir}`);
  return stack;
}

async function pidOf(dataDir: string, part: string): Promise<number> {
  const found = (await stackStatus(dataDir)).find((each) => each.part === part);
  if (found === undefined) throw new Error(`there is no ${part}`);
  return found.pid;
}

async function query({ clickhouse }: LocalStack, sql: string): Promise<string> {
  const answer = await send(clickhouse!.url, { method: 'POST', body: sql });
  expect(answer).toMatchObject({ status: 200 });
  return answer.text.trim();
}

async function produce({ kafka }: LocalStack, value: string): Promise<void> {
  const producer = clientOf(kafka).producer({ createPartitioner: () => () => 0 });
  await producer.connect();
  await producer.send({ topic: 'kept', messages: [{ value }] });
  await producer.disconnect();
}

async function endOffset({ kafka }: LocalStack): Promise<string> {
  const admin = clientOf(kafka).admin();
  await admin.connect();
  try {
    const [partition] = await admin.fetchTopicOffsets('kept');
    return partition!.high;
  } finally {
    await admin.disconnect();
  }
}

async function isBack(dataDir: string, part: string, formerPid: number): Promise<void> {
  await until(async () => {
    const found = (await stackStatus(dataDir)).find((each) => each.part === part);
    return found?.state === 'running' && found.pid !== formerPid;
  });
}

describe('weir local', () => {
  test('starts once, comes back after SIGKILLs, stops, and keeps its data', (context) =>
    inLocalDirectory(context, async (dataDir) => {
      const both = await Promise.all([start(dataDir), start(dataDir)]);
      const [won, lost] = both[0].exitCode === 0 ? both : [both[1], both[0]];
      expect(won).toMatchObject({ exitCode: 0 });
      // It may have looked when the other was ready.
      if (lost.exitCode !== 0) {
        expect(lost).toMatchObject({ exitCode: 3, stdout: '' });
        expect(lost.stderr).toMatch(new RegExp(`process \\d+ is starting Kafka on ${dataDir} already`));
      }
      const first = await running(dataDir);
      expect(won.stdout).toContain(first.kafka.bootstrapServers);
      expect(won.stdout).toContain(first.clickhouse!.url);

      await createTopics(first.kafka, [{ topic: 'kept' }]);
      await produce(first, 'one');
      await query(first, 'CREATE TABLE kept (n UInt8) ENGINE = MergeTree ORDER BY n');
      await query(first, 'INSERT INTO kept VALUES (7)');

      const again = await start(dataDir);
      expect(again).toMatchObject({ exitCode: 0, stdout: won.stdout });
      expect(again.stderr).toContain(`runs already, as process ${first.supervisorPid}`);
      const other = await start(dataDir, '--brokers', '3');
      expect(other).toMatchObject({ exitCode: 3 });
      expect(other.stderr).toContain('brokers: 1, not 3');

      const healthy = await status(dataDir);
      expect(healthy.exitCode).toBe(0);
      const parts = JSON.parse(healthy.stdout) as { part: string; state: string; process: number }[];
      expect(parts.map(({ part, state }) => [part, state])).toEqual([
        ['kafka-1', 'running'],
        ['clickhouse', 'running'],
        ['supervisor', 'running'],
      ]);

      const killed = {
        kafka: await pidOf(dataDir, 'kafka-1'),
        clickhouse: await pidOf(dataDir, 'clickhouse'),
      };
      // While the supervisor stands still, nobody starts them again.
      process.kill(first.supervisorPid, 'SIGSTOP');
      try {
        process.kill(killed.clickhouse, 'SIGKILL');
        process.kill(killed.kafka, 'SIGKILL');
        expect(await status(dataDir)).toMatchObject({ exitCode: 1 });
      } finally {
        process.kill(first.supervisorPid, 'SIGCONT');
      }
      await isBack(dataDir, 'clickhouse', killed.clickhouse);
      await isBack(dataDir, 'kafka-1', killed.kafka);
      const back = await running(dataDir);
      expect(back).toEqual(first);
      await produce(back, 'two');
      expect(await query(back, 'SELECT n FROM kept')).toBe('7');

      expect(await stop(dataDir)).toMatchObject({
        exitCode: 0,
        stdout: `stopped; the data stays in ${dataDir}\n`,
      });
      expect(await processesOn(dataDir)).toEqual([]);
      expect(await status(dataDir)).toMatchObject({ exitCode: 1, stdout: '[]\n' });
      expect(await localStack(dataDir)).toBeUndefined();

      expect(await start(dataDir)).toMatchObject({ exitCode: 0 });
      const second = await running(dataDir);
      expect(await endOffset(second)).toBe('2');
      expect(await query(second, 'SELECT n FROM kept')).toBe('7');

      // Without its supervisor nothing goes on, and a stop has nothing to wait for.
      process.kill(second.supervisorPid, 'SIGKILL');
      expect(await stop(dataDir)).toMatchObject({ exitCode: 0 });
      expect(await processesOn(dataDir)).toEqual([]);
      expect(await status(dataDir)).toMatchObject({ exitCode: 1 });
    }));

  test.for([
    ['SIGINT', 1_000],
    ['SIGKILL', 500],
  ] as const)(
    'a start that %s ends %i ms after its supervisor began leaves nothing running, and the next one works',
    ([signal, afterMs], context) =>
      inLocalDirectory(context, async (dataDir) => {
        const starting = startWeir(['local', 'start', '--data', dataDir, ...freePorts]);
        await until(async () => (await processesOn(dataDir)).some((line) => line.includes(' supervise ')));
        await sleep(afterMs);
        starting.child.kill(signal);
        const { exitCode, stderr } = await starting.ended;
        // A machine that is fast enough had it running.
        if (exitCode !== 0) {
          if (signal === 'SIGINT') {
            expect(exitCode).toBe(130);
            expect(stderr).toContain('interrupted; nothing is left running');
            expect(await processesOn(dataDir)).toEqual([]);
          }
          await until(async () => (await processesOn(dataDir)).length === 0);
        }
        expect(await start(dataDir)).toMatchObject({ exitCode: 0 });
      }),
  );

  test('ends when its data directory is removed', (context) =>
    inLocalDirectory(context, async (dataDir) => {
      expect(await start(dataDir, '--no-clickhouse')).toMatchObject({ exitCode: 0 });
      expect((await running(dataDir)).clickhouse).toBeUndefined();
      // Kafka goes on making files there meanwhile.
      await rm(dataDir, { recursive: true, maxRetries: 20 });
      await until(async () => (await processesOn(dataDir)).length === 0);
    }));

  test('says which port is taken, and how to name another; the other server is not left running', (context) =>
    inLocalDirectory(context, async (dataDir) => {
      const taken = createServer().listen(0, '127.0.0.1');
      await once(taken, 'listening');
      const { port } = taken.address() as { port: number };
      for (const [option, other] of [
        ['--kafka-port', '--clickhouse-port'],
        ['--clickhouse-port', '--kafka-port'],
      ] as const) {
        const args = ['--data', dataDir, option, String(port), other, '0', '--kafka-runtime', 'java'];
        const { exitCode, stderr } = await weir(['local', 'start', ...args]);
        expect(exitCode).toBe(3);
        expect(stderr).toMatch(
          new RegExp(`(127.0.0.1:${port}|port ${port} on 127.0.0.1).*\\n  try: .*${option} `),
        );
        expect(await processesOn(dataDir)).toEqual([]);
      }
      taken.close();
    }));

  test('says what to install where there is neither Java nor Docker', (context) =>
    inLocalDirectory(context, async (dataDir) => {
      const started = await weir(['local', 'start', '--data', dataDir], {
        PATH: '/nowhere',
        JAVA_HOME: '/nowhere',
      });
      expect(started).toMatchObject({ exitCode: 3, stdout: '' });
      expect(started.stderr).toMatch(
        /no program "\/nowhere\/bin\/java": install a Java runtime .* or run a Docker engine.*no program "docker"/,
      );
      expect(await status(dataDir)).toMatchObject({ exitCode: 1, stdout: '[]\n' });
    }));

  test('says how much room a full disk lacks', (context) =>
    inLocalDirectory(context, async (dataDir) => {
      await mkdir(dataDir, { recursive: true });
      // Takes root, which CI and containers have.
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'weir-test', dataDir]);
      try {
        const { exitCode, stderr } = await start(dataDir);
        expect(exitCode).toBe(3);
        expect(stderr).toMatch(/has \d+ MiB left, and Kafka and ClickHouse need 256 MiB/);
      } finally {
        execFileSync('umount', ['--lazy', dataDir]);
      }
    }));

  test.each([
    [['local', 'start', '--brokers', '2'], "argument '2' is invalid"],
    [['local', 'start', '--kafka-port', 'many'], "--kafka-port: 'many' is no port"],
    [['local', 'start', '--brokers', '3', '--kafka-port', '65534'], 'three brokers need ports up to 65536'],
    [['local', 'supervise'], 'weir local supervise is what weir local start runs'],
  ])('%j is a usage error', async (args, message) => {
    const { exitCode, stderr } = await weir(args);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(message);
  });
});
