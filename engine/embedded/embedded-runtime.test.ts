import { afterEach, describe, expect, test } from 'vitest';
import { eventCodec } from '../codec/event-codec.ts';
import { WriterSchemas } from '../codec/writer-schemas.ts';
import { type Clock, systemClock } from '../log/clock.ts';
import { MemoryLog } from '../log/memory-log.ts';
import {
  alarms,
  others,
  readings,
  readingsApp,
  readingStream,
  sumState,
  summing,
  type Reading,
} from '../task/readings.fixture.ts';
import { TaskCore } from '../task/task-core.ts';
import type { App } from '../topology/app.ts';
import { input, processor, urgent, type Processor } from '../topology/processor.ts';
import { EmbeddedEdge } from './embedded-edge.ts';
import { EmbeddedRuntime, type EmbeddedRuntimeOptions } from './embedded-runtime.ts';
import { TaskRunner } from './task-runner.ts';

const relayed = readingStream('test.relayed');
const relayedAgain = readingStream('test.relayed-again');

/** Passes readings on, `times` times each; `n` 666 is a bug. */
function relay(
  name: string,
  from: typeof readings,
  to: typeof readings,
  { times = 1, isUrgent = false }: { times?: number; isUrgent?: boolean } = {},
): Processor {
  return processor({
    name,
    inputs: { from: input(from, { maxAheadMs: 1e12 }) },
    outputs: { to: isUrgent ? urgent(to) : to },
    state: { schema: sumState, version: 1, initial: () => ({ sum: 0 }) },
    on: {
      from: (state, event) => {
        if (event.n === 666) throw new Error('a bug');
        return {
          state: { sum: state.sum + 1 },
          emit: Array.from({ length: times }, () => ({ to: 'to' as const, value: event })),
        };
      },
    },
    late: 'handle',
  });
}

const chain: App = {
  name: 'test',
  streams: [readings, relayed, relayedAgain],
  processors: [relay('test.first', readings, relayed), relay('test.second', relayed, relayedAgain)],
};

interface Run {
  readonly log: MemoryLog;
  readonly edge: EmbeddedEdge;
  readonly runtime: EmbeddedRuntime;
  readonly errors: [string, unknown][];
  readonly of: (topic: string) => Reading[];
}

const running: EmbeddedRuntime[] = [];
afterEach(async () => {
  for (const runtime of running.splice(0)) await runtime.stop(1_000);
});

function run(
  app: App,
  options: Partial<EmbeddedRuntimeOptions> & { maxBytes?: number; watch?: readonly string[] } = {},
): Run {
  const { maxBytes, watch = [], ...rest } = options;
  const log = new MemoryLog(maxBytes === undefined ? {} : { maxBytes });
  const writers = new WriterSchemas();
  const errors: [string, unknown][] = [];
  const runtime = new EmbeddedRuntime({
    app,
    log,
    writers,
    clock: systemClock,
    onTaskError: (task, error) => errors.push([task, error]),
    ...rest,
  });
  running.push(runtime);
  for (const topic of watch) log.subscribe('watcher', topic);
  const codec = eventCodec<Reading>(readings, writers);
  return {
    log,
    runtime,
    errors,
    edge: new EmbeddedEdge(log, writers, () => undefined),
    of: (topic) => {
      const seen: Reading[] = [];
      for (let p = 0; p < log.partitionCount(topic); p += 1) {
        for (const { value } of log.read(topic, p, 0, Infinity)) seen.push(codec.decode(value!));
      }
      return seen;
    },
  };
}

async function until(condition: () => boolean, timeoutMs = 50_000): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error('it did not come to be in time');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

const now = (): number => Date.now();

/** A clock that stands still until it is moved on. */
function manualClock(): { readonly clock: Clock; readonly pass: (ms: number) => void } {
  let nowMs = 1e6;
  return {
    clock: {
      wallMs: now,
      monotonicMs: () => nowMs,
      sleep: (durationMs, signal) => {
        const endMs = nowMs + durationMs;
        return until(() => nowMs >= endMs || signal?.aborted === true);
      },
    },
    pass: (ms) => void (nowMs += ms),
  };
}

