/** `weir record` of what runs on a real Kafka, and `weir replay` of it: the same bytes, and what would have been otherwise. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { weirApp } from '#cli/app.ts';
import { KafkaEdge } from '#client/kafka-edge.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { KafkaRuntime, type KafkaRuntimeOptions } from '#engine/kafka/driver/kafka-runtime.ts';
import { journalTopic } from '#engine/kafka/names.ts';
import { recordWindow } from '#engine/kafka/recorder/record-window.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import type { RecordingManifest } from '#engine/replay/recording.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { linkStates } from '#schemas/migration/generated.ts';
import { startMigrationSimulation } from '#simulators/migration/simulator.ts';
import { startWeir, weir } from './cli-process.fixture.ts';
import { foldingApp } from './folding.fixture.ts';
import { clientOf, kafkaForFile } from './kafka.fixture.ts';
import { linkState } from './link-load.fixture.ts';

const local = kafkaForFile();
const closing: (() => Promise<unknown>)[] = [];
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weir-record-'));
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await rm(directory, { recursive: true, force: true });
});

const connectionTo = ({ bootstrapServers }: LocalKafka): { brokers: string[] } => ({
  brokers: bootstrapServers.split(','),
});

async function run(kafka: LocalKafka, options: Partial<KafkaRuntimeOptions> = {}): Promise<KafkaRuntime> {
  const app = options.app ?? weirApp;
  const connection = connectionTo(kafka);
  await ensureTopics(connection, plannedTopics(app));
  const errors: unknown[] = [];
  const runtime = await KafkaRuntime.start({
    app,
    connection,
    writers: new WriterSchemas(),
    onTaskError: (_, error) => errors.push(error),
    ...options,
  });
  closing.push(async () => {
    await runtime.stop(5_000);
    expect(errors).toEqual([]);
  });
  return runtime;
}

async function simulate(kafka: LocalKafka): Promise<void> {
  const client = { ...connectionTo(kafka), source: '/tests/record' };
  const edge = await KafkaEdge.start({
    client,
    group: 'simulators',
    onFailure: (place, error) => {
      throw new Error(place, { cause: error });
    },
  });
  closing.push(() => edge.stop(5_000));
  const simulation = startMigrationSimulation({ seed: 1, vms: 12 }, edge, edge);
  closing.push(() => simulation.stop());
}

describe('a window of what runs on Kafka', () => {
  it('is recorded by weir record, replays to the same bytes, and shows what a parameter would have changed', async (context) => {
    const kafka = local.of(context);
    const holdDownMs = 700;
    await run(kafka, { parameters: { 'migration.device-failover': { holdDownMs } } });
    await simulate(kafka);
    const env = { WEIR_KAFKA_BROKERS: kafka.bootstrapServers };
    const recorded = await weir(['record', directory, '--for', '12s'], env);
    expect(recorded.stderr).toMatch(
      new RegExp(`^recording what runs on Kafka at ${kafka.bootstrapServers}\n`),
    );
    expect(recorded.stderr).toMatch(/recorded [1-9]\d* commits of \d+ tasks and [1-9]\d* records into/);
    expect(recorded.exitCode).toBe(0);

    const manifest = JSON.parse(
      await readFile(join(directory, 'recording.json'), 'utf8'),
    ) as RecordingManifest;
    expect(manifest.parameters['migration.device-failover']).toMatchObject({
      holdDownMs,
      suppressThreshold: 2_000,
    });
    const exact = await weir(['replay', directory, '--crashes', '5', '--batch', '9']);
    expect(exact.stderr).toMatch(/identical: [1-9]\d* outputs of \d+ tasks, byte for byte/);
    expect(exact.exitCode).toBe(0);

    const setting = 'migration.device-failover.holdDownMs=2500';
    const whatIf = await weir(['replay', directory, '--set', setting, '--format', 'json']);
    expect(whatIf.exitCode).toBe(0);
    const changes = JSON.parse(whatIf.stdout) as { change: string; topic: string }[];
    expect(changes.map(({ change }) => change)).toContain('-');
  });

  it('ends in order at Ctrl-C, also where nothing runs; a configuration file names its Kafka', async (context) => {
    const kafka = local.of(context);
    await ensureTopics(connectionTo(kafka), plannedTopics(weirApp));
    const config = join(directory, 'weir.config.json');
    await writeFile(config, JSON.stringify({ kafka: connectionTo(kafka) }));
    const recording = join(directory, 'recording');
    const started = startWeir(['record', recording, '--config', config]);
    await started.seen('recording: 0 commits');
    started.child.kill('SIGINT');
    const ended = await started.ended;
    expect(ended.stderr).toContain('recorded 0 commits');
    expect(ended.exitCode).toBe(0);
    const replayed = await weir(['replay', recording]);
    expect(replayed.stderr).toContain('identical: 0 outputs');
  });

  it('takes no options of a run of its own', async () => {
    const names = ['--brokers', '127.0.0.1:1'];
    const { exitCode, stderr } = await weir(['record', directory, '--vms', '3', '--for', '1s', ...names]);
    expect(stderr).toContain('--vms: what runs on Kafka is recorded as it runs');
    expect(stderr).toContain('weir demo --record');
    expect(exitCode).toBe(2);
  });

  it('is of a run of its own where there is no Kafka, which is said first', async () => {
    const nowhere = ['--data', join(directory, 'data'), '--vms', '0'];
    const { exitCode, stderr } = await weir(['record', directory, ...nowhere]);
    expect(stderr).toMatch(
      /^recording a run of this machine with a simulated estate: no Kafka is named, .*\n/,
    );
    expect(stderr).toContain('--vms');
    expect(exitCode).toBe(2);
  });
});

describe('a window that cannot be recorded', () => {
  it('is refused where the journal has a gap', async (context) => {
    const kafka = local.of(context);
    const { app, items } = foldingApp('gap', 1);
    const runtime = await run(kafka, { app });
    const client = { ...connectionTo(kafka), source: '/tests/record' };
    const edge = await KafkaEdge.start({ client, group: 'none', onFailure: () => undefined });
    closing.push(() => edge.stop(5_000));
    // Of the task whose journal it is: each is a chunk of it.
    const commits = (): number =>
      runtime.status().find(({ task }) => task === 'folding.first-0')?.commits ?? 0;
    for (let i = 0; i < 5; i += 1) {
      const before = commits();
      await edge.publish(items, { id: `${i}`, thing: 'one', at: Date.now() });
      await until(() => commits() > before);
    }
    await deleteBefore(kafka, journalTopic('gap', 'folding.first'), 4);
    const recording = recordWindow({
      app,
      connection: connectionTo(kafka),
      directory,
      writers: new WriterSchemas(),
      from: 'beginning',
      until: AbortSignal.abort(),
    });
    await expect(recording).rejects.toThrow(
      /folding\.first-0: its journal has chunk [12] at .* where chunk 0 is due/,
    );
  });

  it('is refused where retention has removed inputs that it needs', async (context) => {
    const kafka = local.of(context);
    const { app, items } = foldingApp('removed', 1);
    const runtime = await run(kafka, { app });
    const client = { ...connectionTo(kafka), source: '/tests/record' };
    const edge = await KafkaEdge.start({ client, group: 'none-too', onFailure: () => undefined });
    closing.push(() => edge.stop(5_000));
    for (let i = 0; i < 5; i += 1) await edge.publish(items, { id: `${i}`, thing: 'one', at: Date.now() });
    await until(() => runtime.status().reduce((sum, { counters }) => sum + counters.records, 0) >= 10);
    await until(() => runtime.status().every(({ lastCommitAtMs }) => lastCommitAtMs > 0));
    await deleteBefore(kafka, items.topic, 2);
    const recording = recordWindow({
      app,
      connection: connectionTo(kafka),
      directory,
      writers: new WriterSchemas(),
      from: 'beginning',
      until: AbortSignal.abort(),
    });
    await expect(recording).rejects.toThrow(
      /folding\.first-0 has read removed\.items\/0 from offset 0 on, but retention has removed what was before 2/,
    );
  });

  it('is refused where the parameters were changed in it', async (context) => {
    const kafka = local.of(context);
    const app = { ...weirApp, name: 'changed' };
    const client = { ...connectionTo(kafka), source: '/tests/record' };
    const edge = await KafkaEdge.start({ client, group: 'none-either', onFailure: () => undefined });
    closing.push(() => edge.stop(5_000));
    for (const holdDownMs of [700, 800]) {
      const runtime = await run(kafka, { app, parameters: { 'migration.device-failover': { holdDownMs } } });
      const commits = (): number =>
        runtime
          .status()
          .filter(({ task }) => task === 'migration.device-failover-0')
          .reduce((sum, task) => sum + task.commits, 0);
      // Some key of these is in its partition.
      for (let i = 0; i < 30; i += 1) await edge.publish(linkStates, linkState(i, Date.now()));
      await until(() => commits() > 0);
      await runtime.stop(5_000);
    }
    const recording = recordWindow({
      app,
      connection: connectionTo(kafka),
      directory,
      writers: new WriterSchemas(),
      from: 'beginning',
      until: AbortSignal.abort(),
    });
    await expect(recording).rejects.toThrow(
      /migration\.device-failover runs with other parameters .*"holdDownMs":800.* than before .*"holdDownMs":700/,
    );
  });
});

async function deleteBefore(kafka: LocalKafka, topic: string, offset: number): Promise<void> {
  const admin = clientOf(kafka).admin();
  await admin.connect();
  try {
    // kafkajs knows the leaders of what it was asked about before.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
  } finally {
    await admin.disconnect();
  }
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAtMs = performance.now() + 60_000;
  while (!(await isSo())) {
    if (performance.now() > giveUpAtMs) throw new Error('not in 60 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
