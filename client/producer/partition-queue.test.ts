import { describe, expect, it } from 'vitest';
import { ClientError } from '../client-error.ts';
import { PartitionQueue, type QueueLimits } from './partition-queue.ts';
import type { ProduceResult } from './requests.ts';

const limits: QueueLimits = {
  lingerMs: 10,
  maxBatchBytes: 1_000,
  deliveryTimeoutMs: 5_000,
  firstPauseMs: 100,
  longestPauseMs: 1_000,
  compression: 'none',
};
const first = { id: 1n, epoch: 0 };
const second = { id: 2n, epoch: 0 };

interface Bench {
  readonly queue: PartitionQueue;
  /** `n ok <offset>` or `n <code>`, in the order of settling. */
  readonly settled: string[];
  readonly errors: ClientError[];
  readonly add: (n: number, queuedAtMs?: number, bytes?: number) => void;
}

function bench(overrides: Partial<QueueLimits> = {}): Bench {
  const queue = new PartitionQueue('t', 0, { ...limits, ...overrides });
  const settled: string[] = [];
  const errors: ClientError[] = [];
  return {
    queue,
    settled,
    errors,
    add: (n, queuedAtMs = 0, bytes = 100) => {
      queue.add({
        key: Buffer.from('k'),
        value: Buffer.from(String(n)),
        timestampMs: n,
        headers: {},
        bytes,
        queuedAtMs,
        acknowledge: ({ offset }) => settled.push(`${n} ok ${offset}`),
        reject: (error: ClientError) => {
          settled.push(`${n} ${error.code}`);
          errors.push(error);
        },
      });
    },
  };
}

const result = (errorCode: number, more: Partial<ProduceResult> = {}): ProduceResult => ({
  topic: 't',
  partition: 0,
  errorCode,
  baseOffset: errorCode === 0 ? 40 : -1,
  recordErrors: [],
  message: '',
  ...more,
});

const sequenceOf = (bytes: Buffer): number => bytes.readInt32BE(53);
const producerOf = (bytes: Buffer): bigint => bytes.readBigInt64BE(43);
const countOf = (bytes: Buffer): number => bytes.readInt32BE(57);

