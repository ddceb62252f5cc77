import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { LogRecord } from '#engine/log/log.ts';
import { Batch } from './batch.ts';
import { columnsOf } from './columns.ts';
import { SinkError } from './error.ts';
import { streamWith } from './every-type.fixture.ts';
import { BlockEncoder } from './native/block-encoder.ts';
import type { InsertOutcome, PartitionPorts } from './partition-ports.ts';
import { haveAllRows } from './repair.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const promised = { topic: 'test.things', partition: 2, from: 5, to: 8 };
const recordAt = (offset: number): LogRecord => ({
  offset,
  key: null,
  value: Buffer.alloc(1),
  timestampMs: 0,
  headers: {},
});
const pause = (durationMs: number): Promise<void> => {
  vi.advanceTimersByTime(durationMs);
  return Promise.resolve();
};

async function awaitRows(
  asksUntilThere: number,
  doAllAnswer: boolean,
  rejected: Batch['rejected'] = [],
): Promise<readonly SinkError[]> {
  const troubles: SinkError[] = [];
  let asked = 0;
  const ports = {
    replicas: { doAllAnswer: () => Promise.resolve(doAllAnswer) },
    present: () => Promise.resolve((asked += 1) > asksUntilThere ? 3 : 0),
    onTrouble: (error: SinkError) => troubles.push(error),
    insert: () => Promise.reject(new Error('inserted')),
    presentOffsets: () => Promise.reject(new Error('looked for what to insert')),
  } as Partial<PartitionPorts> as PartitionPorts;
  const batch = new Batch(5, new BlockEncoder(columnsOf(streamWith([]))), '');
  vi.spyOn(batch, 'rows', 'get').mockReturnValue(3);
  vi.spyOn(batch, 'rejected', 'get').mockReturnValue(rejected);
  await haveAllRows(batch, { ports, promised, pause }, new AbortController().signal);
  expect(asked).toBe(asksUntilThere + 1);
  return troubles;
}

test('on a cluster, rows that a replica has are waited for, and not inserted again under another token', async () => {
  const troubles = await awaitRows(100, true);
  for (const trouble of troubles) {
    expect(trouble).toMatchObject({ code: 'clickhouse-transient', retryable: true });
    expect(trouble.message).toMatch(/test.things\/2, offsets 5 to 7: .*waiting/);
  }
  // Every 3 s, of 10 s: who hears it tells only what goes on.
  expect(troubles.length).toBeGreaterThanOrEqual(3);
});

test('on a cluster, rows that no replica has were taken away: it is told with what to do', async () => {
  const gone = /all replicas answer.*--topic test.things:2 --reset-offsets --to-offset 8 --execute$/;
  expect((await awaitRows(1_000, true)).at(-1)?.message).toMatch(gone);
  const rejected = [5, 7].map(
    (offset) => ({ record: recordAt(offset), code: 'malformed', reason: '', mayResolve: false }) as const,
  );
  expect((await awaitRows(1_000, true, rejected)).at(-1)?.message).toMatch(
    /--execute\. That also passes by offsets 5, 7, which .* have no dead letter yet/,
  );
  expect((await awaitRows(1_000, false)).at(-1)?.message).toMatch(/waiting for the one that has/);
});

test('rows that the table refuses now, though it took them before, stop the partition and say why', async () => {
  const refuse = (outcome: InsertOutcome): Promise<void> => {
    const encoders = columnsOf(streamWith([]));
    const batch = new Batch(5, new BlockEncoder(encoders), '');
    vi.spyOn(batch, 'rows', 'get').mockReturnValue(3);
    const ports = {
      source: {
        endOffset: () => 8,
        read: (from: number) => [5, 6, 7].filter((offset) => offset >= from).map(recordAt),
      },
      readRow: (of: LogRecord) => ({ event: { id: 'x', at: 0 }, record: of, deleted: false }),
      present: () => Promise.resolve(0),
      presentOffsets: () => Promise.resolve(new Set<number>()),
      judge: () => Promise.resolve({ kind: 'no-views' }),
      takeEncoder: () => new BlockEncoder(encoders),
      returnEncoder: () => undefined,
      insert: () => Promise.resolve(outcome),
    } as Partial<Record<keyof PartitionPorts, unknown>> as PartitionPorts;
    return haveAllRows(batch, { ports, promised, pause }, new AbortController().signal);
  };
  const error = new SinkError('clickhouse-data', 'Constraint `good` is violated');
  await expect(refuse({ kind: 'refused', error })).rejects.toMatchObject({
    code: 'clickhouse-data',
    message: expect.stringMatching(/test.things\/2, offsets 5 to 7: .*Constraint `good`/) as string,
  });
  await expect(refuse({ kind: 'too-large' })).rejects.toThrow('too many partitions');
});