describe('commits', () => {
  test('an urgent output is visible at once, another one at the commit interval', async () => {
    const app: App = {
      name: 'test',
      streams: [readings, others, relayed, alarms],
      processors: [
        relay('test.plain', readings, relayed),
        relay('test.urgent', others, alarms, { isUrgent: true }),
      ],
    };
    let commits = 0;
    const { clock, pass } = manualClock();
    const { log, edge, runtime } = run(app, {
      clock,
      commitIntervalMs: 1_000,
      watch: ['test.relayed', 'test.alarms'],
      onCommit: ({ processor: { name } }) => {
        if (name === 'test.plain') commits += 1;
      },
    });
    runtime.start();
    await until(() => commits === 1); // the next one is an interval away
    await edge.publish(readings, { id: 'a', at: now(), n: 1 });
    for (const alarm of [1, 2]) {
      await edge.publish(others, { id: 'a', at: now(), n: 1 });
      await until(() => log.endOffset('test.alarms', 0) === alarm);
      expect([log.endOffset('test.relayed', 0), commits]).toEqual([0, 1]);
      pass(alarm === 1 ? 999 : 1);
    }
    await until(() => log.endOffset('test.relayed', 0) === 1);
    expect(commits).toBe(2);
  });

  test('wall time reaches the tasks without any event, so quiet streams close what is open', async () => {
    const quiet: Processor = {
      ...summing,
      inputs: { readings: input(readings, { idleAfterMs: 50 }), others: input(others, { idleAfterMs: 50 }) },
      on: {
        ...summing.on,
        readings: (_, event) => ({
          state: { sum: 4 },
          timers: [{ set: 'close', atMs: (event as Reading).at + 30 }],
        }),
      },
    };
    const { log, edge, runtime } = run(
      { ...readingsApp, processors: [quiet] },
      { commitIntervalMs: 10, tickIntervalMs: 10, watch: ['test.sums'] },
    );
    runtime.start();
    await edge.publish(readings, { id: 'a', at: now(), n: 4 });
    await until(() => log.endOffset('test.sums', 0) === 1);
  });
});

