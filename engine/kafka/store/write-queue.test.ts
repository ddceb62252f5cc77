import { expect, test } from 'vitest';
import { EngineError } from '../../engine-error.ts';
import { WriteQueue, type Joined } from './write-queue.ts';

const failure = new EngineError('disk-full', 'no room');
const entry = (key: string): { key: Buffer; value: Buffer } => ({
  key: Buffer.from(key),
  value: Buffer.from(key),
});

/** A queue whose commits are let through one by one. */
function held(): { queue: WriteQueue; begun: Joined[]; next: (error?: EngineError) => Promise<void> } {
  const begun: Joined[] = [];
  const gates: ((error?: EngineError) => void)[] = [];
  const queue = new WriteQueue((joined) => {
    begun.push(joined);
    return new Promise((resolve, reject) => {
      gates.push((error) => {
        if (error === undefined) resolve();
        else reject(error);
      });
    });
  });
  const next = async (error?: EngineError): Promise<void> => {
    gates.shift()!(error);
    await new Promise(setImmediate);
  };
  return { queue, begun, next };
}

test('what comes while a transaction runs goes together into the next, with the newest offset', async () => {
  const { queue, begun, next } = held();
  const first = queue.write([entry('a')], 1);
  void queue.write([entry('b')], 2);
  void queue.write([entry('b'), entry('c')], undefined);
  const last = queue.write([], 3);
  expect(begun.map(({ offset }) => offset)).toEqual([1]);
  await next();
  await first;
  expect(begun.map(({ entries, offset }) => [[...entries.keys()], offset])).toEqual([
    [['a'], 1],
    [['b', 'c'], 3],
  ]);
  await next();
  await last;
  expect(queue.waiting).toEqual([]);
});

test('a transaction joins no more than some thousand entries, and splits no write', async () => {
  const { queue, begun, next } = held();
  const large = Array.from({ length: 10_000 }, (_, i) => entry(String(i)));
  for (const part of [
    large.slice(0, 1),
    large,
    large.slice(0, 3_000),
    large.slice(3_000, 5_000),
    large.slice(0, 7),
  ])
    void queue.write(part, undefined);
  for (let i = 0; i < 4; i += 1) await next();
  expect(begun.map(({ entries }) => entries.size)).toEqual([1, 10_000, 5_000, 7]);
});

test('after a failure every write, waiting or new, is refused with that failure, and none is tried', async () => {
  const { queue, begun, next } = held();
  const writes = [queue.write([entry('a')], 1), queue.write([entry('b')], 2)];
  const flushed = queue.flushed();
  await next(failure);
  for (const each of [...writes, flushed, queue.write([entry('c')], 3), queue.flushed()])
    await expect(each).rejects.toBe(failure);
  expect(begun).toHaveLength(1);
  expect(queue.failure).toBe(failure);
});

test('a failed write that nobody waits for ends no process', async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', note);
  const { queue, next } = held();
  void queue.write([entry('a')], 1);
  void queue.write([entry('b')], 1);
  await next(failure);
  void queue.write([entry('c')], 1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

test('writes wait for others to join them for the time given, unless somebody asks for them', async () => {
  const { queue, begun, next } = held();
  queue.joinMs = 60_000;
  void queue.write([entry('a')], 1);
  void queue.write([entry('b')], 2);
  expect(begun).toEqual([]);
  const flushed = queue.flushed();
  expect(begun.map(({ entries }) => entries.size)).toEqual([2]);
  await next();
  await flushed;
  void queue.write([entry('c')], 3);
  expect(begun).toHaveLength(1);
  queue.joinMs = 0;
  void queue.write([entry('d')], 4);
  expect(begun).toHaveLength(2);
});
