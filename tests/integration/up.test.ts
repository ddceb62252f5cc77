/** `weir up` on one local Kafka and ClickHouse: whole runs through the built command line. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest';
import { weirApp } from '#cli/app.ts';
import { changelogTopic } from '#engine/kafka/names.ts';
import { streamOfOutput } from '#engine/topology/app.ts';
import { findJava } from '#local/kafka/java.ts';
import { LocalError } from '#local/local-error.ts';
import { localStack, type LocalStack } from '#local/stack/local-stack.ts';
import { isClean } from '#sinks/clickhouse/kafka/audit-topic.ts';
import { auditTopics } from '#sinks/clickhouse/kafka/audit-topics.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { tableOf } from '#sinks/clickhouse/tables.ts';
import { startWeir, weir, type Ended, type Started } from './cli-process.fixture.ts';
import { send, until } from './embedded-clickhouse.fixture.ts';
import { clientOf } from './kafka.fixture.ts';
import { pardonedMs, timed } from './timed.fixture.ts';
import { clickHousePid, isAlive } from './weir.fixture.ts';

let directory: string;
let dataDir: string;
let stack: LocalStack;
let missing: string | undefined;
/** How many times longer the stack took to start than on a machine of its own. */
let slowness = 1;
const usualStartMs = 6_000;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weir-up-'));
  dataDir = join(directory, 'local');
  try {
    await findJava();
  } catch (error) {
    if (!(error instanceof LocalError) || process.env['CI'] === 'true') throw error;
    missing = error.message;
    return;
  }
  const ports = ['--kafka-port', '0', '--clickhouse-port', '0', '--kafka-runtime', 'java'];
  const startedMs = performance.now();
  expect(await weir(['local', 'start', '--data', dataDir, ...ports])).toMatchObject({ exitCode: 0 });
  slowness = Math.min(5, Math.max(1, (performance.now() - startedMs) / usualStartMs));
  stack = (await localStack(dataDir))!;
}, 300_000);

afterAll(async () => {
  if (missing === undefined) await weir(['local', 'stop', '--data', dataDir]);
  await rm(directory, { recursive: true, force: true });
});

const decidedTopics = new Set(
  weirApp.processors.flatMap(({ outputs }) =>
    Object.values(outputs).map((output) => streamOfOutput(output).topic),
  ),
);

const up = (...options: string[]): Started => startWeir(['up', '--data', dataDir, ...options]);
const upUntilEnd = (...options: string[]): Promise<Ended> => up(...options).ended;

/** The simulation begins when it has joined its group, which is a part of the time of a run: on a slow machine most of it. */
const longEnough = (seconds: number): string => `${Math.ceil(seconds * slowness)}s`;

function needsKafka(context: TestContext): void {
  if (missing !== undefined) context.skip(missing);
}

/** Worker processes of a run, by their parent. */
function workersOf({ child }: Started): readonly number[] {
  const listed = execFileSync('ps', ['-eo', 'pid=,ppid=,stat=,command='], { encoding: 'utf8' }).split('\n');
  return listed.flatMap((line) => {
    const [, pid, parent, state, command = ''] = /^ *(\d+) +(\d+) +(\S+) (.*)$/.exec(line) ?? [];
    const isWorker =
      Number(parent) === child.pid && command.endsWith('cli/main.js worker') && !state!.startsWith('Z');
    return isWorker ? [Number(pid)] : [];
  });
}

async function workersAppear(run: Started, count: number): Promise<readonly number[]> {
  let found: readonly number[] = [];
  await until(() => (found = workersOf(run)).length === count);
  return found;
}

/** Fails unless every committed record of every topic is one row, or one dead letter of the sink. */
async function expectExact(database = 'default'): Promise<Readonly<Record<string, number>>> {
  const client = openClient({ url: stack.clickhouse!.url, username: 'default', password: '', database });
  try {
    const { audits, unchecked } = await auditTopics({
      connection: { brokers: stack.kafka.bootstrapServers.split(',') },
      client,
      app: weirApp.name,
      tables: weirApp.streams.map((stream) => tableOf(stream, database)),
      signal: new AbortController().signal,
    });
    expect(unchecked).toEqual([]);
    expect(audits.filter((one) => !isClean(one) || one.inDoubtTo !== null)).toEqual([]);
    const rows: Record<string, number> = {};
    for (const { topic, present } of audits) rows[topic] = (rows[topic] ?? 0) + present;
    return rows;
  } finally {
    await client.close();
  }
}

