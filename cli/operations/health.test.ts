import { describe, expect, it } from 'vitest';
import { liveness, readiness, SinkWatch, sinkStallMs, type RunPhase, type ServerStates } from './health.ts';
import { runStatus, tableStatus, taskStatus, workerStatus } from './status.fixture.ts';

const up = { isUp: true, sinceMs: 0, tookMs: 1 } as const;
const down = { isUp: false, sinceMs: 0, tookMs: 3_000, reason: 'no answer within 3000 ms' } as const;
const unknown = { isUp: undefined, sinceMs: 0, tookMs: 0 } as const;
const servers = (
  kafka: typeof up | typeof down | typeof unknown = up,
  clickhouse: typeof up | typeof down = up,
): ServerStates =>
  new Map([
    ['kafka', kafka],
    ['clickhouse', clickhouse],
  ]);
const running = runStatus([workerStatus({ tasks: [taskStatus()] })]);

const live = (status: typeof running, sink = new SinkWatch()) => liveness(status, sink);
const ready = (status: typeof running | undefined, states = servers(), phase: RunPhase = 'running') =>
  readiness(phase, status, states, new SinkWatch(), 5_500);

describe('liveness', () => {
  it('fails for a loop that stands still, and says which', () => {
    const stalled = runStatus([workerStatus(), workerStatus({ worker: 1, stalledMs: 12_345 })]);
    expect(live(stalled)).toEqual({
      status: 'failing',
      problems: [{ part: 'worker 1', reason: expect.stringContaining('has not turned for 12 s') as string }],
    });
  });

  it('fails for a start that does not end', () => {
    expect(live(runStatus([workerStatus({ isReady: false, stalledMs: 61_000 })])).status).toBe('failing');
  });

  const failed = taskStatus({ phase: 'failed', error: new Error('a bug') });
  it.each([
    ['a run that works', running],
    [
      'a worker that is started again',
      runStatus([workerStatus({ pid: undefined, stalledMs: 60_000, isReady: false })]),
    ],
    [
      'a worker that starts while Kafka is away',
      runStatus([workerStatus({ isReady: false, stalledMs: 25_000 })]),
    ],
    ['a restore', runStatus([workerStatus({ isReady: false, tasks: [taskStatus({ phase: 'restoring' })] })])],
    ['a task that failed for good', runStatus([workerStatus({ isReady: false, tasks: [failed] })])],
  ])('is not touched by %s', (_, status) => {
    expect(live(status)).toEqual({ status: 'ok', problems: [] });
  });

  it('is there before the run', () => {
    expect(liveness(undefined, new SinkWatch()).status).toBe('ok');
  });
});

describe('a sink that is watched', () => {
  const later = sinkStallMs + 1_000;
  function watched(
    steps: readonly [atMs: number, parts: Parameters<typeof tableStatus>[0], states?: ServerStates][],
  ) {
    const sink = new SinkWatch();
    for (const [atMs, parts, states = servers()] of steps) sink.observe([tableStatus(parts)], states, atMs);
    return liveness(undefined, sink);
  }

  it('is dead when records wait, nothing moves and both servers answer', () => {
    const { status, problems } = watched([
      [0, { rows: 5, lag: 3 }],
      [later, { rows: 5, lag: 9 }],
    ]);
    expect(status).toBe('failing');
    expect(problems[0]).toMatchObject({ part: 'table t' });
  });

  it.each([
    ['moves', { rows: 6, lag: 9 }, servers()],
    ['is at its end', { rows: 5, lag: 0 }, servers()],
    ['repeats what ClickHouse refuses', { rows: 5, lag: 9, retries: 1 }, servers()],
    ['has no Kafka', { rows: 5, lag: 9 }, servers(down)],
    ['has no ClickHouse', { rows: 5, lag: 9 }, servers(up, down)],
    ['has had no answer yet', { rows: 5, lag: 9 }, servers(unknown)],
  ])('is alive while it %s', (_, parts, states) => {
    expect(
      watched([
        [0, { rows: 5, lag: 3 }],
        [later, parts, states],
      ]).status,
    ).toBe('ok');
  });
});

const unanswered = (unansweredMs: number, partition: number) => ({
  topic: 'a.in',
  partition,
  position: 5,
  end: 9,
  unansweredMs,
});

describe('readiness', () => {
  it('is there when everything runs', () => {
    expect(ready(running)).toEqual({ status: 'ok', problems: [] });
  });

  const restoring = taskStatus({ phase: 'restoring' });
  it.each([
    ['before the run', undefined, servers(), 'starting', 'run', 'being started'],
    ['at the end', running, servers(), 'stopping', 'run', 'being stopped'],
    ['without Kafka', running, servers(down), 'running', 'kafka', 'for 5 s: no answer within 3000 ms'],
    ['without ClickHouse', running, servers(up, down), 'running', 'clickhouse', 'no answer'],
    ['before the first answer', running, servers(unknown), 'running', 'kafka', 'not answered yet'],
    [
      'during a restore',
      runStatus([workerStatus({ isReady: false, tasks: [restoring, taskStatus()] })]),
      servers(),
      'running',
      'worker 0',
      'restoring: 1, of 2 tasks',
    ],
    [
      'without a group',
      runStatus([workerStatus({ isReady: false })]),
      servers(),
      'running',
      'worker 0',
      'not been given its share',
    ],
    [
      'without a worker',
      runStatus([workerStatus({ pid: undefined, restarts: 2 })]),
      servers(),
      'running',
      'worker 0',
      'started again (2 times',
    ],
    [
      'with a loop that stands still',
      runStatus([workerStatus({ stalledMs: 20_000 })]),
      servers(),
      'running',
      'worker 0',
      'not turned for 20 s',
    ],
    [
      'with an input that no broker answers for',
      runStatus([
        workerStatus({ tasks: [taskStatus({ inputs: [40_000, 29_000, 41_000].map(unanswered) })] }),
      ]),
      servers(),
      'running',
      'worker 0',
      'no broker has answered for a.in/0 for 40 s, and for 1 more',
    ],
    [
      'with a task that failed',
      runStatus([
        workerStatus({
          isReady: false,
          tasks: [taskStatus({ phase: 'failed', error: { code: 'handler-bug', message: 'it broke' } })],
        }),
      ]),
      servers(),
      'running',
      'task p-0',
      'it failed for good: it broke',
    ],
  ] as const)('is missing %s, and says why', (_, status, states, phase, part, reason) => {
    const { status: is, problems } = ready(status, states, phase);
    expect(is).toBe('failing');
    expect(problems).toEqual([{ part, reason: expect.stringContaining(reason) as string }]);
  });

  it('tells no more than 50 problems, in few words each', () => {
    const tasks = Array.from({ length: 60 }, (_, partition) =>
      taskStatus({ partition, phase: 'failed', error: new Error('x'.repeat(5_000)) }),
    );
    const health = ready(runStatus([workerStatus({ tasks })]));
    expect(health.problems).toHaveLength(50);
    expect(health.more).toBe(10);
    expect(JSON.stringify(health).length).toBeLessThan(20_000);
  });
});
