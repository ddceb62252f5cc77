/**
 * An app whose outputs give away every loss, repetition and change of order: it folds the unique id of each input into the
 * state of its key, and tells the fold in an output.
 */
import { xxHash64Hex } from '#engine/functions/xxhash64.ts';
import type { App } from '#engine/topology/app.ts';
import { input, processor, urgent } from '#engine/topology/processor.ts';
import type { AvroObject, RecordSchema, Stream } from '#engine/topology/stream.ts';

export interface Item {
  /** Unique in a run. */
  readonly id: string;
  readonly thing: string;
  readonly at: number;
}

export interface Fold {
  readonly thing: string;
  readonly at: number;
  /** The inputs of the key so far. */
  readonly count: number;
  /** Of the ids of all of them, in their order. */
  readonly digest: string;
  /** The id that was folded in last. */
  readonly last: string;
}

const text = { type: 'string' };
const time = { type: 'long', logicalType: 'timestamp-millis' };

function record(name: string, fields: Readonly<Record<string, unknown>>): AvroObject {
  return {
    type: 'record',
    name,
    namespace: 'folding',
    fields: Object.entries(fields).map(([field, type]) => ({ name: field, type })),
  };
}

function stream<T>(
  topic: string,
  name: string,
  fields: Readonly<Record<string, unknown>>,
  partitions: number,
): Stream<T> {
  return {
    name: `folding.${name}`,
    schema: record(name, fields),
    topic,
    kind: 'stream',
    key: { field: 'thing', entity: 'thing' },
    time: { field: 'at', unit: 'millis' },
    partitions,
    clickhouse: { table: topic.replaceAll('.', '_'), orderBy: ['thing'] },
  };
}

const foldFields = { thing: text, at: time, count: 'int', digest: text, last: text };

export interface FoldState {
  readonly count: number;
  readonly digest: string;
}

const foldState: RecordSchema<FoldState> = {
  name: 'folding.FoldState',
  schema: record('FoldState', { count: 'int', digest: text }),
};

export interface Folding {
  readonly app: App;
  readonly items: Stream<Item>;
  readonly others: Stream<Item>;
  readonly folds: Stream<Fold>;
  readonly urgentFolds: Stream<Fold>;
  readonly refolds: Stream<Fold>;
}

/** Two stages over `partitions` partitions: `items` are folded into `folds` (every tenth urgently), those into `refolds`. */
export function foldingApp(name: string, partitions = 4): Folding {
  const items = stream<Item>(`${name}.items`, 'Item', { id: text, thing: text, at: time }, partitions);
  const others = stream<Item>(`${name}.others`, 'Item', { id: text, thing: text, at: time }, partitions);
  const folds = stream<Fold>(`${name}.folds`, 'Fold', foldFields, partitions);
  const urgentFolds = stream<Fold>(`${name}.urgent-folds`, 'Fold', foldFields, partitions);
  const refolds = stream<Fold>(`${name}.refolds`, 'Fold', foldFields, partitions);
  const fold = (state: FoldState, id: string): FoldState => ({
    count: state.count + 1,
    digest: xxHash64Hex(`${state.digest}${id}`),
  });
  const first = processor({
    name: 'folding.first',
    inputs: {
      items: input(items, { idleAfterMs: 1_000, allowedLatenessMs: 60_000 }),
      others: input(others, { idleAfterMs: 1_000, allowedLatenessMs: 60_000 }),
    },
    outputs: { folds, urgentFolds: urgent(urgentFolds) },
    state: { schema: foldState, version: 1, initial: () => ({ count: 0, digest: '' }) },
    on: {
      items: (state, { id, thing, at }) => {
        const next = fold(state, id);
        const value = { thing, at, last: id, ...next };
        const to = next.count % 10 === 0 ? ('urgentFolds' as const) : ('folds' as const);
        return { state: next, emit: [{ to, value }], timers: [{ set: 'rest', atMs: at + 30_000 }] };
      },
      others: (state, { id, thing, at }) => {
        const next = fold(state, id);
        return { state: next, emit: [{ to: 'folds', value: { thing, at, last: id, ...next } }] };
      },
    },
    timers: { rest: { clock: 'event', fire: () => undefined } },
    late: 'handle',
  });
  const second = processor({
    name: 'folding.second',
    inputs: {
      folds: input(folds, { idleAfterMs: 1_000, allowedLatenessMs: 60_000 }),
      urgentFolds: input(urgentFolds, { idleAfterMs: 1_000, allowedLatenessMs: 60_000 }),
    },
    outputs: { refolds },
    state: { schema: foldState, version: 1, initial: () => ({ count: 0, digest: '' }) },
    on: {
      folds: (state, { last, thing, at }) => {
        const next = fold(state, last);
        return { state: next, emit: [{ to: 'refolds', value: { thing, at, last, ...next } }] };
      },
      urgentFolds: (state, { last, thing, at }) => {
        const next = fold(state, last);
        return { state: next, emit: [{ to: 'refolds', value: { thing, at, last, ...next } }] };
      },
    },
    timers: {},
    late: 'handle',
  });
  const app: App = {
    name,
    streams: [items, others, folds, urgentFolds, refolds],
    processors: [first, second],
  };
  return { app, items, others, folds, urgentFolds, refolds };
}
