/** Batches as kafkajs encodes them: another hand than the one that reads them here. */
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import type { FetchedPartition } from './fetch-response.ts';
import type { EngineError } from '../../engine-error.ts';
import type { LogRecord } from '../../log/log.ts';
import { fetchedBatches } from './fetched-batches.ts';
import { PartitionReader } from './partition-reader.ts';

const require = createRequire(import.meta.url);
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
  readonly RecordBatch: (of: object) => Promise<{ readonly buffer: Buffer }>;
};
const Record = require('kafkajs/src/protocol/recordBatch/record/v0') as (of: object) => object;

const gzip = 1;

/** A batch of three records from `firstOffset` on. */
async function batchAt(firstOffset: number, compression = 0): Promise<Buffer> {
  const records = [0, 1, 2].map((offsetDelta) =>
    Record({
      offsetDelta,
      key: Buffer.from('key'),
      value: Buffer.from(`value ${firstOffset + offsetDelta}`),
    }),
  );
  const { buffer } = await RecordBatch({ firstOffset, lastOffsetDelta: 2, records, compression });
  return buffer;
}

const fetched = (recordSet: Buffer): FetchedPartition => ({
  topic: 't',
  partition: 0,
  errorCode: 0,
  highWatermark: 100,
  lastStableOffset: 100,
  logStartOffset: 0,
  abortedTransactions: [],
  recordSet,
});

/** What a reader at `offset` takes of an answer. */
function fetchedRecords(
  answer: FetchedPartition,
  offset: number,
  checkCrcs = false,
): { records: LogRecord[]; nextOffset: number; failure: unknown } {
  const limits = { maxBufferedBytes: 1 << 20, maxFetchBytes: 1 << 20 };
  const reader = new PartitionReader({ topic: 't', partition: 0, offset }, limits, () => undefined);
  reader.accept(answer, fetchedBatches(answer, offset, checkCrcs), 0);
  const records: LogRecord[] = [];
  let failure: EngineError | undefined;
  while (reader.available > 0) records.push(...reader.take(2));
  try {
    reader.take(1);
  } catch (error) {
    failure = error as EngineError;
  }
  return { records, nextOffset: reader.position, failure };
}

describe.each([
  ['plain', 0],
  ['compressed', gzip],
])('%s batches', (_, compression) => {
  it('are read from the offset on that was asked for, to after the last whole one', async () => {
    const [first, second, third] = await Promise.all([10, 13, 16].map((at) => batchAt(at, compression)));
    const bytes = Buffer.concat([first!, second!, third!.subarray(0, -1)]);
    const { records, nextOffset, failure } = fetchedRecords(fetched(bytes), 12, true);
    expect(records.map(({ value }) => value!.toString())).toEqual(
      [12, 13, 14, 15].map((at) => `value ${at}`),
    );
    expect({ nextOffset, failure }).toEqual({ nextOffset: 16, failure: undefined });
  });

  it('are given up to the one that is damaged in any byte, if checksums are checked', async () => {
    const [good, bad] = await Promise.all([batchAt(10, compression), batchAt(13, compression)]);
    const checksumAt = 17;
    for (let at = checksumAt; at < bad.length; at++) {
      const damaged = Buffer.concat([good, bad]);
      damaged[good.length + at]! ^= 0x40;
      const { records, nextOffset, failure } = fetchedRecords(fetched(damaged), 10, true);
      expect(records.map(({ offset }) => offset)).toEqual([10, 11, 12]);
      expect(nextOffset).toBe(13);
      expect(failure).toMatchObject({
        code: 'corrupt-batch',
        message: expect.stringContaining('t-0') as string,
      });
    }
  });
});

describe('a batch that cannot be read', () => {
  it('gives none of its records, and all before it', async () => {
    const [good, bad] = await Promise.all([batchAt(10), batchAt(13)]);
    // The last record says that its value is longer than what is left.
    const at = bad.length - 'value 15'.length - 2;
    expect(bad[at]).toBe('value 15'.length * 2);
    bad[at] = 100;
    const { records, nextOffset, failure } = fetchedRecords(fetched(Buffer.concat([good, bad])), 10);
    expect(records.map(({ offset }) => offset)).toEqual([10, 11, 12]);
    expect(nextOffset).toBe(13);
    expect(failure).toMatchObject({ code: 'corrupt-batch' });
  });

  it('is one that does not come whole though it is the first', async () => {
    const half = (await batchAt(10)).subarray(0, 40);
    expect(fetchedRecords(fetched(half), 10)).toMatchObject({
      nextOffset: 10,
      failure: { code: 'corrupt-batch', message: 't-0: a fetch from offset 10 has no whole batch' },
    });
  });
});
