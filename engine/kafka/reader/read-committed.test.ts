import { describe, expect, it } from 'vitest';
import { type AbortedTransaction, committedBatches } from './read-committed.ts';
import type { RecordBatch } from './record-batch.ts';

const plainBatch: Omit<RecordBatch, 'baseOffset' | 'lastOffset'> = {
  producerId: -1n,
  isTransactional: false,
  isControl: false,
  codec: 0,
  isLogAppendTime: false,
  baseTimestampMs: 0,
  maxTimestampMs: 0,
  recordCount: 1,
  records: Buffer.alloc(0),
};

const data = (producerId: number, from: number, to = from): RecordBatch => ({
  ...plainBatch,
  baseOffset: from,
  lastOffset: to,
  producerId: BigInt(producerId),
  isTransactional: true,
});

const nonTransactional = (producerId: number, from: number): RecordBatch => ({
  ...data(producerId, from),
  isTransactional: false,
});

/** Length 16, attributes 0, deltas 0, key of 4 bytes (version 0, type), value of 6 bytes, no headers. */
const marker =
  (type: 0 | 1) =>
  (producerId: number, at: number): RecordBatch => ({
    ...data(producerId, at),
    isControl: true,
    records: Buffer.from([32, 0, 0, 0, 8, 0, 0, 0, type, 12, 0, 0, 0, 0, 0, 0, 0]),
  });
const abort = marker(0);
const commit = marker(1);

const aborted = (producerId: number, firstOffset: number): AbortedTransaction => ({
  producerId: BigInt(producerId),
  firstOffset,
});

describe('committedBatches', () => {
  const cases: readonly {
    readonly name: string;
    readonly batches: readonly RecordBatch[];
    readonly list: readonly AbortedTransaction[];
    readonly kept: readonly number[];
  }[] = [
    {
      name: 'drops an aborted transaction and every marker',
      batches: [data(1, 0), data(2, 1), abort(1, 2), commit(2, 3)],
      list: [aborted(1, 0)],
      kept: [1],
    },
    {
      name: 'keeps what the same producer commits after it aborted',
      batches: [data(1, 0), abort(1, 1), data(1, 2), commit(1, 3)],
      list: [aborted(1, 0)],
      kept: [2],
    },
    {
      name: 'keeps what the same producer committed before it aborted',
      batches: [data(1, 0), commit(1, 1), data(1, 2), abort(1, 3)],
      list: [aborted(1, 2)],
      kept: [0],
    },
    {
      name: 'takes the list in the order of beginnings, though the broker sends it by ends',
      batches: [data(1, 0), data(2, 1), abort(2, 2), data(1, 3), abort(1, 4)],
      list: [aborted(2, 1), aborted(1, 0)],
      kept: [],
    },
    {
      name: 'begins several transactions that lie before the first batch',
      batches: [data(1, 10), data(2, 11), data(3, 12), abort(1, 13), abort(2, 14), abort(3, 15)],
      list: [aborted(1, 3), aborted(2, 4), aborted(3, 5)],
      kept: [],
    },
    {
      name: 'begins a transaction whose first record was removed from the middle of a batch',
      batches: [data(1, 10, 14), abort(1, 15)],
      list: [aborted(1, 12)],
      kept: [],
    },
    {
      name: 'drops two transactions of one producer after another',
      batches: [data(1, 0), abort(1, 1), data(1, 2), abort(1, 3), data(1, 4), commit(1, 5)],
      list: [aborted(1, 0), aborted(1, 2)],
      kept: [4],
    },
    {
      name: "keeps a producer's records that were in no transaction",
      batches: [data(1, 0), nonTransactional(1, 1), abort(1, 2)],
      list: [aborted(1, 0)],
      kept: [1],
    },
    {
      name: "does not end a transaction at another producer's marker",
      batches: [data(1, 0), abort(2, 1), data(1, 2), abort(1, 3)],
      list: [aborted(1, 0)],
      kept: [],
    },
    {
      name: 'takes no record for a marker, whatever its key is',
      batches: [{ ...abort(1, 0), isControl: false }, data(1, 1), abort(1, 2)],
      list: [aborted(1, 0)],
      kept: [],
    },
  ];
  it.each(cases)('$name', ({ batches, list, kept }) => {
    expect(committedBatches(batches, list).map(({ baseOffset }) => baseOffset)).toEqual(kept);
  });
});
