import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { flushOnExit } from './exit-flush.ts';

const signal = 'SIGTERM';
/** Much longer than anything takes; a second by default. */
const patience = { timeout: 30_000 };
/** Of the test runner. */
let others: NodeJS.SignalsListener[];
const told: string[] = [];
const undoing: (() => void)[] = [];

beforeEach(() => {
  others = process.listeners(signal);
  process.removeAllListeners(signal);
  vi.spyOn(process, 'kill').mockImplementation((_, name) => {
    told.push(`raised ${String(name)}`);
    return true;
  });
});

afterEach(() => {
  for (const undo of undoing.splice(0)) undo();
  expect(process.listenerCount(signal)).toBe(0);
  for (const other of others) process.on(signal, other);
  vi.restoreAllMocks();
  told.length = 0;
});

function hook(name: string, flush: () => Promise<void>): void {
  undoing.push(
    flushOnExit(async () => {
      await flush();
      told.push(name);
    }),
  );
}

it('a signal flushes every client and is then raised, once', async () => {
  hook('slow', () => sleep(20));
  hook('fast', () => Promise.resolve());
  hook('fails', () => Promise.reject(new Error('not all was delivered')));
  process.emit(signal, signal);
  await vi.waitUntil(() => told.includes(`raised ${signal}`), patience);
  expect(told).toEqual(['fast', 'slow', `raised ${signal}`]);
});

it('a signal that the program listens to, be it for once, is flushed and not raised', async () => {
  process.once(signal, () => told.push('program'));
  hook('client', () => sleep(5));
  process.emit(signal, signal);
  await sleep(20);
  expect(told).toEqual(['program', 'client']);
});

it('a client that was closed is not flushed, and others still are', async () => {
  hook('closed', () => Promise.resolve());
  hook('open', () => Promise.resolve());
  undoing.shift()!();
  process.emit(signal, signal);
  await vi.waitUntil(() => told.includes(`raised ${signal}`), patience);
  expect(told).toEqual(['open', `raised ${signal}`]);
});
