import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NewRecord } from './log.ts';
import { MemoryLog } from './memory-log.ts';
import { partitionOf } from './murmur2.ts';

function record(topic: string, text: string, partition?: number): NewRecord {
  return {
    topic,
    key: Buffer.from(text),
    value: Buffer.from(text),
    timestampMs: 0,
    headers: {},
    ...(partition === undefined ? {} : { partition }),
  };
}

function logWith(partitions: number, ...groups: string[]): MemoryLog {
  const log = new MemoryLog();
  log.createTopic('t', partitions);
  for (const group of groups) log.subscribe(group, 't');
  return log;
}

const texts = (log: MemoryLog, partition = 0, from = 0): string[] =>
  log.read('t', partition, from, Infinity).map(({ value }) => String(value));

const never = new AbortController().signal;

/** Whether a promise has settled after everything that is under way has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  promise.then(note, note);
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe('partitions and offsets', () => {
  test("a key decides the partition as Kafka's Java client does, a given partition overrides it", () => {
    const log = logWith(5, 'g');
    for (let i = 0; i < 50; i += 1) log.append([record('t', `key-${i}`)]);
    for (let p = 0; p < 5; p += 1) {
      for (const text of texts(log, p)) expect(partitionOf(Buffer.from(text), 5)).toBe(p);
    }
    const before = log.endOffset('t', 4);
    log.append([record('t', 'key-0', 4)]);
    expect(log.endOffset('t', 4)).toBe(before + 1);
  });

  test('records without a key go round the partitions', () => {
    const log = logWith(3, 'g');
    log.append(Array.from({ length: 9 }, () => ({ ...record('t', 'x'), key: null })));
    expect([0, 1, 2].map((p) => log.endOffset('t', p))).toEqual([3, 3, 3]);
  });

  test('offsets go on from those of an earlier run, also while nobody reads', () => {
    const log = new MemoryLog();
    log.createTopic('t', 2, [100]);
    log.append([record('t', 'unread', 0)]);
    log.subscribe('g', 't');
    log.append([record('t', 'read', 0), record('t', 'other', 1)]);
    expect(log.read('t', 0, 101, 9).map(({ offset }) => offset)).toEqual([101]);
    expect(log.read('t', 1, 0, 9).map(({ offset }) => offset)).toEqual([0]);
    expect(() => log.read('t', 0, 100, 9)).toThrow('t/0: offset 100 is freed; the first held is 101');
    expect(log.heldBytes).toBeGreaterThan(0);
  });

  test('a topic made twice with the same partitions is one topic, with others an error', () => {
    const log = logWith(2, 'g');
    log.append([record('t', 'a', 1)]);
    log.createTopic('t', 2, [7, 7]);
    expect(log.endOffset('t', 1)).toBe(1);
    expect(() => {
      log.createTopic('t', 3);
    }).toThrow("'t' has 2 partitions, not 3");
  });

  test.each<[string, NewRecord]>([
    ['an unknown topic', record('nowhere', 'x')],
    ['an unknown partition', record('t', 'x', 2)],
    ['a negative partition', record('t', 'x', -1)],
    ['half a partition', record('t', 'x', 0.5)],
  ])('of an append to several topics with %s nothing is visible', (_, bad) => {
    const log = logWith(2, 'g');
    log.createTopic('u', 1);
    log.subscribe('g', 'u');
    const heard: string[] = [];
    log.onAppend((topic) => heard.push(topic));
    expect(() => {
      log.append([record('t', 'a', 0), record('u', 'b'), bad, record('t', 'c', 1)]);
    }).toThrow(/no topic|no partition/);
    expect([log.endOffset('t', 0), log.endOffset('t', 1), log.endOffset('u', 0)]).toEqual([0, 0, 0]);
    expect(heard).toEqual([]);
    expect(log.heldBytes).toBe(0);
  });

  test('listeners hear of an append once all of it can be read, until they stop', () => {
    const log = logWith(2, 'g');
    const heard: unknown[] = [];
    const stop = log.onAppend((topic, partition) =>
      heard.push([topic, partition, log.endOffset('t', 0) + log.endOffset('t', 1)]),
    );
    log.append([record('t', 'a', 0), record('t', 'b', 1)]);
    stop();
    log.append([record('t', 'c', 0)]);
    expect(heard).toEqual([
      ['t', 0, 2],
      ['t', 1, 2],
    ]);
  });
});

describe('groups and retention', () => {
  test('a record is held until the slowest group has committed past it', () => {
    const log = logWith(1, 'fast', 'slow');
    log.append(['a', 'b', 'c'].map((text) => record('t', text)));
    log.commit('fast', 't', 0, 3, 'meta');
    expect(texts(log)).toEqual(['a', 'b', 'c']);
    log.commit('slow', 't', 0, 2);
    expect(texts(log, 0, 2)).toEqual(['c']);
    expect(() => log.read('t', 0, 1, 1)).toThrow('freed');
    log.unsubscribe('slow', 't');
    expect(log.heldBytes).toBe(0);
    expect(log.endOffset('t', 0)).toBe(3);
    expect(log.committed('fast', 't', 0)).toEqual({ offset: 3, metadata: 'meta' });
    expect(log.committed('slow', 't', 0)).toBeUndefined();
  });

  test('a partition that every group has given up holds nothing, now or later', () => {
    const log = logWith(2, 'g', 'h');
    log.append([record('t', 'a', 0), record('t', 'b', 1)]);
    log.abandon('g', 't', 0);
    log.abandon('g', 't', 0);
    expect(texts(log, 0)).toEqual(['a']);
    log.abandon('h', 't', 0);
    log.commit('g', 't', 1, 1);
    log.commit('h', 't', 1, 1);
    expect(log.heldBytes).toBe(0);
    for (let i = 0; i < 100; i += 1) log.append([record('t', 'x', 0)]);
    expect(log.heldBytes).toBe(0);
    expect(log.endOffset('t', 0)).toBe(101);
    log.append([record('t', 'c', 1)]);
    expect(texts(log, 1, 1)).toEqual(['c']);
    expect(() => {
      log.commit('g', 't', 0, 5);
    }).toThrow("group 'g' has given up t/0");
    log.unsubscribe('g', 't');
    log.unsubscribe('h', 't');
    expect(log.heldBytes).toBe(0);
  });

  test('commits of a stranger and of a partition that does not exist are refused', () => {
    const log = logWith(1, 'g');
    expect(() => {
      log.commit('stranger', 't', 0, 1);
    }).toThrow("'stranger' does not read topic 't'");
    expect(() => {
      log.commit('g', 't', 1, 1);
    }).toThrow("'t' has no partition 1");
  });

  test('what is held is what some group still has to read, whatever is written and committed', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('append' as const), count: fc.integer({ min: 1, max: 900 }) }),
      fc.record({
        do: fc.constant('commit' as const),
        group: fc.constantFrom('g', 'h'),
        by: fc.integer({ min: 0, max: 900 }),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const log = logWith(1, 'g', 'h');
        const positions = { g: 0, h: 0 };
        let end = 0;
        for (const one of steps) {
          if (one.do === 'append') {
            log.append(Array.from({ length: one.count }, (_, i) => record('t', String(end + i))));
            end += one.count;
          } else {
            const group = one.group === 'g' ? 'g' : 'h';
            positions[group] = Math.min(end, positions[group] + one.by);
            log.commit(group, 't', 0, positions[group]);
          }
          const first = Math.min(positions.g, positions.h);
          const held = log.read('t', 0, first, Infinity);
          expect(held.length).toBe(end - first);
          expect(held[0]?.offset ?? end).toBe(first);
          expect(String(held.at(-1)?.value ?? end - 1)).toBe(String(end - 1));
          expect(log.heldBytes > 0).toBe(end > first);
          expect(log.endOffset('t', 0)).toBe(end);
        }
      }),
      { numRuns: 40 },
    );
  });

  test('what an earlier run left for one group is read by that group only, and offsets go on behind it', () => {
    const log = new MemoryLog();
    log.createTopic('t', 1, [50]);
    const left = [7, 8].map((offset) => ({ offset, ...record('t', `kept-${offset}`) }));
    log.restore('sink', 't', 0, { offset: 7, metadata: 'promise' }, left);
    log.subscribe('task', 't');
    log.append([record('t', 'new')]);
    expect(log.committed('sink', 't', 0)).toEqual({ offset: 7, metadata: 'promise' });
    expect(log.committed('task', 't', 0)?.offset).toBe(9);
    expect(texts(log, 0, 7)).toEqual(['kept-7', 'kept-8', 'new']);
  });
});

describe('a partition as a sink reads it', () => {
  test('it registers its group, reads in pieces, and keeps position and metadata', async () => {
    const log = logWith(2);
    const source = log.source('sink', 't', 1);
    log.append(['a', 'b', 'c'].map((text) => record('t', text, 1)));
    expect(await source.committed()).toEqual({ offset: 0, metadata: '' });
    expect((await source.read(0, 2)).map(({ value }) => String(value))).toEqual(['a', 'b']);
    expect(await source.endOffset()).toBe(3);
    await source.commit(2, 'to 3');
    expect(await source.committed()).toEqual({ offset: 2, metadata: 'to 3' });
    expect((await source.read(2, 9)).map(({ offset }) => offset)).toEqual([2]);
    expect(await source.read(3, 9)).toEqual([]);
  });

  test.each<[string, (log: MemoryLog, abort: AbortController) => void]>([
    [
      'something is written there',
      (log) => {
        log.append([record('t', 'x', 0)]);
      },
    ],
    [
      'the signal aborts',
      (_, abort) => {
        abort.abort();
      },
    ],
    [
      'the log closes',
      (log) => {
        log.close();
      },
    ],
  ])('waiting for data ends when %s', async (_, act) => {
    const log = logWith(2, 'g');
    const abort = new AbortController();
    const waiting = log.source('g', 't', 0).waitForData(0, abort.signal);
    log.append([record('t', 'elsewhere', 1)]);
    expect(await isSettled(waiting)).toBe(false);
    act(log, abort);
    expect(await isSettled(waiting)).toBe(true);
  });

  test('waiting does not begin when there is data, the signal has aborted or the log is closed', async () => {
    const log = logWith(1, 'g');
    log.append([record('t', 'x')]);
    expect(await isSettled(log.waitForData('t', 0, 0, never))).toBe(true);
    expect(await isSettled(log.waitForData('t', 0, 1, AbortSignal.abort()))).toBe(true);
    log.close();
    expect(await isSettled(log.waitForData('t', 0, 1, never))).toBe(true);
    expect(texts(log)).toEqual(['x']);
  });
});

describe('back-pressure', () => {
  const full = (): MemoryLog => {
    const log = new MemoryLog({ maxBytes: 1_000 });
    log.createTopic('t', 1);
    log.subscribe('g', 't');
    log.append([record('t', '0'), record('t', '1'), record('t', '2')]);
    return log;
  };

  test('a write waits while the log is full and goes on as soon as there is room; an append never waits', async () => {
    const log = full();
    const write = log.write([record('t', 'waited')]);
    expect(await isSettled(write)).toBe(false);
    log.append([record('t', 'at once')]);
    log.commit('g', 't', 0, 1);
    expect(await isSettled(write)).toBe(false);
    log.commit('g', 't', 0, 3);
    await write;
    expect(texts(log, 0, 3)).toEqual(['at once', 'waited']);
  });

  test('writers that wait do not all rush in at once', async () => {
    const log = full();
    const writes = Array.from({ length: 10 }, (_, i) => log.write([record('t', `w${i}`)]));
    log.commit('g', 't', 0, 3);
    await isSettled(Promise.all(writes));
    expect(log.heldBytes).toBeLessThanOrEqual(1_500);
    for (let i = 0; i < 10; i += 1) {
      log.commit('g', 't', 0, log.endOffset('t', 0));
      await isSettled(Promise.all(writes));
    }
    await Promise.all(writes);
    expect(log.endOffset('t', 0)).toBe(13);
  });

  test('a group that leaves makes room', async () => {
    for (const leave of [
      (log: MemoryLog) => {
        log.unsubscribe('g', 't');
      },
      (log: MemoryLog) => {
        log.abandon('g', 't', 0);
      },
    ]) {
      const log = full();
      const write = log.write([record('t', 'x')]);
      leave(log);
      await write;
      expect(log.heldBytes).toBe(0);
    }
  });

  test('closing refuses writes, those that wait too', async () => {
    const log = full();
    const write = log.write([record('t', 'x')]);
    log.close();
    await expect(write).rejects.toMatchObject({ code: 'log-closed' });
    await expect(log.write([])).rejects.toMatchObject({ code: 'log-closed' });
    expect(() => {
      log.append([record('t', 'x')]);
    }).toThrow('closed');
  });
});
