/**
 * The topology of the benchmarks of latency and restore: counts the readings of each sensor, and answers one with a negative
 * value by a command. bench/kafka-streams has the same.
 */
import { processor, urgent, type Processor } from '#engine/topology/processor.ts';
import type { RecordSchema, Stream } from '#engine/topology/stream.ts';
import { benchStream, record, type Reading } from './windowed-sum.ts';

export interface Command {
  readonly sensor: string;
  readonly at: number;
  /** Of the reading that is answered. */
  readonly value: number;
  /** Readings of the sensor so far. */
  readonly count: number;
}

interface Count {
  readonly count: number;
}

const long = (name: string): { readonly name: string; readonly type: 'long' } => ({ name, type: 'long' });

export function commandStream(partitions: number, topic: string): Stream<Command> {
  return benchStream(
    topic,
    'Command',
    'at',
    record('Command', [
      { name: 'sensor', type: 'string' },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
      long('value'),
      long('count'),
    ]),
    partitions,
  );
}

const stateSchema: RecordSchema<Count> = {
  name: 'weir.bench.Count',
  schema: record('Count', [long('count')]),
};

/** Commands are urgent: emitting one commits. */
export function alarms(readings: Stream<Reading>, commands: Stream<Command>): Processor {
  return processor({
    name: 'bench.alarms',
    inputs: { readings },
    outputs: { commands: urgent(commands) },
    state: { schema: stateSchema, version: 1, initial: () => ({ count: 0 }) },
    on: {
      readings: (state, { sensor, at, value }) => {
        const count = state.count + 1;
        return value < 0
          ? { state: { count }, emit: [{ to: 'commands', value: { sensor, at, value, count } }] }
          : { state: { count } };
      },
    },
    late: 'handle',
  });
}
