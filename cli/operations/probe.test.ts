import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Probe, type Ask } from './probe.ts';

/** Much longer than anything takes. */
const patience = { timeout: 20_000 };

function probe(ask: Ask): Probe {
  const one = new Probe({ ask, everyMs: 10, timeoutMs: 60 });
  onTestFinished(() => {
    one.stop();
  });
  return one;
}

it('tells whether a server answers, and why not', async () => {
  let answer = (): Promise<void> => Promise.resolve();
  const one = probe(() => answer());
  expect(one.state.isUp).toBeUndefined();
  await vi.waitFor(() => {
    expect(one.state.isUp).toBe(true);
  }, patience);
  const { sinceMs } = one.state;
  answer = () => Promise.reject(new Error('refused'));
  await vi.waitFor(() => {
    expect(one.state).toMatchObject({ isUp: false, reason: 'refused' });
  }, patience);
  expect(one.state.sinceMs).toBeGreaterThan(sinceMs);
  answer = () => Promise.resolve();
  await vi.waitFor(() => {
    expect(one.state.isUp).toBe(true);
  }, patience);
  expect(one.state.reason).toBeUndefined();
});

it('gives up an answer that does not come, and tells the question so', async () => {
  const gaveUp: boolean[] = [];
  const one = probe((signal) => {
    signal.addEventListener('abort', () => gaveUp.push(true));
    return new Promise(() => undefined);
  });
  await vi.waitFor(() => {
    expect(one.state).toMatchObject({ isUp: false, reason: 'no answer within 60 ms' });
  }, patience);
  expect(gaveUp).not.toEqual([]);
});

it('asks nothing after its stop', async () => {
  let asked = 0;
  const one = probe(() => {
    asked += 1;
    return Promise.resolve();
  });
  await vi.waitFor(() => {
    expect(asked).toBeGreaterThan(1);
  }, patience);
  one.stop();
  const before = asked;
  await sleep(60);
  expect(asked).toBe(before);
});
