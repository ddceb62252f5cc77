/**
 * An app that decides by event time: it counts the items of each thing in windows of a second, and tells of items that came late.
 *
 * No lateness is allowed, so a partition that is taken for idle while it is not makes its next items late: they are told, and
 * counted in no window. Items whose id begins with `refused` are rejected.
 */
import type { App } from '#engine/topology/app.ts';
import { input, processor } from '#engine/topology/processor.ts';
import type { RecordSchema, Stream } from '#engine/topology/stream.ts';
import { windows, type Window } from '#engine/functions/window.ts';
import { foldingApp, type Item } from '../integration/folding.fixture.ts';

export const windowMs = 1_000;
export const idleAfterMs = 2_500;

export interface Count {
  readonly thing: string;
  /** End of the window. */
  readonly at: number;
  readonly count: number;
}

interface CountState {
  readonly windows: readonly Window<number>[];
}

const text = { type: 'string' };
const time = { type: 'long', logicalType: 'timestamp-millis' };
const record = (name: string, fields: Readonly<Record<string, unknown>>) => ({
  type: 'record',
  name,
  namespace: 'counting',
  fields: Object.entries(fields).map(([field, type]) => ({ name: field, type })),
});

const countState: RecordSchema<CountState> = {
  name: 'counting.CountState',
  schema: record('CountState', {
    windows: {
      type: 'array',
      items: record('CountWindow', { start_ms: time, version: 'int', value: 'int' }),
    },
  }),
};

export interface Counting {
  readonly app: App;
  readonly items: Stream<Item>;
  readonly others: Stream<Item>;
  readonly counts: Stream<Count>;
  /** As they came. */
  readonly lates: Stream<Item>;
}

/** One stage, with a task for each of `partitions` partitions of `items` and `others`. */
export function countingApp(name: string, partitions = 2): Counting {
  const { items, others } = foldingApp(name, partitions);
  const lates: Stream<Item> = { ...items, topic: `${name}.lates` };
  const counts: Stream<Count> = {
    name: 'counting.Count',
    schema: record('Count', { thing: text, at: time, count: 'int' }),
    topic: `${name}.counts`,
    kind: 'stream',
    key: { field: 'thing', entity: 'thing' },
    time: { field: 'at', unit: 'millis' },
    partitions,
    clickhouse: { table: 'counts', orderBy: ['thing'] },
  };
  const perSecond = windows<number, Item>({ sizeMs: windowMs, zero: 0, add: (count) => count + 1 });
  const add = (
    state: CountState,
    item: Item,
    at: { readonly eventTimeMs: number; readonly watermarkMs: number },
  ) => {
    if (item.id.startsWith('refused')) return { reject: `item ${item.id} is refused` };
    const { windows: open, timerAtMs } = perSecond.add(state.windows, at.eventTimeMs, item, at.watermarkMs);
    return {
      state: { windows: open },
      ...(timerAtMs === undefined ? {} : { timers: [{ set: 'close' as const, atMs: timerAtMs }] }),
    };
  };
  const count = processor({
    name: 'counting.count',
    inputs: { items: input(items, { idleAfterMs }), others: input(others, { idleAfterMs }) },
    outputs: { counts, lates },
    state: { schema: countState, version: 1, initial: () => ({ windows: [] }) },
    on: { items: add, others: add },
    timers: {
      close: {
        clock: 'event',
        fire: ({ windows: open }, { key, eventTimeMs }) => {
          const { windows: left, closed, timerAtMs } = perSecond.fire(open, eventTimeMs);
          return {
            state: left.length === 0 ? null : { windows: left },
            emit: closed.map(({ start_ms, value }) => ({
              to: 'counts' as const,
              value: { thing: key, at: start_ms + windowMs, count: value },
            })),
            ...(timerAtMs === undefined ? {} : { timers: [{ set: 'close', atMs: timerAtMs }] }),
          };
        },
      },
    },
    late: { to: 'lates', as: (item) => item },
  });
  const app: App = { name, streams: [items, others, counts, lates], processors: [count] };
  return { app, items, others, counts, lates };
}
