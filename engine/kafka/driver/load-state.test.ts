import { expect, test } from 'vitest';
import { eventCodec } from '../../codec/event-codec.ts';
import { WriterSchemas } from '../../codec/writer-schemas.ts';
import { readings, summing } from '../../task/readings.fixture.ts';
import { TaskCore } from '../../task/task-core.ts';
import type { ChangelogEntry } from '../../task/task-io.ts';
import { loadState } from './load-state.ts';

const writers = new WriterSchemas();
const coreOf = (): TaskCore => new TaskCore({ processor: summing, partition: 0, writers });

const keys = 30_000;

/** Of a core whose keys have a timer each. */
function changelog(): readonly ChangelogEntry[] {
  const core = coreOf();
  const codec = eventCodec(readings, writers);
  core.step({ kind: 'tick', wallMs: 1, caughtUp: () => true });
  for (let offset = 0; offset < keys; offset += 1) {
    const id = `key-${offset}`;
    const [key, value] = [Buffer.from(id), codec.encode({ id, at: 1_000, n: 1 })];
    const record = { offset, key, value, timestampMs: 1_000, headers: {} };
    core.step({ kind: 'record', input: 0, partition: 0, record });
  }
  core.prepare();
  core.committed();
  return core.snapshot();
}

test('loading a state lets others run meanwhile', async () => {
  const entries = changelog();
  const core = coreOf();
  let turns = 0;
  let next = setImmediate(function turn() {
    turns += 1;
    next = setImmediate(turn);
  });
  await loadState(core, entries, new AbortController().signal);
  clearImmediate(next);
  expect(turns).toBeGreaterThanOrEqual(2);
  expect(core.keyCount).toBe(keys);
});

test('loading a state ends when its task is given up', async () => {
  const loading = loadState(coreOf(), changelog(), AbortSignal.timeout(0));
  await expect(loading).rejects.toThrow('aborted due to timeout');
});
