import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Batch } from './batch.ts';
import { columnsOf } from './columns.ts';
import type { SinkError } from './error.ts';
import { streamWith } from './every-type.fixture.ts';
import { BlockEncoder } from './native/block-encoder.ts';
import type { PartitionPorts } from './partition-ports.ts';
import { haveAllRows } from './repair.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test('on a cluster, rows that a replica has are waited for, and not inserted again under another token', async () => {
  const troubles: SinkError[] = [];
  let asked = 0;
  const ports = {
    isReplicated: true,
    present: () => Promise.resolve((asked += 1) > 100 ? 3 : 0),
    onTrouble: (error: SinkError) => troubles.push(error),
    insert: () => Promise.reject(new Error('inserted')),
    presentOffsets: () => Promise.reject(new Error('looked for what to insert')),
  } as Partial<PartitionPorts> as PartitionPorts;
  const promised = { topic: 'test.things', partition: 2, from: 5, to: 8 };
  const pause = (durationMs: number): Promise<void> => {
    vi.advanceTimersByTime(durationMs);
    return Promise.resolve();
  };
  const batch = new Batch(5, new BlockEncoder(columnsOf(streamWith([]))), '');
  vi.spyOn(batch, 'rows', 'get').mockReturnValue(3);
  await haveAllRows(batch, { ports, promised, pause }, new AbortController().signal);
  expect(asked).toBe(101);
  expect(troubles).toMatchObject([{ code: 'clickhouse-transient', retryable: true }]);
  expect(troubles[0]!.message).toContain('test.things/2, offsets 5 to 7');
});
