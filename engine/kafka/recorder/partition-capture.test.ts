/** Batches as kafkajs encodes them; what comes of them is taken at once. */
import { getEventListeners } from 'node:events';
import { createRequire } from 'node:module';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { fetchedBatches } from '../reader/fetched-batches.ts';
import { PartitionReader } from '../reader/partition-reader.ts';
import { PartitionCapture } from './partition-capture.ts';

const require = createRequire(import.meta.url);
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
  readonly RecordBatch: (of: object) => Promise<{ readonly buffer: Buffer }>;
};
const Record = require('kafkajs/src/protocol/recordBatch/record/v0') as (of: object) => object;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** A capture from offset 0 on, and a broker that gives it one record after another. */
async function captureOf(end: number, signal: AbortSignal) {
  const limits = { maxBufferedBytes: 1 << 20, maxFetchBytes: 1 << 20 };
  const place = { topic: 't', partition: 0, offset: 0 };
  const reader = new PartitionReader(place, limits, () => undefined);
  const { buffer } = await RecordBatch({
    firstOffset: 0,
    lastOffsetDelta: 0,
    records: [Record({ offsetDelta: 0, key: Buffer.from('k'), value: Buffer.from('v') })],
  });
  const taken: number[] = [];
  const capture = new PartitionCapture(reader, end, (records) => {
    taken.push(...records.map(({ offset }) => offset));
  });
  const give = async (): Promise<void> => {
    const at = reader.position;
    buffer.writeBigInt64BE(BigInt(at), 0);
    const fetched = {
      ...{ topic: 't', partition: 0, errorCode: 0, logStartOffset: 0, abortedTransactions: [] },
      ...{ highWatermark: at + 1, lastStableOffset: at + 1, recordSet: buffer },
    };
    reader.accept(fetched, fetchedBatches(fetched, at), 0);
    await turn();
  };
  return { capture, run: capture.run(signal), taken, give };
}

it('takes what comes up to an end that moves on, and ends with the last one', async () => {
  const { capture, run, taken, give } = await captureOf(1, new AbortController().signal);
  await give();
  expect(taken).toEqual([0]);
  await give();
  expect(taken).toEqual([0]);
  capture.extendTo(4);
  await turn();
  expect(taken).toEqual([0, 1]);
  await give();
  capture.finishAt(4);
  await give();
  await run;
  expect(taken).toEqual([0, 1, 2, 3]);
});

it('ends a wait when it is stopped', async () => {
  const stopping = new AbortController();
  const { run } = await captureOf(1, stopping.signal);
  await turn();
  stopping.abort(new Error('stopped'));
  await expect(run).rejects.toThrow('stopped');
  expect(getEventListeners(stopping.signal, 'abort')).toEqual([]);
});

it('lets as many partitions as there are be stopped by one signal, without a warning', async () => {
  const warnings: Error[] = [];
  const hear = (warning: Error): void => void warnings.push(warning);
  process.on('warning', hear);
  const stopping = new AbortController();
  const captures = await Promise.all(Array.from({ length: 20 }, () => captureOf(1, stopping.signal)));
  await turn();
  process.off('warning', hear);
  stopping.abort(new Error('stopped'));
  const outcomes = await Promise.allSettled(captures.map(({ run }) => run));
  expect(outcomes.map(({ status }) => status)).toEqual(captures.map(() => 'rejected'));
  expect(warnings).toEqual([]);
});

it('keeps nothing of the waits that are over', async () => {
  const waits = 5_000;
  const stopping = new AbortController();
  const { capture, run, taken, give } = await captureOf(Infinity, stopping.signal);
  const heldAfter = async (count: number): Promise<number> => {
    for (let i = 0; i < count; i += 1) await give();
    collect();
    await turn();
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = await heldAfter(1_000);
  const after = await heldAfter(waits);
  expect((after - before) / waits).toBeLessThan(150);
  expect(getEventListeners(stopping.signal, 'abort')).toHaveLength(1);
  capture.finishAt(taken.length);
  await run;
  expect(taken).toHaveLength(waits + 1_000);
});
