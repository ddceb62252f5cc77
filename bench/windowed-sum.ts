/** The topology of the benchmarks: a tumbling windowed sum per key, as Kafka Streams' examples have it. */
import { windows } from '#engine/functions/window.ts';
import { processor, type Processor } from '#engine/topology/processor.ts';
import type { AvroObject, RecordSchema, Stream } from '#engine/topology/stream.ts';

export interface Reading {
  readonly sensor: string;
  readonly at: number;
  readonly value: number;
}

export interface WindowSum {
  readonly sensor: string;
  readonly window_start: number;
  readonly total: number;
  readonly version: number;
}

interface OpenWindows {
  readonly open: readonly { readonly start_ms: number; readonly version: number; readonly value: number }[];
}

const timestamp = { type: 'long', logicalType: 'timestamp-millis' };

export function record(
  name: string,
  fields: readonly { readonly name: string; readonly type: unknown }[],
): AvroObject {
  return { type: 'record', name, namespace: 'weir.bench', fields };
}

export function benchStream<T>(
  topic: string,
  name: string,
  time: string,
  schema: AvroObject,
  partitions: number,
): Stream<T> {
  return {
    name: `weir.bench.${name}`,
    schema,
    topic,
    kind: 'stream',
    key: { field: 'sensor', entity: 'sensor' },
    time: { field: time, unit: 'millis' },
    partitions,
    clickhouse: { table: topic.replace(/[.-]/g, '_'), orderBy: ['sensor', time] },
  };
}

export function readingStream(partitions: number, topic = 'bench.readings'): Stream<Reading> {
  return benchStream(
    topic,
    'Reading',
    'at',
    record('Reading', [
      { name: 'sensor', type: 'string' },
      { name: 'at', type: timestamp },
      { name: 'value', type: 'long' },
    ]),
    partitions,
  );
}

export function sumStream(partitions: number, topic = 'bench.sums'): Stream<WindowSum> {
  return benchStream(
    topic,
    'WindowSum',
    'window_start',
    record('WindowSum', [
      { name: 'sensor', type: 'string' },
      { name: 'window_start', type: timestamp },
      { name: 'total', type: 'long' },
      { name: 'version', type: 'int' },
    ]),
    partitions,
  );
}

const stateSchema: RecordSchema<OpenWindows> = {
  name: 'weir.bench.OpenWindows',
  schema: record('OpenWindows', [
    {
      name: 'open',
      type: {
        type: 'array',
        items: record('Window', [
          { name: 'start_ms', type: 'long' },
          { name: 'version', type: 'int' },
          { name: 'value', type: 'long' },
        ]),
      },
    },
  ]),
};

/** Sums readings per sensor over tumbling windows of `sizeMs`. */
export function windowedSum(readings: Stream<Reading>, sums: Stream<WindowSum>, sizeMs: number): Processor {
  const tumbling = windows<number, Reading>({
    sizeMs,
    zero: 0,
    add: (total, reading) => total + reading.value,
  });
  return processor({
    name: 'bench.windowed-sum',
    inputs: { readings },
    outputs: { sums },
    state: { schema: stateSchema, version: 1, initial: () => ({ open: [] }) },
    on: {
      readings: (state, event, at) => {
        const { windows: open, timerAtMs } = tumbling.add(state.open, event.at, event, at.watermarkMs);
        return timerAtMs === undefined
          ? { state: { open } }
          : { state: { open }, timers: [{ set: 'close', atMs: timerAtMs }] };
      },
    },
    timers: {
      close: {
        clock: 'event',
        fire: (state, at) => {
          const { windows: open, closed, timerAtMs } = tumbling.fire(state.open, at.eventTimeMs);
          return {
            state: open.length === 0 ? null : { open },
            emit: closed.map((window) => ({
              to: 'sums',
              value: {
                sensor: at.key,
                window_start: window.start_ms,
                total: window.value,
                version: window.version,
              },
            })),
            timers: timerAtMs === undefined ? [] : [{ set: 'close', atMs: timerAtMs }],
          };
        },
      },
    },
    late: 'drop',
  });
}
