import { describe, expect, it } from 'vitest';
import { input, processor, type Processor } from '../topology/processor.ts';
import type { RecordSchema, Stream } from '../topology/stream.ts';
import { replayEvents } from './replay-events.ts';

interface Reading {
  readonly id: string;
  readonly at: number;
}
interface Count {
  readonly count: number;
}

function stream(topic: string): Stream<Reading> {
  return {
    name: 'test.Reading',
    schema: {
      type: 'record',
      name: 'Reading',
      namespace: 'test',
      fields: [
        { name: 'id', type: 'string' },
        { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
      ],
    },
    topic,
    kind: 'stream',
    key: { field: 'id', entity: 'thing' },
    time: { field: 'at', unit: 'millis' },
    partitions: 4,
    clickhouse: { table: topic, orderBy: ['id'] },
  };
}

const countState: RecordSchema<Count> = {
  name: 'test.Count',
  schema: { type: 'record', name: 'Count', namespace: 'test', fields: [{ name: 'count', type: 'long' }] },
};

/** Emits its key once a second of silence has passed, by the wall clock, after an odd number of readings. */
const silent: Processor = processor({
  name: 'test.silent',
  inputs: { readings: input(stream('test.readings'), { idleAfterMs: 100 }) },
  outputs: { silences: stream('test.silences') },
  state: { schema: countState, version: 1, initial: () => ({ count: 0 }) },
  on: {
    readings: (state, _event, at) => ({
      state: { count: state.count + 1 },
      timers: [{ set: 'silence', atMs: at.wallMs + 1_000 }],
    }),
  },
  timers: {
    silence: {
      clock: 'wall',
      fire: (state, at) =>
        state.count % 2 === 0
          ? undefined
          : { emit: [{ to: 'silences', value: { id: at.key, at: at.eventTimeMs } }] },
    },
  },
  late: 'handle',
});

const at = (id: string, ms: number, arrivalMs?: number) => ({
  topic: 'test.readings',
  event: { id, at: ms },
  ...(arrivalMs === undefined ? {} : { arrivalMs }),
});

describe('replaying events in virtual time', () => {
  it('lets wall time pass between arrivals, and for as long as asked after the last', () => {
    const events = [at('a', 1_000), at('a', 5_000), at('b', 5_500), at('a', 5_900)];
    expect(replayEvents({ processor: silent, events })).toEqual([
      { topic: 'test.silences', key: 'a', value: { id: 'a', at: 2_000 } },
    ]);
    expect(replayEvents({ processor: silent, events, settleMs: 2_000 }).map(({ value }) => value)).toEqual([
      { id: 'a', at: 2_000 },
      { id: 'a', at: 6_900 },
      { id: 'b', at: 6_500 },
    ]);
  });

  it('takes events in the order of their arrival', () => {
    const events = [at('a', 100, 4_000), at('a', 200, 1_000)];
    const [first] = replayEvents({ processor: silent, events });
    expect(first?.value).toEqual({ id: 'a', at: 2_000 });
  });

  it.each([1, 2, 4, 7])(
    'gives the same with %i partitions, one step to a batch and crashes in between',
    (partitions) => {
      const events = Array.from({ length: 40 }, (_, i) => at(`thing-${i % 9}`, 1_000 + i * 350));
      const plain = replayEvents({ processor: silent, events, settleMs: 3_000 });
      const harsh = replayEvents({
        processor: silent,
        events,
        settleMs: 3_000,
        partitions,
        batchSize: () => 1 + (partitions % 3),
        crashBefore: (steps) => new Set([1, Math.floor(steps / 2), steps - 1]),
      });
      expect(plain.length).toBeGreaterThan(5);
      expect(harsh).toEqual(plain);
    },
  );

  it('refuses an event of a topic that the processor does not read', () => {
    const events = [{ topic: 'test.others', event: { id: 'a', at: 1 } }];
    expect(() => replayEvents({ processor: silent, events })).toThrow(/event 1: 'test.others' is no input/);
  });
});