describe('a partition', () => {
  it('lingers for others, unless hurried, full, or repeating', async () => {
    const { queue, add } = bench();
    expect(queue.readyAtMs(true)).toBeUndefined();
    add(1, 50);
    expect(queue.readyAtMs(true)).toBe(60);
    expect(queue.readyAtMs(false)).toBe(0);
    add(2, 55, 900);
    expect(queue.readyAtMs(true)).toBe(0);
    await queue.take(first);
    expect(queue.readyAtMs(true)).toBeUndefined();
    queue.failed(true, 1_000);
    expect(queue.readyAtMs(true)).toBe(1_100);
  });

  it('gives each batch the sequence after what was written', async () => {
    const { queue, settled, add } = bench();
    for (const n of [1, 2, 3]) add(n);
    const one = await queue.take(first);
    expect([sequenceOf(one), countOf(one)]).toEqual([0, 3]);
    expect(queue.answered(result(0), 0)).toBe('written');
    add(4);
    expect(sequenceOf(await queue.take(first))).toBe(3);
    queue.answered(result(0, { baseOffset: 43 }), 0);
    expect(settled).toEqual(['1 ok 40', '2 ok 41', '3 ok 42', '4 ok 43']);
  });

  it.each([
    ['no answer', undefined],
    ['another leader', 6],
    ['a time-out of the replicas', 7],
    ['too few replicas', 20],
  ])('repeats the same bytes after %s, whatever was added', async (_, errorCode) => {
    const { queue, settled, add } = bench();
    add(1);
    const one = Buffer.from(await queue.take(first));
    add(2);
    for (let i = 0; i < 3; i++) {
      if (errorCode === undefined) queue.failed(true, 0);
      else queue.answered(result(errorCode), 0);
      expect(await queue.take(second)).toEqual(one);
    }
    expect(settled).toEqual([]);
    queue.answered(result(0), 0);
    expect(settled).toEqual(['1 ok 40']);
    const next = await queue.take(second);
    expect([sequenceOf(next), producerOf(next)]).toEqual([1, 1n]);
  });

  it('pauses longer after each failure, up to a bound', async () => {
    const { queue, add } = bench();
    add(1);
    const pauses: number[] = [];
    for (let i = 0; i < 6; i++) {
      await queue.take(first);
      queue.failed(false, 0);
      pauses.push(queue.readyAtMs(true)!);
    }
    expect(pauses).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  });

  it.each([45, 47, 59])(
    'goes on under a new producer id when the broker lost what it knew: error %i',
    async (errorCode) => {
      const { queue, settled, add } = bench();
      add(1);
      await queue.take(first);
      queue.answered(result(0), 0);
      add(2);
      await queue.take(first);
      queue.answered(result(errorCode), 0);
      expect([queue.needsProducer, queue.burnt]).toEqual([true, 1n]);
      const again = await queue.take(second);
      expect([sequenceOf(again), producerOf(again)]).toEqual([0, 2n]);
      queue.answered(result(0, { baseOffset: 41 }), 0);
      expect(settled).toEqual(['1 ok 40', '2 ok 41']);
    },
  );

  it('takes a repetition that the broker recognised for written', async () => {
    const { queue, settled, add } = bench();
    add(1);
    await queue.take(first);
    queue.failed(true, 0);
    await queue.take(first);
    queue.answered(result(46), 0);
    expect(settled).toEqual(['1 ok -1']);
  });

  it('halves a batch that is too large until the record that is too large is found', async () => {
    const { queue, settled, add } = bench();
    for (const n of [1, 2, 3, 4]) add(n);
    const counts: number[] = [];
    while (!queue.isEmpty) {
      const bytes = await queue.take(first);
      counts.push(countOf(bytes));
      const isBad = bytes.includes(Buffer.from('\x023')); // value '3', its length before it
      queue.answered(result(isBad ? 10 : 0), 0);
    }
    expect(settled.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      '1 ok',
      '2 ok',
      '3 too-large',
      '4 ok',
    ]);
    expect(counts).toEqual([4, 2, 2, 1, 1]);
  });

  it.each([
    ['too large', 10, []],
    ['too large as a list', 18, []],
    ['bad in a record', 32, [{ index: 1, message: 'too old' }]],
    ['bad somewhere', 87, []],
  ])(
    'gives up a batch that may be written when its repetition is %s, and does not divide it',
    async (_, errorCode, recordErrors) => {
      const { queue, settled, add } = bench();
      for (const n of [1, 2, 3]) add(n);
      await queue.take(first);
      queue.failed(true, 0);
      await queue.take(first);
      add(4);
      queue.answered(result(errorCode, { recordErrors }), 0);
      expect(settled).toEqual(['1 unknown-outcome', '2 unknown-outcome', '3 unknown-outcome']);
      expect(queue.burnt).toBe(1n);
      const next = await queue.take(second);
      expect([sequenceOf(next), producerOf(next), countOf(next)]).toEqual([0, 2n, 1]);
    },
  );

  it('refuses the records that the broker names, and sends the others in order', async () => {
    const { queue, settled, add } = bench();
    for (const n of [1, 2, 3]) add(n);
    await queue.take(first);
    add(4);
    queue.answered(result(32, { recordErrors: [{ index: 1, message: 'too far ahead' }] }), 0);
    expect(settled).toEqual(['2 refused']);
    const again = await queue.take(first);
    expect([sequenceOf(again), countOf(again)]).toEqual([0, 3]);
    queue.answered(result(0), 0);
    expect(settled.slice(1)).toEqual(['1 ok 40', '3 ok 41', '4 ok 42']);
  });

  it('tells what was never sent from what may be written, and drops the sequence of the latter', async () => {
    const { queue, settled, add } = bench();
    add(1, 0);
    await queue.take(first);
    queue.failed(false, 0);
    queue.expire(5_000, '');
    expect(settled).toEqual(['1 not-delivered']);
    expect(queue.needsProducer).toBe(false);
    add(2, 6_000);
    await queue.take(first);
    add(3, 7_000);
    queue.failed(true, 6_000);
    queue.expire(11_000, '');
    expect(settled.slice(1)).toEqual(['2 unknown-outcome']);
    expect([queue.needsProducer, queue.burnt]).toEqual([true, 1n]);
    expect(sequenceOf(await queue.take(second))).toBe(0);
    queue.answered(result(0), 0);
    expect(settled.slice(2)).toEqual(['3 ok 40']);
  });

  it('takes a batch for perhaps written when a broker answers that it is not the leader any more', async () => {
    const { queue, settled, add } = bench();
    add(1, 0);
    await queue.take(first);
    expect(queue.answered(result(6), 0)).toBe('moved');
    queue.expire(5_000, '');
    expect(settled).toEqual(['1 unknown-outcome']);
    expect(queue.burnt).toBe(1n);
  });

  it('takes a batch for unwritten that brokers have put off before they looked at it', async () => {
    const { queue, settled, add } = bench();
    for (const n of [1, 2, 3, 4]) add(n);
    await queue.take(first);
    expect(queue.answered(result(19), 0)).toBe('not-yet');
    expect(countOf(await queue.take(first))).toBe(4);
    queue.answered(result(10), 0);
    const half = await queue.take(first);
    expect([sequenceOf(half), countOf(half)]).toEqual([0, 2]);
    expect(settled).toEqual([]);
  });

  it('does not give up what is in flight', async () => {
    const { queue, settled, add } = bench();
    add(1, 0);
    await queue.take(first);
    queue.expire(100_000, '');
    expect(queue.expiresAtMs()).toBeUndefined();
    expect(settled).toEqual([]);
  });

  it('settles everything once when it is closed with a batch in flight', async () => {
    const { queue, settled, add } = bench({ maxBatchBytes: 100 });
    for (const n of [1, 2]) add(n);
    await queue.take(first);
    expect(queue.rejectAll('at the end')).toBe(2);
    queue.failed(true, 0);
    queue.answered(result(0), 0);
    expect(settled).toEqual(['1 unknown-outcome', '2 not-delivered']);
    expect(queue.isEmpty).toBe(true);
  });

  it.each([29, 31, 44, 9_999])('refuses a batch that the broker refuses: error %i', async (errorCode) => {
    const { queue, settled, add } = bench();
    add(1);
    add(2);
    await queue.take(first);
    queue.answered(result(errorCode), 0);
    add(3);
    expect(sequenceOf(await queue.take(first))).toBe(0);
    expect(settled).toEqual(['1 refused', '2 refused']);
  });

  it.each([29, 31, 44, 9_999])(
    'does not say that a batch is refused which may be written: error %i to its repetition',
    async (errorCode) => {
      const { queue, settled, errors, add } = bench();
      add(1);
      await queue.take(first);
      queue.failed(true, 0);
      await queue.take(first);
      queue.answered(result(errorCode, { message: 'not you' }), 0);
      expect(settled).toEqual(['1 unknown-outcome']);
      expect(errors[0]!.message).toMatch(
        /^t-0: sent, but not acknowledged before this: .*not you.*in the topic$/,
      );
      expect(errors[0]!.cause).toMatchObject({ code: 'refused' });
      expect([queue.needsProducer, queue.burnt]).toEqual([true, 1n]);
    },
  );

  it('when all is refused, tells what may be written from what was never sent', async () => {
    const { queue, settled, errors, add } = bench();
    const reason = new ClientError('refused', 'no such user');
    add(1);
    await queue.take(first);
    queue.failed(true, 0);
    add(2);
    queue.refuseAll(reason);
    expect(settled).toEqual(['1 unknown-outcome', '2 refused']);
    expect(errors[0]!.cause).toBe(reason);
    expect([queue.needsProducer, queue.burnt, queue.isEmpty]).toEqual([true, 1n, true]);
    add(3);
    await queue.take(second);
    queue.failed(false, 0);
    queue.refuseAll(reason);
    expect(settled.slice(2)).toEqual(['3 refused']);
    expect(queue.needsProducer).toBe(false);
  });
});
