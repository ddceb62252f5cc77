import { expect, test } from 'vitest';
import type { LogRecord, PartitionSource } from '#engine/log/log.ts';
import { Batch } from './batch.ts';
import { columnsOf } from './columns.ts';
import { streamWith } from './every-type.fixture.ts';
import { formatIntent } from './intent.ts';
import { BlockEncoder, ENCODER_VERSION } from './native/block-encoder.ts';
import { restorePromised, type Promised } from './promised-batch.ts';
import type { ReadRow, RowOrRejected } from './row-reader.ts';

const columns = columnsOf(streamWith([]));

function records(from: number, to: number): LogRecord[] {
  return Array.from({ length: to - from }, (_, i) => ({
    offset: from + i,
    key: null,
    value: Buffer.from('x'),
    timestampMs: 0,
    headers: {},
  }));
}

function source(held: readonly LogRecord[], end: number): PartitionSource {
  return {
    topic: 't',
    partition: 3,
    committed: () => Promise.resolve(undefined),
    commit: () => Promise.resolve(),
    read: (offset, maxRecords) => held.filter((record) => record.offset >= offset).slice(0, maxRecords),
    endOffset: () => end,
    waitForData: () => Promise.resolve(),
  };
}

const row = (record: LogRecord): RowOrRejected => ({ event: { id: 'x', at: 0 }, record, deleted: false });
const bad = (record: LogRecord): RowOrRejected => ({
  record,
  code: 'malformed',
  reason: 'bad bytes',
  mayResolve: false,
});
const unknown = (record: LogRecord): RowOrRejected => ({
  record,
  code: 'unknown-schema',
  reason: 'who wrote this?',
  mayResolve: true,
});

interface Case {
  readonly held?: readonly LogRecord[];
  readonly end?: number;
  readonly metadata?: string;
  readonly readRow?: ReadRow;
  readonly schemaWaitMs?: number;
  readonly pause?: () => Promise<void>;
}

const promise = formatIntent(10, {
  to: 600,
  encoder: ENCODER_VERSION,
  incarnation: 'a1',
  memory: 'ab:0:1',
  excluded: [11, 12],
});

async function restore(
  of: Case,
): Promise<{ readonly promised: Promised | undefined; readonly batch: Batch }> {
  const batch = new Batch(10, new BlockEncoder(columns), 'ee');
  const { held = records(10, 700), end = 700, metadata = promise, readRow = row } = of;
  const promised = await restorePromised(
    batch,
    { offset: 10, metadata },
    { source: source(held, end), readRow },
    of.pause ?? (() => Promise.resolve()),
    of.schemaWaitMs ?? 0,
    new AbortController().signal,
  );
  return { promised, batch };
}

test('no promise, no batch', async () => {
  const { promised, batch } = await restore({ metadata: '' });
  expect(promised).toBeUndefined();
  expect(batch.isEmpty).toBe(true);
});

test('the batch is the promised range, without what was left out, though it could be read now', async () => {
  const { promised, batch } = await restore({});
  expect(promised).toEqual({ topic: 't', partition: 3, from: 10, to: 600, memory: 'ab:0:1' });
  expect(batch).toMatchObject({ from: 10, to: 600, rows: 588, incarnation: 'a1' });
  expect(batch.rejected.map(({ record, code }) => [record.offset, code])).toEqual([
    [11, 'left-out'],
    [12, 'left-out'],
  ]);
});

test('what was left out keeps its own reason where it has one', async () => {
  const { batch } = await restore({
    readRow: (record) => (record.offset === 11 ? bad(record) : row(record)),
  });
  expect(batch.rejected.map(({ code }) => code)).toEqual(['malformed', 'left-out']);
});

test('what a column refused keeps its reason: to send it again would not help', async () => {
  const { batch } = await restore({
    held: records(10, 700).map((record) =>
      record.offset === 12 ? { ...record, timestampMs: 2 ** 53 } : record,
    ),
  });
  expect(batch.rows).toBe(588);
  expect(batch.rejected.map(({ code, reason }) => [code, reason])).toEqual([
    ['left-out', expect.stringContaining('send it again')],
    ['value-invalid', expect.stringMatching(/^column _timestamp, .* offset 12: 9007199254740992 /)],
  ]);
  const untouched = await restore({});
  expect(batch.encoder.encode('t', 3)).toEqual(untouched.batch.encoder.encode('t', 3));
});

test('a range that ends in offsets without records is whole', async () => {
  const { batch } = await restore({ held: records(10, 500) });
  expect(batch).toMatchObject({ to: 600, rows: 488 });
});

test('a schema that is not known yet is waited for', async () => {
  let isKnown = false;
  const readRow: ReadRow = (record) => (record.offset === 20 && !isKnown ? unknown(record) : row(record));
  const { batch } = await restore({
    readRow,
    schemaWaitMs: 10_000,
    pause: () => {
      isKnown = true;
      return Promise.resolve();
    },
  });
  expect(batch.rows).toBe(588);
});

test.each<[string, Case, RegExp]>([
  [
    'another version of the encoder made it',
    {
      metadata: formatIntent(10, {
        to: 600,
        encoder: ENCODER_VERSION + 1,
        incarnation: '',
        memory: '',
        excluded: [],
      }),
    },
    /offsets 10 to 599.*encoder version 2/,
  ],
  ['the log has lost records', { held: records(10, 300), end: 300 }, /ends at offset 300/],
  [
    'a promised row can no longer be read',
    { readRow: (record) => (record.offset === 20 ? bad(record) : row(record)) },
    /offset 20.*bad bytes/,
  ],
  ['its schema never comes', { readRow: unknown }, /offset 10.*who wrote this/],
])('refuses to go on where %s', async (_, of, message) => {
  await expect(restore(of)).rejects.toMatchObject({
    code: 'intent-invalid',
    message: expect.stringMatching(message) as string,
  });
  await expect(restore(of)).rejects.toThrow('t/3');
});
