/** Health of a sink that tells nothing for a while: a partition without a leader, say. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it, onTestFinished, vi } from 'vitest';
import { EngineError } from '#engine/engine-error.ts';
import type { SinkTableStatus } from '../kafka/run-status.ts';
import { startOperations } from './start-operations.ts';
import { tableStatus } from './status.fixture.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const noLeader = new EngineError('kafka-unreachable', 'a.t/0 has no leader', { retryable: true });

/** The status of /healthz after each answer of the sink, which come 50 s after one another. */
async function healthAfter(answers: readonly (SinkTableStatus | Error)[]): Promise<readonly number[]> {
  let nowMs = 1_000;
  let asked = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
  const server = await startOperations({
    host: '127.0.0.1',
    port: 0,
    version: '0',
    expected: [],
    run: () => ({
      startedAtMs: 0,
      workers: () => [],
      sink: async () => {
        const answer = answers[asked++]!;
        await sleep(1);
        if (answer instanceof Error) throw answer;
        return [answer];
      },
    }),
    phase: () => 'running',
    servers: {},
    onError: (error) => {
      throw error;
    },
  });
  onTestFinished(() => server.close());
  const statuses: number[] = [];
  while (statuses.length < answers.length) {
    await fetch(`${server.url}/healthz`);
    await sleep(20);
    nowMs += 1_000;
    statuses.push((await fetch(`${server.url}/healthz`)).status);
    nowMs += 49_000;
  }
  return statuses;
}

const still = tableStatus({ rows: 5, lag: 3 });

it('fails for a table that stands still', async () => {
  expect(await healthAfter([still, still, still, still, still])).toEqual([200, 200, 200, 200, 503]);
});

it('does not fail while the sink cannot tell, nor at once when it can again', async () => {
  const answers = [still, noLeader, noLeader, noLeader, noLeader, noLeader, still, still, still];
  expect(await healthAfter(answers)).toEqual(answers.map(() => 200));
});