async function query(sql: string): Promise<string> {
  const answer = await send(stack.clickhouse!.url, { method: 'POST', body: sql });
  expect(answer).toMatchObject({ status: 200 });
  return answer.text.trim();
}

const number = (text: string | undefined): number => Number((text ?? 'none').replaceAll(',', ''));

/** The rows of a table on stdout: those under the line of dashes that follows `heading`. */
function printedRows(stdout: string, heading: RegExp): readonly (readonly string[])[] {
  const lines = stdout.split('\n');
  const from = lines.findIndex((line) => heading.test(line));
  expect(from, `no heading like ${String(heading)} in:\n${stdout}`).toBeGreaterThanOrEqual(0);
  const first = lines.findIndex((line, i) => i > from && line.startsWith('──')) + 1;
  return lines.slice(first, lines.indexOf('', first)).map((line) => line.trim().split(/\s{2,}/));
}

describe('weir up on the local stack', () => {
  test('processes the input of the demo and prints the reports, at two workers of which one is killed', async (context) => {
    needsKafka(context);
    const run = up('--for', longEnough(9), '--workers', '2', '--io-load', '--metrics-port', '0');
    const [first] = await workersAppear(run, 2);
    await run.seen('ClickHouse: ');
    const metrics = /metrics: (\S+)/.exec(run.output())![1]!;
    // Not its readiness, for which Kafka and ClickHouse are asked only now and then: the run may be over by then.
    const ready = /^weir_worker_ready\{worker="\d"\} 1$/gm;
    await until(async () => (await send(metrics, { method: 'GET' })).text.match(ready)?.length === 2);
    process.kill(first!, 'SIGKILL');
    const { exitCode, stdout, stderr } = await run.ended;
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(stderr).toMatch(/worker 0 ended by SIGKILL; starting it again, nothing is lost/);
    // Trouble that lasts is told, on a slow machine; what is over in a moment is not.
    expect(stderr.replaceAll(/^.*(it is tried again and again\)|over after \d+ s: ).*\n/gm, '')).not.toMatch(
      /coordinator|Warning|    at /i,
    );

    const inKafka = await expectExact();
    const printed = printedRows(stdout, /^Events and rows$/);
    expect(printed.map(([topic]) => topic!).sort()).toEqual(Object.keys(inKafka).sort());
    for (const [topic = '', , ofThisRun, inAll, left] of printed) {
      expect(ofThisRun, topic).toBe(inAll);
      // Timers go on after this was counted: a command that nobody answers is repeated.
      if (decidedTopics.has(topic)) expect(number(inAll), topic).toBeLessThanOrEqual(inKafka[topic]!);
      else expect([number(inAll), left], topic).toEqual([inKafka[topic], '0']);
    }
    for (const topic of [
      'failover.io-samples',
      'failover.predictions',
      'migration.commands',
      'migration.transitions',
    ])
      expect(inKafka[topic], topic).toBeGreaterThan(0);
    // The tasks of the killed worker may decide after the simulation has ended: such commands stay unanswered.
    const [issued = 0, acknowledged = 0] = printedRows(stdout, /^Commands$/)[0]!.map(number);
    expect(issued).toBeGreaterThan(0);
    expect(issued).toBeGreaterThanOrEqual(acknowledged);
    expect(stdout).toContain('\nDead letters: 0\n');
    for (const heading of [/I\/O rate predicted/, /^What bandwidth/, /standby path\?$/])
      expect(printedRows(stdout, heading).length).toBeGreaterThan(0);
    // A build announces each of its schemas once.
    expect(await query('SELECT count() - uniqExact(fingerprint), count() FROM weir_schemas')).toBe(
      `0\t${weirApp.streams.length}`,
    );
  });

  test('--only runs the processors of one subsystem, announces nothing again, and takes events over HTTP', async (context) => {
    needsKafka(context);
    const before = await query('SELECT count() FROM weir_schemas');
    const run = up(
      '--only',
      'migration',
      '--no-simulate',
      '--no-host-io',
      '--ingest-port',
      '0',
      '--metrics-port',
      '0',
      '--log-format',
      'json',
    );
    await run.seen('events over HTTP: ');
    const twice = await upUntilEnd('--for', '1s');
    expect(twice).toMatchObject({ exitCode: 3, stdout: '' });
    expect(twice.stderr).toMatch(
      new RegExp(`another weir up runs with the state directory .* process ${run.child.pid}`),
    );
    const [worker] = await workersAppear(run, 1);
    const addressAfter = (words: string): string => new RegExp(`${words}: (\\S+)`).exec(run.output())![1]!;
    const url = addressAfter('events over HTTP');
    const posted = await send(`${url}/v1/topics/migration.link-states`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        ...{ device_id: 'device-http', vm_id: 'vm-1', mac: '52:54:00:00:00:01', host: 'host-a' },
        ...{ interface: 'primary', attached: true, link_up: false, path_epoch: 7, observed_at: Date.now() },
      }),
    });
    expect(posted).toMatchObject({ status: 200 });
    const own = await send(`${url}/v1/topics/weir.schemas`, { method: 'POST', body: '{}' });
    expect(own).toMatchObject({ status: 404 });
    const scraped = await send(addressAfter('metrics'), { method: 'GET' });
    expect(scraped.text).toMatch(/^weir_ready [01]$/m);
    expect(scraped.text).not.toContain('failover.');
    process.kill(worker!, 'SIGKILL');
    await run.seen('ended by SIGKILL');
    const ended = await stopped(run, 'SIGTERM');
    expect(ended.exitCode, ended.stderr).toBe(ended.isForced ? 1 : 0);
    const told = ended.stderr.split('\n').find((line) => line.includes('SIGKILL'))!;
    expect(JSON.parse(told)).toMatchObject({ level: 'warn', component: 'worker', worker: 0 });
    await expect(fetch(url)).rejects.toThrow();
    expect(await query('SELECT count() FROM weir_schemas')).toBe(before);
  });

  test.for([
    // First: the groups forget the killed run's members during the others.
    ['SIGKILL', 'when its workers run'],
    ['SIGINT', 'after 600 ms'],
    ['SIGHUP', 'after 2000 ms'],
  ] as const)(
    'a run that %s ends %s is soon over, with nothing left running',
    async ([signal, moment], context) => {
      needsKafka(context);
      const run = up('--workers', '2');
      if (moment === 'when its workers run') {
        await workersAppear(run, 2);
        await run.seen('ClickHouse: ');
      } else await sleep(Number(/\d+/.exec(moment)![0]));
      const workers = workersOf(run);
      const { exitCode, signal: by, stdout, stderr, isForced } = await stopped(run, signal);
      // Before the program listens to signals it is Node that ends by them.
      if (by === null && !isForced) {
        expect([0, 130], stderr).toContain(exitCode);
        if (exitCode === 130) expect(stderr).toContain('interrupted before it had started');
      }
      if (signal === 'SIGKILL') expect(workers, stdout + stderr).toHaveLength(2);
      await until(() => !workers.some(isAlive));
    },
  );

  test('SIGINT while it waits for ClickHouse at its end is heeded: it stops in order, and the next run does the rest', async (context) => {
    needsKafka(context);
    const run = up('--for', '3s', '--no-host-io', '--ingest-port', '0');
    // It has counted the rows of before by then.
    await run.seen('events over HTTP: ');
    const rows = 'SELECT count() FROM migration_link_states';
    const before = await query(rows);
    await until(async () => (await query(rows)) !== before);
    const server = (await clickHousePid(dataDir))!;
    process.kill(server, 'SIGSTOP');
    try {
      await run.seen('waiting until everything is in ClickHouse');
      const { exitCode, stderr, isForced } = await stopped(run, 'SIGINT');
      if (!isForced)
        expect(stderr).toContain('what was not processed yet stays in Kafka for the next weir up');
      expect(exitCode, stderr).toBe(isForced ? 1 : 0);
    } finally {
      process.kill(server, 'SIGCONT');
    }
  });
});

