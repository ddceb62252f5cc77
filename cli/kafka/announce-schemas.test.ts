/** A start waits for a leader that is behind, and never holds the process. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { PartitionReader } from '#engine/kafka/reader/partition-reader.ts';
import type { LogRecord } from '#engine/log/log.ts';
import { fingerprintsUpTo } from './announce-schemas.ts';

/** One that fails where it would otherwise be asked for ever, in microtasks, with nothing else running. */
class CountingReader extends PartitionReader {
  takes = 0;

  constructor() {
    const limits = { maxBufferedBytes: 1_000, maxFetchBytes: 1_000 };
    super({ topic: 'weir.schemas', partition: 0, offset: 0 }, limits, () => undefined);
  }

  override take(maxRecords: number): readonly LogRecord[] {
    if (this.takes++ > 10_000) throw new Error('it spins');
    return super.take(maxRecords);
  }

  /** The broker's answer that it has nothing from offset `from` on, and that reading goes on at `to`. */
  answer(from: number, to: number): void {
    const fetched = {
      topic: this.topic,
      partition: this.partition,
      errorCode: 0,
      highWatermark: to,
      lastStableOffset: to,
      logStartOffset: 0,
      abortedTransactions: [],
      recordSet: Buffer.alloc(0),
    };
    const content = { fetchOffset: from, nextOffset: to, batches: [], failure: undefined };
    this.accept(fetched, content, this.wanted()!.seeks);
  }
}

it('waits for a leader that does not know yet how far its predecessor had come, and others run meanwhile', async () => {
  const partition = new CountingReader();
  partition.answer(0, 0);
  const reading = fingerprintsUpTo(partition, 3, new AbortController().signal);
  await sleep(30);
  // Of control records, say.
  partition.answer(0, 3);
  expect(await reading).toEqual(new Set());
  expect(partition.takes).toBeLessThan(100);
});

it('is over when the run is', async () => {
  const partition = new CountingReader();
  partition.answer(0, 0);
  const over = new AbortController();
  const reading = fingerprintsUpTo(partition, 3, over.signal);
  setTimeout(() => {
    over.abort(new Error('Ctrl-C'));
  }, 20);
  await expect(reading).rejects.toThrow('Ctrl-C');
});
