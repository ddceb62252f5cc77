import { expect, test } from 'vitest';
import { WriterSchemas } from '../codec/writer-schemas.ts';
import type { LogRecord } from '../log/log.ts';
import { alarms, summing } from '../task/readings.fixture.ts';
import type { OutputRecord, TaskInput } from '../task/task-io.ts';
import type { Recording } from './recording-reader.ts';
import { substituteOutputs, withSubstitutes, type Substitutes } from './substitute.ts';

const own = '/weir/test.summing/0';

function output(key: string, timestampMs: number, value: string, source = own): OutputRecord {
  const headers = { ce_source: source, ce_id: 'any' };
  return { topic: alarms.topic, key: Buffer.from(key), value: Buffer.from(value), timestampMs, headers };
}

/** Steps of a task that took the recorded alarms, here at offsets 10, 20 ..., with a tick after each. */
async function stepsAfter(
  recorded: readonly OutputRecord[],
  fresh: readonly OutputRecord[],
): Promise<readonly string[]> {
  const records: LogRecord[] = recorded.map((one, i) => ({ ...one, offset: 10 * (i + 1) }));
  const recording: Recording = {
    name: 'test',
    manifest: { parameters: {}, topics: [], tasks: [] },
    writers: new WriterSchemas(),
    task: () => Promise.reject(new Error('not asked for')),
    records: (topic) => Promise.resolve(topic === alarms.topic ? records : []),
  };
  const journalled = records.flatMap((record): TaskInput[] => [
    { kind: 'record', input: 0, partition: 0, record },
    { kind: 'tick', wallMs: record.timestampMs + 1, caughtUp: () => true },
  ]);
  const substitutes: Substitutes = new Map();
  const isReplaced = ({ headers }: LogRecord): boolean => headers['ce_source'] === own;
  await substituteOutputs(recording, summing, fresh, isReplaced, substitutes);
  const steps = withSubstitutes(journalled, [alarms.topic], [{ input: 0, partition: 0 }], substitutes);
  return steps.map((step) =>
    step.kind === 'tick' ? `tick ${step.wallMs}` : `${step.record.offset} ${String(step.record.value)}`,
  );
}

test.each<[string, OutputRecord[], OutputRecord[], string[]]>([
  [
    'that fell away leaves the others where they were, told apart by content at the same key and time',
    [output('a', 5, 'one'), output('a', 5, 'two'), output('a', 7, 'three')],
    [output('a', 5, 'two'), output('a', 7, 'three')],
    ['tick 6', '20 two', 'tick 6', '30 three', 'tick 8'],
  ],
  [
    'with another value takes the place of the one of its key and time',
    [output('a', 5, 'one'), output('b', 5, 'two')],
    [output('a', 5, 'one'), output('b', 5, 'changed')],
    ['10 one', 'tick 6', '20 changed', 'tick 6'],
  ],
  [
    'that is new comes before the first later step, at a free offset where there is one',
    [output('a', 5, 'one'), output('a', 9, 'two')],
    [output('a', 5, 'one'), output('c', 7, 'new'), output('a', 9, 'two'), output('c', 99, 'last')],
    ['10 one', 'tick 6', '11 new', '20 two', 'tick 10', '21 last'],
  ],
  [
    'of another processor stays',
    [output('a', 5, 'one', '/weir/test.summing-too/0'), output('a', 9, 'two')],
    [],
    ['10 one', 'tick 6', 'tick 10'],
  ],
])('an output %s', async (_, recorded, fresh, expected) => {
  expect(await stepsAfter(recorded, fresh)).toEqual(expected);
});