/**
 * Sends the signal; fails unless the run is over 6 s later. Where the machine stood still meanwhile, it may have been ended by
 * force.
 */
async function stopped(
  run: Started,
  signal: NodeJS.Signals,
): Promise<Ended & { readonly isForced: boolean }> {
  const {
    value: ended,
    tookMs,
    stalledMs,
  } = await timed(() => {
    run.child.kill(signal);
    return run.ended;
  });
  const isForced = ended.stderr.includes('did not stop within');
  if (isForced) expect(stalledMs, ended.stderr).toBeGreaterThan(pardonedMs);
  // Workers have the same stderr: where their run has not ended them, they end by themselves, up to 6 s later.
  else expect(tookMs, ended.stderr).toBeLessThan(signal === 'SIGKILL' ? 15_000 : 6_000);
  return { ...ended, isForced };
}

describe('weir up refuses', () => {
  test('brokers that do not answer: exit code 3', async () => {
    const { exitCode, stderr } = await upUntilEnd('--brokers', '127.0.0.1:1', '--url', 'http://127.0.0.1:1');
    expect(exitCode, stderr).toBe(3);
    expect(stderr).toContain('127.0.0.1:1');
  });

  test('a ClickHouse that does not answer: exit code 3 and its address, without what may be a secret in it', async (context) => {
    needsKafka(context);
    const { exitCode, stderr } = await upUntilEnd('--url', 'http://127.0.0.1:1/?application=hunter2');
    expect(exitCode, stderr).toBe(3);
    expect(stderr).toContain('ClickHouse at http://127.0.0.1:1 cannot be reached: connect ECONNREFUSED');
    expect(stderr).not.toContain('hunter2');
  });

  test.for([
    [['--url', 'weir:hunter2@127.0.0.1:8123'], "'...@127.0.0.1:8123' is no URL"],
    [['--only', 'migraton'], "did you mean 'migration'?"],
    [['--workers', '0'], '--workers'],
    [['--for', 'soon'], '--for'],
    [['--set', 'migration.device-failover.holdDown=1'], "did you mean 'holdDownMs'?"],
    [['--ingest-port', '70000'], '--ingest-port'],
    [['--accept-empty-tables', 'link_states'], "there is no table 'link_states'"],
    [['--url', 'http://weir:hunter2@127.0.0.1:8123'], '--password-file'],
    [['--brokers', ''], '--brokers is empty'],
    [['--brokers', 'nowhere'], "'nowhere' is not host:port"],
  ] as const)('%j: exit code 2, and nothing is started', async ([options, message]) => {
    const { exitCode, stdout, stderr } = await upUntilEnd(...options);
    expect({ exitCode, stdout }, stderr).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('hunter2');
  });

  test.for([
    [{ kafka: { brokers: ['127.0.0.1:1'], sasl: { password: 'hunter2' } } }, 'kafka.sasl.passwordFile'],
    [{ clickhouse: { password: 'hunter2' } }, 'clickhouse.passwordFile'],
    [{ clickhouse: { url: 'http://weir:hunter2@127.0.0.1:8123' } }, '--password-file'],
    [{ kafak: {} }, "did you mean 'kafka'?"],
  ] as const)('a configuration file with %j, without printing the secret', async ([content, message]) => {
    const file = join(directory, 'refused.json');
    await writeFile(file, JSON.stringify(content));
    const { exitCode, stdout, stderr } = await upUntilEnd('--config', file);
    expect({ exitCode, stdout }, stderr).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('hunter2');
  });
});

