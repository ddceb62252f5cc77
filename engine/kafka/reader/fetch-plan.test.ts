import { describe, expect, it } from 'vitest';
import { planFetches } from './fetch-plan.ts';
import type { FetchedPartition } from './fetch-response.ts';
import { fetchedBatches } from './fetched-batches.ts';
import { PartitionReader } from './partition-reader.ts';

const readerAt = (partition: number, offset: number): PartitionReader =>
  new PartitionReader(
    { topic: 't', partition, offset },
    { maxBufferedBytes: 1, maxFetchBytes: 7 },
    () => undefined,
  );

/** As if the broker had answered that a reader is at the end. */
function comeToEnd(reader: PartitionReader, end: number): void {
  const fetched: FetchedPartition = {
    topic: reader.topic,
    partition: reader.partition,
    errorCode: 0,
    highWatermark: end,
    lastStableOffset: end,
    logStartOffset: 0,
    abortedTransactions: [],
    recordSet: Buffer.alloc(0),
  };
  reader.accept(fetched, fetchedBatches(fetched, reader.position), reader.wanted()!.seeks);
}

const offsetsOf = (readers: readonly PartitionReader[], round: number): string[] =>
  planFetches(readers, round, 100).fetches.map(
    ({ position }) => `${position.partition}:${position.fetchOffset}`,
  );

describe('a plan of fetches', () => {
  it('names each partition once, and begins with another one in each round', () => {
    const readers = [readerAt(0, 5), readerAt(1, 6), readerAt(0, 5), readerAt(2, 7)];
    expect([0, 1, 2, 3].map((round) => offsetsOf(readers, round).join(' '))).toEqual([
      '0:5 1:6 2:7',
      '1:6 2:7 0:5',
      '2:7 0:5 1:6',
      '0:5 1:6 2:7',
    ]);
  });

  it('gives the offsets of a partition their turns, and each answer to all that it may reach', () => {
    const readers = [readerAt(0, 90), readerAt(0, 10), readerAt(0, 50), readerAt(0, 10)];
    const waiting = (round: number): number[] =>
      planFetches(readers, round, 100).fetches[0]!.waiting.map(({ reader }) => reader.position);
    expect([0, 1, 2, 3].flatMap((round) => offsetsOf(readers, round))).toEqual([
      '0:10',
      '0:50',
      '0:90',
      '0:10',
    ]);
    expect([0, 1, 2].map((round) => waiting(round).sort((a, b) => a - b))).toEqual([
      [10, 10, 50, 90],
      [50, 90],
      [90],
    ]);
  });

  it('leaves out who wants nothing', () => {
    const paused = readerAt(0, 1);
    paused.pause();
    expect(planFetches([paused], 0, 100).fetches).toEqual([]);
    expect(offsetsOf([paused, readerAt(0, 9)], 0)).toEqual(['0:9']);
  });

  it('waits for new data only when nobody who is left out has more to read', () => {
    const [first, second, third] = [readerAt(0, 10), readerAt(0, 20), readerAt(0, 20)];
    const readers = [first, second, third];
    const waits = (of: readonly PartitionReader[]): number[] =>
      [0, 1].map((round) => planFetches(of, round, 100).maxWaitMs);
    expect(waits([second, third])).toEqual([100, 100]);
    expect(waits(readers)).toEqual([0, 0]);
    comeToEnd(second, 20);
    comeToEnd(third, 20);
    // The first reads on at once, and the others' turn does not hold it up.
    expect(waits(readers)).toEqual([100, 0]);
    // Nothing came though the end is further on: an open transaction, for one. Turns without a pause would be a busy loop.
    comeToEnd(first, 15);
    expect(waits(readers)).toEqual([100, 100]);
  });

  it('waits briefly beside one that is full, and as long as may be beside one that is paused', () => {
    const [atEnd, paused] = [readerAt(0, 10), readerAt(1, 10)];
    paused.pause();
    expect(planFetches([atEnd, paused], 0, 100).maxWaitMs).toBe(100);
    const limits = { maxBufferedBytes: 0, maxFetchBytes: 7 };
    const full = new PartitionReader({ topic: 't', partition: 2, offset: 0 }, limits, () => undefined);
    expect(planFetches([atEnd, full], 0, 100)).toMatchObject({ fetches: [{}], maxWaitMs: 10 });
    full.pause();
    expect(planFetches([atEnd, full], 0, 100).maxWaitMs).toBe(100);
  });
});
