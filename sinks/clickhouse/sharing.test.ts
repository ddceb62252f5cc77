/** What partitions share: memory, places, encoders. */
import { describe, expect, test } from 'vitest';
import { BytePool, FLOOR_BYTES } from './byte-pool.ts';
import { ConcurrencyLimit } from './concurrency-limit.ts';
import { EncoderPool } from './encoder-pool.ts';
import { everyType, everyTypeEvent } from './every-type.fixture.ts';
import { tableOf } from './tables.ts';

describe('BytePool', () => {
  test('gives each holder its floor, and no more than the pool to all together', () => {
    const pool = new BytePool(1000);
    expect(pool.resize(0, FLOOR_BYTES)).toBe(true);
    expect(pool.resize(FLOOR_BYTES, FLOOR_BYTES + 600)).toBe(true);
    expect(pool.resize(0, FLOOR_BYTES)).toBe(true);
    expect(pool.resize(FLOOR_BYTES, FLOOR_BYTES + 600)).toBe(false);
    expect(pool.resize(FLOOR_BYTES, FLOOR_BYTES + 400)).toBe(true);
    pool.resize(FLOOR_BYTES + 600, 0);
    expect(pool.resize(FLOOR_BYTES + 400, FLOOR_BYTES + 1000)).toBe(true);
  });
});

describe('ConcurrencyLimit', () => {
  test('runs so many at a time, in the order of their coming, and goes on after failures', async () => {
    const limit = new ConcurrencyLimit(2);
    let running = 0;
    let most = 0;
    const order: number[] = [];
    const work = (i: number) => async (): Promise<void> => {
      running += 1;
      most = Math.max(most, running);
      order.push(i);
      await new Promise((resolve) => setTimeout(resolve, 1));
      running -= 1;
      if (i % 3 === 0) throw new Error(String(i));
    };
    const all = await Promise.allSettled(Array.from({ length: 9 }, (_, i) => limit.run('one', work(i))));
    expect(most).toBe(2);
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(all.map(({ status }) => status === 'rejected')).toEqual([
      true,
      false,
      false,
      true,
      false,
      false,
      true,
      false,
      false,
    ]);
  });

  test('lets each owner begin one, however many of others do not end', async () => {
    const limit = new ConcurrencyLimit(2);
    const begun: string[] = [];
    const finish: (() => void)[] = [];
    const hang = (name: string) => (): Promise<void> => {
      begun.push(name);
      return new Promise((resolve) => finish.push(resolve));
    };
    const hanging = [1, 2, 3].map((i) => limit.run('a', hang(`a${i}`)));
    expect(begun).toEqual(['a1', 'a2']);
    // One at a time goes on, in the order of their coming.
    const names = ['b1', 'b2', 'b3'];
    await Promise.all(
      names.map((name) =>
        limit.run('b', () => {
          begun.push(name);
          return Promise.resolve();
        }),
      ),
    );
    expect(begun).toEqual(['a1', 'a2', ...names]);
    finish[0]!();
    await hanging[0];
    expect(begun.at(-1)).toBe('a3');
    for (const each of finish) each();
    await Promise.all(hanging);
  });

  test('lets the next of an owner begin when its only one ends, though another takes the place that is free', async () => {
    const limit = new ConcurrencyLimit(4);
    const begun: string[] = [];
    const finish = new Map<string, () => void>();
    const run = (name: string): Promise<void> =>
      limit.run(name[0], () => {
        begun.push(name);
        return new Promise<void>((resolve) => finish.set(name, resolve));
      });
    const all = ['z1', 'z2', 'z3', 'x1', 'z4', 'x2'].map(run);
    expect(begun).toEqual(['z1', 'z2', 'z3', 'x1']);
    finish.get('x1')!();
    await all[3];
    expect(begun.slice(4)).toEqual(['z4', 'x2']);
    for (const each of finish.values()) each();
    await Promise.all(all);
  });
});

describe('EncoderPool', () => {
  const table = tableOf(everyType, 'x');
  const record = { offset: 0, key: null, value: null, timestampMs: 0, headers: {} };

  test('hands out what came back, empty', () => {
    const pool = new EncoderPool(1e6);
    const encoder = pool.take(table);
    encoder.append([{ event: everyTypeEvent(1), record, deleted: false }]);
    pool.giveBack(table, encoder);
    expect(pool.take(table)).toBe(encoder);
    expect(encoder.rows).toBe(0);
    expect(pool.take(table)).not.toBe(encoder);
  });

  test('keeps no more memory than it may', () => {
    const pool = new EncoderPool(10);
    const encoder = pool.take(table);
    encoder.append([{ event: everyTypeEvent(1), record, deleted: false }]);
    pool.giveBack(table, encoder);
    expect(pool.take(table)).not.toBe(encoder);
  });

  test('counts the most that an encoder has held: it keeps that memory', () => {
    const encoder = new EncoderPool(1e9).take(table);
    const fill = (rows: number): void => {
      for (let i = 0; i < rows; i++) encoder.append([{ event: everyTypeEvent(1), record, deleted: false }]);
    };
    fill(1);
    const pool = new EncoderPool(10 * encoder.byteLength);
    encoder.clear();
    const isKeptWith = (rows: number): boolean => {
      fill(rows);
      pool.giveBack(table, encoder);
      return pool.take(table) === encoder;
    };
    expect(isKeptWith(1)).toBe(true);
    expect(isKeptWith(100)).toBe(false);
    expect(isKeptWith(1)).toBe(false);
  });
});
