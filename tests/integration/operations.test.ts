/** Metrics and health of tasks on a real Kafka: what an operator and an orchestrator see of lag, restores, poison, standstill and outages. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CompressionTypes, Partitioners } from 'kafkajs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { weirApp } from '#cli/app.ts';
import type { WorkerStatus } from '#cli/kafka/run-status.ts';
import { Workers } from '#cli/kafka/workers.ts';
import type { Health, RunPhase } from '#cli/operations/health.ts';
import { valueIn, valuesIn } from '#cli/operations/parse-exposition.fixture.ts';
import { askKafka, startOperations, type OperationsConfig } from '#cli/operations/start-operations.ts';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { KafkaRuntime } from '#engine/kafka/driver/kafka-runtime.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import { taskCount } from '#engine/topology/app.ts';
import { foldingApp, type Item } from './folding.fixture.ts';
import { clientOf, kafkaForFile } from './kafka.fixture.ts';

const local = kafkaForFile();

/** Much longer than anything takes: a machine that is slow fails no test. */
const longMs = 90_000;

interface Watched {
  readonly metrics: () => Promise<string>;
  /** Status code and problems of `/healthz` or `/readyz`. */
  readonly health: (
    path: 'healthz' | 'readyz',
  ) => Promise<readonly [status: number, problems: Health['problems']]>;
}

async function watch(
  config: Pick<OperationsConfig, 'run' | 'phase' | 'servers' | 'expected'>,
): Promise<Watched> {
  const errors: unknown[] = [];
  const server = await startOperations({
    ...config,
    host: '127.0.0.1',
    port: 0,
    version: 'test',
    onError: (error) => errors.push(error),
  });
  onTestFinished(async () => {
    await server.close();
    expect(errors).toEqual([]);
  });
  return {
    metrics: async () => (await fetch(`${server.url}/metrics`)).text(),
    health: async (path) => {
      const response = await fetch(`${server.url}/${path}`);
      const { status, problems } = (await response.json()) as Health;
      expect(status).toBe(response.status === 200 ? 'ok' : 'failing');
      return [response.status, problems];
    },
  };
}

describe('a runtime that is watched', () => {
  it('shows lag that grows and falls, a poison record, and its restore', async (context) => {
    const kafka = local.of(context);
    const { app, items } = foldingApp('watched', 2);
    const connection = { brokers: kafka.bootstrapServers.split(',') };
    await ensureTopics(connection, plannedTopics(app));
    let runtime: KafkaRuntime | undefined;
    let phase: RunPhase = 'starting';
    const workers = (): WorkerStatus[] =>
      runtime === undefined
        ? []
        : [
            {
              worker: 0,
              pid: process.pid,
              restarts: 0,
              isReady: runtime.isReady,
              stalledMs: runtime.stalledMs,
              tasks: runtime.status(),
            },
          ];
    const { metrics, health } = await watch({
      run: () =>
        runtime === undefined
          ? undefined
          : { startedAtMs: Date.now(), workers, sink: () => Promise.resolve([]) },
      phase: () => phase,
      servers: { kafka: askKafka(connection) },
      expected: app.processors.map((processor) => ({
        processor: processor.name,
        tasks: taskCount(processor),
      })),
    });
    expect(await health('readyz')).toEqual([
      503,
      expect.arrayContaining([{ part: 'run', reason: expect.stringContaining('started') as string }]),
    ]);
    const start = async (): Promise<void> => {
      // A process that stands still for some seconds keeps its tasks: their counts are of one life.
      const sessionTimeoutMs = 60_000;
      runtime = await KafkaRuntime.start({ app, connection, writers: new WriterSchemas(), sessionTimeoutMs });
      phase = 'running';
      await expect.poll(() => health('readyz'), { timeout: longMs }).toEqual([200, []]);
    };
    await start();
    onTestFinished(async () => {
      await runtime?.stop(5_000);
    });
    /** undefined before the broker has told the ends of the inputs. */
    const lag = async (): Promise<number | undefined> =>
      valuesIn(await metrics(), 'weir_processor_lag_records', { processor: 'folding.first' })[0];
    await expect.poll(lag, { timeout: longMs }).toBe(0);
    const producer = clientOf(kafka).producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    const codec = eventCodec(items, new WriterSchemas());
    const send = (records: readonly { readonly key: string; readonly value: Buffer }[]): Promise<unknown> =>
      producer.send({
        topic: items.topic,
        compression: CompressionTypes.None,
        messages: records.map((one) => ({ ...one, partition: 0 })),
      });
    // Every tenth output of a key is urgent, so this takes some 500 commits: it can be seen behind.
    const count = 5_000;
    const all = Array.from({ length: count }, (_, i): Item => ({
      id: `i-${i}`,
      thing: `thing-${i % 50}`,
      at: Date.now(),
    }));
    await send(all.map((item) => ({ key: item.thing, value: codec.encode(item) })));
    await expect.poll(lag, { interval: 20, timeout: longMs }).toBeGreaterThan(1_000);
    await send([{ key: 'thing-0', value: Buffer.from('this is no record') }]);
    await producer.disconnect();
    await expect
      .poll(async () => valueIn(await metrics(), 'weir_dead_letters_total', { processor: 'folding.first' }), {
        timeout: longMs,
      })
      .toBe(1);
    await expect.poll(lag, { timeout: longMs }).toBe(0);
    // A broker that did not answer for a moment is asked again later.
    await expect.poll(async () => valueIn(await metrics(), 'weir_ready'), { timeout: longMs }).toBe(1);
    const text = await metrics();
    // What a transaction that was aborted held is done again.
    const aborts = valueIn(text, 'weir_commit_aborts_total', { processor: 'folding.first' });
    const processed = valueIn(text, 'weir_records_processed_total', { processor: 'folding.first' });
    if (aborts === 0) expect(processed).toBe(count + 1);
    else expect(processed).toBeGreaterThan(count + 1);
    expect(
      valueIn(text, 'weir_commit_duration_seconds_count', { processor: 'folding.first' }),
    ).toBeGreaterThan(0);
    expect(valueIn(text, 'weir_state_keys', { processor: 'folding.first', partition: '0' })).toBe(50);
    expect(valueIn(text, 'weir_tasks', { processor: 'folding.first', phase: 'running' })).toBe(2);
    expect(await runtime!.stop(30_000)).toBe(true);
    await start();
    const restored = await metrics();
    const goal = valueIn(restored, 'weir_restore_goal_offsets', {
      processor: 'folding.first',
      partition: '0',
    });
    expect(goal).toBeGreaterThanOrEqual(50);
    expect(
      valueIn(restored, 'weir_restore_done_offsets', { processor: 'folding.first', partition: '0' }),
    ).toBe(goal);
    // Counters of the new life are added to those of the old.
    expect(valueIn(restored, 'weir_records_processed_total', { processor: 'folding.first' })).toBe(processed);
  });
});