describe('a bug', () => {
  test('stops its own task only, is told once, and its inputs no longer hold the log', async () => {
    const spread = { ...readings, partitions: 4 };
    const out = { ...relayed, partitions: 4 };
    const app: App = {
      name: 'test',
      streams: [spread, out, relayedAgain],
      processors: [relay('test.first', spread, out)],
    };
    const { log, edge, runtime, errors, of } = run(app, { commitIntervalMs: 5, watch: ['test.relayed'] });
    runtime.start();
    const ids = Array.from({ length: 40 }, (_, i) => `thing-${i}`);
    for (const id of ids) await edge.publish(spread, { id, at: now(), n: 1 });
    await until(() => of('test.relayed').length === 40);
    await edge.publish(spread, { id: 'thing-0', at: now(), n: 666 });
    await until(() => errors.length > 0);
    for (let round = 0; round < 5; round += 1) {
      for (const id of ids) await edge.publish(spread, { id, at: now(), n: 2 });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(await runtime.stop(30_000)).toBe(true);
    expect(errors.map(([task]) => task)).toEqual([runtime.errors[0]?.task]);
    expect(String(errors[0]?.[1])).toMatch(
      /a handler threw at test\.readings\/\d\/\d+ \(key 'thing-0'\): a bug/,
    );
    const alive = new Set(
      of('test.relayed')
        .filter(({ n }) => n === 2)
        .map(({ id }) => id),
    );
    expect(alive.size).toBeGreaterThan(20);
    expect(alive.has('thing-0')).toBe(false);
    expect(of('test.relayed').filter(({ n }) => n === 2).length).toBe(alive.size * 5);
    log.unsubscribe('watcher', 'test.relayed');
    expect(log.heldBytes).toBe(0);
  });

  test('what a task did since its last commit is not visible when it stops', async () => {
    const { edge, runtime, of, errors } = run(chain, { watch: ['test.relayed'] });
    for (const n of [1, 2, 666, 3]) await edge.publish(readings, { id: 'a', at: now(), n });
    await runtime.stop(1_000);
    expect(of('test.relayed')).toEqual([]);
    expect(errors.length).toBe(1);
  });

  test('a failed urgent commit stops the task with its own error, and nothing is fed after it', () => {
    const log = new MemoryLog();
    for (const topic of ['test.readings', 'test.relayed']) log.createTopic(topic, 1);
    const writers = new WriterSchemas();
    const urgentRelay = relay('test.first', readings, relayed, { isUrgent: true });
    const core = new TaskCore({ processor: urgentRelay, partition: 0, writers });
    const runner = new TaskRunner(core, 'test', log);
    const value = eventCodec(readings, writers).encode({ id: 'a', at: 1, n: 1 });
    const record = { topic: 'test.readings', key: Buffer.from('a'), value, timestampMs: 1, headers: {} };
    log.append([record, record, record]);
    runner.tick(1, 0);
    log.close();
    expect(runner.pump(100, 0)).toBe(1);
    expect(runner.error).toMatchObject({ code: 'log-closed' });
    expect(core.counters.records).toBe(1);
    expect(runner.pump(100, 1)).toBe(0);
    runner.tick(2, 1);
    runner.commit(1);
    expect(runner.error).toMatchObject({ code: 'log-closed' });
    expect(log.heldBytes).toBe(0);
  });

  test('a tick that fires very many timers at once is no bug', () => {
    const log = new MemoryLog();
    for (const topic of ['test.readings', 'test.relayed']) log.createTopic(topic, 1);
    log.subscribe('watcher', 'test.relayed');
    const writers = new WriterSchemas();
    const manyAtOnce: Processor = {
      ...relay('test.first', readings, relayed),
      on: { from: (_, __, at) => ({ timers: [{ set: 'out', atMs: at.wallMs + 5 }] }) },
      timers: {
        out: {
          clock: 'wall',
          fire: (_, at) => ({
            emit: Array.from({ length: 500 }, (__, n) => ({
              to: 'to',
              value: { id: at.key, at: at.eventTimeMs, n },
            })),
          }),
        },
      },
    };
    const runner = new TaskRunner(
      new TaskCore({ processor: manyAtOnce, partition: 0, writers }),
      'test',
      log,
    );
    const codec = eventCodec(readings, writers);
    log.append(
      Array.from({ length: 400 }, (_, i) => ({
        topic: 'test.readings',
        key: Buffer.from(`k${i}`),
        value: codec.encode({ id: `k${i}`, at: 1, n: 1 }),
        timestampMs: 1,
        headers: {},
      })),
    );
    runner.tick(1, 0);
    expect(runner.pump(1_000, 0)).toBe(400);
    runner.tick(100, 1);
    runner.commit(1);
    expect(runner.error).toBeUndefined();
    expect(log.endOffset('test.relayed', 0)).toBe(200_000);
  });
});

describe('the end', () => {
  test.each([true, false])(
    'stop takes all that is in the log through chains of processors (started: %s)',
    async (isStarted) => {
      const { log, edge, runtime, of } = run(chain, {
        commitIntervalMs: 60_000,
        watch: ['test.relayed-again'],
      });
      log.subscribe('watcher', 'weir.dead-letters');
      if (isStarted) runtime.start();
      for (let n = 0; n < 1_000; n += 1)
        await edge.publish(readings, { id: `thing-${n % 7}`, at: now(), n: 1 });
      if (isStarted) await until(() => (runtime.cores[0]?.counters.records ?? 0) === 1_000);
      expect(await runtime.stop(30_000)).toBe(true);
      expect(runtime.errors).toEqual([]);
      expect(of('test.relayed-again').length).toBe(1_000);
      const letters = Array.from({ length: log.partitionCount('weir.dead-letters') }, (_, p) =>
        log.endOffset('weir.dead-letters', p),
      );
      expect(letters.every((end) => end === 0)).toBe(true);
    },
  );

  test('stop gives up at its time-out when there is no end, and says so', async () => {
    const around: App = {
      name: 'test',
      streams: [readings, relayed],
      processors: [relay('test.first', readings, relayed), relay('test.back', relayed, readings)],
    };
    const { edge, runtime } = run(around);
    runtime.start();
    await edge.publish(readings, { id: 'a', at: now(), n: 1 });
    const startMs = performance.now();
    running.length = 0; // it never comes to rest
    expect(await runtime.stop(100)).toBe(false);
    expect(performance.now() - startMs).toBeLessThan(10_000);
  });

  test('drain lets the tasks go on afterwards', async () => {
    const { edge, runtime, of } = run(chain, { watch: ['test.relayed-again'] });
    runtime.start();
    await edge.publish(readings, { id: 'a', at: now(), n: 1 });
    expect(await runtime.drain(30_000)).toBe(true);
    expect(of('test.relayed-again').length).toBe(1);
    await edge.publish(readings, { id: 'a', at: now(), n: 2 });
    await until(() => of('test.relayed-again').length === 2);
  });

  test('an app that is not valid, or topics that do not fit it, are refused before anything starts', () => {
    expect(() => run({ ...chain, streams: [readings] })).toThrow('cannot start');
    const log = new MemoryLog();
    log.createTopic('test.readings', 3);
    expect(() => run(chain, { log })).toThrow("'test.readings' has 3 partitions, not 1");
  });
});

describe('back-pressure', () => {
  test('a slow reader makes publishers wait, and nothing is lost', async () => {
    const { log, edge, runtime } = run(chain, {
      maxBytes: 20_000,
      commitIntervalMs: 5,
      watch: ['test.relayed-again'],
    });
    const codec = eventCodec<Reading>(readings, new WriterSchemas());
    runtime.start();
    let published = 0;
    let mostHeld = 0;
    const publishing = (async () => {
      for (let n = 0; n < 600; n += 1) {
        await edge.publish(readings, { id: 'a', at: now(), n });
        published += 1;
      }
    })();
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(published).toBeLessThan(150);
    const seen: number[] = [];
    while (seen.length < 600) {
      const offset = log.committed('watcher', 'test.relayed-again', 0)!.offset;
      const records = log.read('test.relayed-again', 0, offset, 30);
      for (const { value } of records) seen.push(codec.decode(value!).n);
      log.commit('watcher', 'test.relayed-again', 0, offset + records.length);
      mostHeld = Math.max(mostHeld, log.heldBytes);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await publishing;
    expect(seen).toEqual(Array.from({ length: 600 }, (_, n) => n));
    expect(mostHeld).toBeLessThan(4 * 20_000);
  });

  test('outputs beyond what the log may hold do not stop the tasks that have to read them', async () => {
    const app: App = {
      ...chain,
      processors: [
        relay('test.first', readings, relayed, { times: 300 }),
        relay('test.second', relayed, relayedAgain),
      ],
    };
    const { edge, runtime, log } = run(app, { maxBytes: 10_000, commitIntervalMs: 5 });
    runtime.start();
    for (let n = 0; n < 20; n += 1) await edge.publish(readings, { id: 'a', at: now(), n });
    await until(() => log.endOffset('test.relayed-again', 0) === 6_000);
  });

  test('one write larger than the log may hold is still taken', async () => {
    const { edge, runtime, log } = run(chain, { maxBytes: 500, commitIntervalMs: 5, tickIntervalMs: 10 });
    await edge.publish(readings, { id: 'a', at: now(), n: 0 });
    const [record] = log.read('test.readings', 0, 0, 1);
    await log.write(Array.from({ length: 60 }, () => ({ topic: 'test.readings', ...record! })));
    runtime.start();
    await until(() => log.endOffset('test.relayed-again', 0) === 61);
  });
});

test('the loop gives way under load: others in the process are not kept waiting', async () => {
  const { log, edge, runtime } = run(chain);
  await edge.publish(readings, { id: 'a', at: now(), n: 0 });
  const [record] = log.read('test.readings', 0, 0, 1);
  log.append(Array.from({ length: 60_000 }, () => ({ topic: 'test.readings', ...record! })));
  const worst: number[] = [];
  let most = 0;
  let taken = 0;
  let beating = true;
  // Of the CPU: while another process has it nothing here can beat.
  let last = process.cpuUsage();
  const beat = (): void => {
    const { user, system } = process.cpuUsage(last);
    worst.push((user + system) / 1_000);
    last = process.cpuUsage();
    const takenNow = runtime.cores.reduce((sum, { counters }) => sum + counters.records, 0);
    most = Math.max(most, takenNow - taken);
    taken = takenNow;
    if (beating) setImmediate(beat);
  };
  setImmediate(beat);
  runtime.start();
  await until(() => log.endOffset('test.relayed-again', 0) === 60_001);
  beating = false;
  worst.sort((a, b) => a - b);
  // Single beats may be late for reasons not ours: what the garbage collector's threads do counts, too.
  expect(worst[Math.floor(worst.length * 0.99)]).toBeLessThan(50);
  expect(worst.length).toBeGreaterThan(100);
  // Two turns of two tasks.
  expect(most).toBeLessThanOrEqual(2 * 2 * 256);
});

test('sums of a busy run are complete: every reading is counted in exactly one sum', async () => {
  const { log, edge, runtime, of } = run(
    {
      ...readingsApp,
      processors: [{ ...summing, inputs: { readings }, on: { readings: summing.on['readings']! } }],
    },
    { commitIntervalMs: 7, watch: ['test.sums'] },
  );
  runtime.start();
  let total = 0;
  const base = now() - 200_000;
  for (let i = 0; i < 2_000; i += 1) {
    const n = i % 9;
    if (n !== 0) total += n;
    await edge.publish(readings, { id: `thing-${i % 11}`, at: base + i * 50, n });
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await edge.publish(readings, { id: 'last', at: base + 200_000, n: 0 });
  expect(await runtime.stop(30_000)).toBe(true);
  expect(of('test.sums').reduce((sum, { n }) => sum + n, 0)).toBe(total);
  expect(log.endOffset('test.alarms', 0)).toBe(0);
});
