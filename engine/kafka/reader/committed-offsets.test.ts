/** Answers as brokers give them while a leader that was just elected catches up with what its predecessor had told. */
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { committedOffsets } from './committed-offsets.ts';
import { fetchedBatches } from './fetched-batches.ts';
import { PartitionReader } from './partition-reader.ts';

const require = createRequire(import.meta.url);
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
  readonly RecordBatch: (of: object) => Promise<{ readonly buffer: Buffer }>;
};
const Record = require('kafkajs/src/protocol/recordBatch/record/v0') as (of: object) => object;

it('an end before the range is no end of it while the leader may not know better', async () => {
  const limits = { maxBufferedBytes: 1 << 20, maxFetchBytes: 1 << 20 };
  const reading = new PartitionReader({ topic: 't', partition: 0, offset: 0 }, limits, () => undefined);
  const reader = { assign: () => Promise.resolve(reading), unassign: () => undefined };
  const range = { topic: 't', partition: 0, from: 0, to: 3 };
  const found: number[] = [];
  const reachedMs: number[] = [];
  const all = (async () => {
    for await (const each of committedOffsets(reader, range, 1_000, AbortSignal.timeout(30_000))) {
      found.push(...each.found);
      reachedMs.push(performance.now());
    }
  })();
  const answer = async (...offsets: readonly number[]): Promise<void> => {
    const records = offsets.map((_, offsetDelta) =>
      Record({ offsetDelta, key: Buffer.from('k'), value: null }),
    );
    const batch = { firstOffset: offsets[0], lastOffsetDelta: offsets.length - 1, records };
    const fetched = {
      ...{ topic: 't', partition: 0, errorCode: 0, logStartOffset: 0, abortedTransactions: [] },
      ...{ highWatermark: 3, lastStableOffset: offsets.at(-1)! + 1 },
      recordSet: (await RecordBatch(batch)).buffer,
    };
    reading.accept(fetched, fetchedBatches(fetched, reading.position), 0);
  };
  await answer(0);
  await sleep(120);
  expect(reachedMs).toEqual([]);
  const knownAtMs = performance.now();
  await answer(1, 2);
  await all;
  expect(found).toEqual([0, 1, 2]);
  expect(reachedMs[0]).toBeGreaterThanOrEqual(knownAtMs);
});