/** Weir's own workers, as `weir up` starts them, with the smallest of its processors. */
async function ownWorkers(
  brokers: readonly string[],
): Promise<{ readonly workers: Workers; readonly tasks: number }> {
  const processor = [...weirApp.processors].sort((a, b) => taskCount(a) - taskCount(b))[0]!;
  await ensureTopics({ brokers }, plannedTopics(weirApp));
  const stateDir = await mkdtemp(join(tmpdir(), 'weir-operations-'));
  const workers = Workers.start({
    kafka: { brokers },
    processors: [processor.name],
    parameters: {},
    truncatedInputs: 'stop',
    count: 1,
    stateDir,
    environment: { ...process.env },
    tasks: taskCount(processor),
    notes: { tell: () => undefined, trouble: () => undefined },
  });
  onTestFinished(async () => {
    await workers.stop(10_000);
    await rm(stateDir, { recursive: true });
  });
  return { workers, tasks: taskCount(processor) };
}

describe('workers that are watched', () => {
  it('are dead when one stands still, and unready but alive while the broker does', async (context) => {
    const kafka = local.of(context);
    const brokers = kafka.bootstrapServers.split(',');
    const { workers } = await ownWorkers(brokers);
    const { metrics, health } = await watch({
      run: () => ({
        startedAtMs: Date.now(),
        workers: () => workers.status(),
        sink: () => Promise.resolve([]),
      }),
      phase: () => 'running',
      servers: { kafka: askKafka({ brokers }) },
      expected: [],
    });
    await expect.poll(() => health('readyz'), { timeout: longMs, interval: 250 }).toEqual([200, []]);

    const broker = kafka.brokers[0]!;
    broker.pause();
    try {
      await expect
        .poll(() => health('readyz'), { timeout: longMs, interval: 250 })
        .toEqual([
          503,
          expect.arrayContaining([{ part: 'kafka', reason: expect.stringContaining('no answer') as string }]),
        ]);
      // Past the time after which the group gives the worker up, and that after which a loop counts as standing still.
      let lookedMs = performance.now();
      const untilMs = lookedMs + 15_000;
      while (lookedMs < untilMs) {
        const seen = await health('healthz');
        const sinceMs = performance.now() - lookedMs;
        lookedMs += sinceMs;
        // A machine that stood still itself has heard nothing of the worker meanwhile.
        if (sinceMs < 5_000) expect(seen).toEqual([200, []]);
        await sleep(500);
      }
      expect(valueIn(await metrics(), 'weir_server_up', { server: 'kafka' })).toBe(0);
    } finally {
      broker.resume();
    }
    await expect.poll(() => health('readyz'), { timeout: longMs, interval: 250 }).toEqual([200, []]);

    const pid = workers.status()[0]!.pid!;
    process.kill(pid, 'SIGSTOP');
    try {
      expect(await health('healthz')).toEqual([200, []]);
      const failing = [
        { part: 'worker 0', reason: expect.stringMatching(/has not turned for \d{2,} s/) as string },
      ];
      await expect.poll(() => health('healthz'), { timeout: longMs, interval: 250 }).toEqual([503, failing]);
      expect(Math.max(...valuesIn(await metrics(), 'weir_worker_loop_stall_seconds'))).toBeGreaterThan(10);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await expect.poll(() => health('healthz'), { timeout: longMs, interval: 250 }).toEqual([200, []]);
    await expect.poll(() => health('readyz'), { timeout: longMs, interval: 250 }).toEqual([200, []]);
  });
});
