/** Streams and processors that the engine's own tests share: readings of things, summed, and the sums watched. */
import { input, processor, urgent } from '../topology/processor.ts';
import type { AvroObject, RecordSchema, Stream } from '../topology/stream.ts';
import type { App } from '../topology/app.ts';

export interface Reading {
  readonly id: string;
  readonly at: number;
  readonly n: number;
}

const readingSchema: AvroObject = {
  type: 'record',
  name: 'Reading',
  namespace: 'test',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'n', type: 'int' },
  ],
};

export function readingStream(
  topic: string,
  kind: 'stream' | 'table' = 'stream',
  partitions = 1,
): Stream<Reading> {
  return {
    name: 'test.Reading',
    schema: readingSchema,
    topic,
    kind,
    key: { field: 'id', entity: 'thing' },
    time: { field: 'at', unit: 'millis' },
    partitions,
    clickhouse: { table: topic, orderBy: ['id'] },
  };
}

export const readings = readingStream('test.readings');
export const others = readingStream('test.others');
export const limits = readingStream('test.limits-table', 'table', 2);
export const sums = readingStream('test.sums');
export const alarms = readingStream('test.alarms');
export const verdicts = readingStream('test.verdicts');

export interface Sum {
  readonly sum: number;
}

export const sumState: RecordSchema<Sum> = {
  name: 'test.Sum',
  schema: { type: 'record', name: 'Sum', namespace: 'test', fields: [{ name: 'sum', type: 'long' }] },
};

/** Sums n per key; a `close` timer ten seconds after the first event emits the sum and forgets the key. */
export const summing = processor({
  name: 'test.summing',
  inputs: {
    readings: input(readings, { idleAfterMs: 1_000 }),
    others: input(others, { idleAfterMs: 1_000 }),
  },
  outputs: { sums, alarms: urgent(alarms) },
  tables: { limits },
  state: { schema: sumState, version: 1, initial: () => ({ sum: 0 }) },
  parameters: { alarmAt: 1000 },
  on: {
    readings: (state, event, at) => {
      if (event.n === 13) return { reject: 'thirteen is not accepted' };
      if (event.n === 666) throw new Error('a bug');
      const sum = state.sum + event.n;
      const limit = at.tables.limits.get(at.key)?.n ?? at.parameters.alarmAt;
      return {
        state: { sum },
        timers: state.sum === 0 ? [{ set: 'close', atMs: at.eventTimeMs + 10_000 }] : [],
        emit: sum > limit ? [{ to: 'alarms', value: { id: at.key, at: at.eventTimeMs, n: sum } }] : [],
      };
    },
    others: (state, event) => ({ state: { sum: state.sum + 100 * event.n } }),
  },
  timers: {
    close: {
      clock: 'event',
      fire: (state, at) => ({
        state: null,
        emit: [{ to: 'sums', value: { id: at.key, at: at.eventTimeMs, n: state.sum } }],
      }),
    },
  },
  late: 'drop',
});

/** The second stage: counts alarms of a key; reports them with the key's sum, or once it is quiet on the wall clock. */
export const watching = processor({
  name: 'test.watching',
  inputs: {
    sums: input(sums, { idleAfterMs: 500, allowedLatenessMs: 2_000 }),
    alarms: input(alarms, { idleAfterMs: 500, deduplicateLast: 4 }),
  },
  outputs: { verdicts },
  tables: { limits },
  state: { schema: sumState, version: 1, initial: () => ({ sum: 0 }) },
  parameters: { tolerated: 1 },
  on: {
    alarms: (state, _event, at) => ({
      state: { sum: state.sum + 1 },
      timers: [{ set: 'quiet', atMs: at.wallMs + 1_500 }],
    }),
    sums: (state, event, at) => ({
      timers: [{ clear: 'quiet' }, { set: 'settle', atMs: event.at + 250 }],
      emit:
        state.sum > at.parameters.tolerated
          ? [{ to: 'verdicts', value: { id: at.key, at: event.at, n: event.n + at.tables.limits.size } }]
          : [],
    }),
  },
  timers: {
    quiet: {
      clock: 'wall',
      fire: (state, at) => ({
        emit: [{ to: 'verdicts', value: { id: at.key, at: at.eventTimeMs, n: -state.sum } }],
      }),
    },
    settle: { clock: 'event', fire: () => ({ state: null }) },
  },
  late: 'handle',
});

/** Readings to sums to verdicts, with the limits as a broadcast table of both. */
export const readingsApp: App = {
  name: 'test',
  streams: [readings, others, limits, sums, alarms, verdicts],
  processors: [summing, watching],
};
