import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventCodec } from '../codec/event-codec.ts';
import { WriterSchemas } from '../codec/writer-schemas.ts';
import { MemoryLog } from '../log/memory-log.ts';
import { readingStream } from '../task/readings.fixture.ts';
import { keepUndelivered, restoreUndelivered } from './undelivered.ts';

const stream = readingStream('test.kept', 'stream', 2);
const newer = {
  ...stream,
  schema: {
    ...stream.schema,
    fields: [...(stream.schema['fields'] as object[]), { name: 'unit', type: 'string', default: 'W' }],
  },
};

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weir-undelivered-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function logAt(firstOffset: number): MemoryLog {
  const log = new MemoryLog();
  log.createTopic(stream.topic, stream.partitions, [firstOffset, firstOffset]);
  log.subscribe('sink', stream.topic);
  return log;
}

/** Ten readings from offset 100 on in partition 1, of which the group has 103 committed with a promise. */
async function kept(writers: WriterSchemas): Promise<number> {
  const log = logAt(100);
  const codec = eventCodec(stream, writers);
  for (let n = 0; n < 10; n += 1) {
    const value = codec.encode({ id: 'a', at: n, n });
    log.append([
      {
        topic: stream.topic,
        partition: 1,
        key: Buffer.from('a'),
        value,
        timestampMs: n,
        headers: { ce_id: String(n) },
      },
    ]);
  }
  log.commit('sink', stream.topic, 1, 103, 'promise');
  return keepUndelivered(directory, log, 'sink', writers);
}

test('what was not delivered is there again: offsets, bytes, headers, position and promise', async () => {
  const writers = new WriterSchemas();
  expect(await kept(writers)).toBe(7);
  const log = new MemoryLog();
  log.createTopic(stream.topic, stream.partitions, [100, 100]);
  expect(await restoreUndelivered(directory, log, 'sink', new Map(), new WriterSchemas())).toBe(7);
  expect(log.committed('sink', stream.topic, 1)).toEqual({ offset: 103, metadata: 'promise' });
  const records = log.read(stream.topic, 1, 103, 100);
  expect(records.map(({ offset }) => offset)).toEqual([103, 104, 105, 106, 107, 108, 109]);
  expect(String(records[0]?.headers['ce_id'])).toBe('3');
  log.subscribe('task', stream.topic);
  expect(log.committed('task', stream.topic, 1)?.offset).toBe(110);
});

test('a newer Weir reads what an older one kept: the schemas are kept with it', async () => {
  await kept(new WriterSchemas());
  const writers = new WriterSchemas();
  const log = new MemoryLog();
  log.createTopic(stream.topic, stream.partitions);
  await restoreUndelivered(directory, log, 'sink', new Map(), writers);
  const [record] = log.read(stream.topic, 1, 103, 1);
  expect(eventCodec(newer, writers).decode(record!.value!)).toEqual({ id: 'a', at: 3, n: 3, unit: 'W' });
});

test('what a killed run had delivered of it is not delivered again, and its promise is settled', async () => {
  await kept(new WriterSchemas());
  const log = new MemoryLog();
  log.createTopic(stream.topic, stream.partitions);
  const delivered = new Map([[stream.topic, [0, 106]]]);
  expect(await restoreUndelivered(directory, log, 'sink', delivered, new WriterSchemas())).toBe(4);
  expect(log.committed('sink', stream.topic, 1)).toEqual({ offset: 106, metadata: '' });
});

test('when all is delivered nothing is left on disk', async () => {
  await kept(new WriterSchemas());
  expect(await keepUndelivered(directory, logAt(0), 'sink', new WriterSchemas())).toBe(0);
  expect(() => readdirSync(directory)).toThrow('ENOENT');
});