// By now the groups have forgotten the members of the run that was killed.
describe('weir up after runs that were stopped and killed', () => {
  test('does what they left', async (context) => {
    needsKafka(context);
    expect(await upUntilEnd('--for', '1s', '--no-simulate', '--no-host-io')).toMatchObject({ exitCode: 0 });
    await expectExact();
    const fromHttp = "SELECT count() FROM migration_link_states WHERE device_id = 'device-http'";
    expect(await query(fromHttp)).toBe('1');
  });

  test('is what weir record records, where no other Kafka is named', async (context) => {
    needsKafka(context);
    const recording = ['record', join(directory, 'recording'), '--for', '1s'];
    const { exitCode, stderr } = await weir([...recording, '--data', dataDir]);
    const { bootstrapServers } = stack.kafka;
    expect(stderr).toMatch(
      new RegExp(`^recording what runs on Kafka at ${bootstrapServers}, the local stack on `),
    );
    expect(stderr).toContain('recorded 0 commits');
    expect(exitCode).toBe(0);
  });

  test('makes no table anew whose records were taken before, unless it is told to', async (context) => {
    needsKafka(context);
    const table = 'migration_link_states';
    await query(`DROP TABLE ${table} SYNC`);
    const quiet = ['--for', '1s', '--no-simulate', '--no-host-io'];
    const refused = await upUntilEnd(...quiet);
    expect(refused).toMatchObject({ exitCode: 1, stdout: '' });
    expect(refused.stderr).toMatch(
      new RegExp(`table default.${table}, topic migration.link-states: [1-9]\\d* offsets were taken`),
    );
    expect(refused.stderr).toContain(
      `--bootstrap-server ${stack.kafka.bootstrapServers} --group weir.clickhouse-sink --topic migration.link-states --delete-offsets`,
    );
    expect(refused.stderr).toContain(`--accept-empty-tables ${table}`);
    expect(await query(`EXISTS TABLE ${table}`)).toBe('0');
    const accepted = await upUntilEnd(...quiet, '--accept-empty-tables', table);
    expect(accepted.exitCode, accepted.stderr).toBe(0);
    expect(await query(`EXISTS TABLE ${table}`)).toBe('1');
  });

  test('writes into a database that is not there yet, where it is told to begin it', async (context) => {
    needsKafka(context);
    const startedAtMs = Date.now();
    const begun = ['--for', longEnough(4), '--no-host-io', '--database', 'new'];
    expect(await upUntilEnd(...begun)).toMatchObject({ exitCode: 1, stdout: '' });
    const { exitCode, stdout, stderr } = await upUntilEnd(...begun, '--accept-empty-tables', 'all');
    expect(exitCode, stderr).toBe(0);
    expect(stdout).toContain('--database new');
    const printed = new Map(printedRows(stdout, /^Events and rows$/).map(([topic, , rows]) => [topic, rows]));
    expect(Number(await query('SELECT count() FROM new.migration_link_states'))).toBe(
      number(printed.get('migration.link-states')),
    );
    expect(number(printed.get('migration.link-states'))).toBeGreaterThan(0);
    // The tasks have kept the epochs of the runs before, whose simulation was the same.
    expect(number(printedRows(stdout, /^Commands$/)[0]![0])).toBeGreaterThan(0);
    // A report of this run may be overtaken by a switch of this run, on a slow machine.
    const stale = `kind = 'stale_epoch' AND path_epoch < ${startedAtMs}`;
    expect(await query(`SELECT count() FROM new.migration_alerts WHERE ${stale}`)).toBe('0');
  });
});

// Last: it leaves topics that no weir up accepts.
describe('weir up on topics that differ', () => {
  test('refuses another number of partitions, and says what to do', async (context) => {
    needsKafka(context);
    const [processor] = weirApp.processors;
    const topic = changelogTopic(weirApp.name, processor!.name);
    const admin = clientOf(stack.kafka).admin();
    await admin.connect();
    const metadata = await admin.fetchTopicMetadata({ topics: [topic] });
    const partitions = metadata.topics[0]!.partitions.length;
    await admin.createPartitions({ topicPartitions: [{ topic, count: partitions + 1 }] });
    await admin.disconnect();
    const { exitCode, stdout, stderr } = await upUntilEnd('--for', '1s');
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain(`topic ${topic} (changelog of ${processor!.name})`);
    expect(stderr).toContain(`it has ${partitions + 1} partitions, it must have ${partitions}`);
  });
});
