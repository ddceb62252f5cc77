/** The parts of an app's processors as rows: one for each input, table, output and parameter. */
import {
  isUrgent,
  optionsOfInput,
  streamOfInput,
  streamOfOutput,
  taskCount,
  type App,
} from '#engine/topology/app.ts';
import type { AnyInput, Processor } from '#engine/topology/processor.ts';
import type { Stream } from '#engine/topology/stream.ts';
import { groupThousands } from './present/table.ts';
import type { Cell, Result } from './present/value.ts';

type Part = readonly [role: string, name: string, topic: string | null, detail: string];

const columns = ['processor', 'role', 'name', 'topic', 'detail'].map(
  (name) => ({ name, kind: 'text' }) as const,
);

function streamDetail({ partitions, key }: Stream<unknown>): string {
  return `${partitions} partitions by ${key.entity}`;
}

function optionDetails(input: AnyInput): string[] {
  const { allowedLatenessMs, idleAfterMs, maxAheadMs, deduplicateLast } = optionsOfInput(input);
  const part = (name: string, value: number | undefined, unit: string): string[] =>
    value === undefined ? [] : [`${name} ${groupThousands(String(value))}${unit}`];
  return [
    ...part('allowed lateness', allowedLatenessMs, ' ms'),
    ...part('idle after', idleAfterMs, ' ms'),
    ...part('at most ahead', maxAheadMs, ' ms'),
    ...part('deduplicates the last', deduplicateLast, ''),
  ];
}

function partsOf(processor: Processor): Part[] {
  const input =
    (role: string) =>
    ([name, declared]: [string, AnyInput]): Part => {
      const stream = streamOfInput(declared);
      return [role, name, stream.topic, [streamDetail(stream), ...optionDetails(declared)].join(', ')];
    };
  const late =
    typeof processor.late === 'object'
      ? `late records noted on ${processor.late.to}`
      : `late: ${processor.late}`;
  const timers = Object.entries(processor.timers);
  return [
    [
      'tasks',
      String(taskCount(processor)),
      null,
      `state ${processor.state.schema.name} v${processor.state.version}, ${late}`,
    ],
    ...Object.entries(processor.inputs).map(input('input')),
    ...Object.entries(processor.tables).map(input('table')),
    ...Object.entries(processor.outputs).map(([name, declared]): Part => {
      const stream = streamOfOutput(declared);
      return [
        'output',
        name,
        stream.topic,
        isUrgent(declared) ? `urgent, ${streamDetail(stream)}` : streamDetail(stream),
      ];
    }),
    ...timers.map(([name, { clock }]): Part => ['timer', name, null, `${clock} time`]),
    ...Object.entries(processor.parameters).map(([name, value]): Part => [
      'parameter',
      name,
      null,
      String(value),
    ]),
  ];
}

/**
 * One row for each part of each processor.
 * @param sparse name a processor in its first row only, for reading; programs want it in each
 */
export function topologyParts(app: App, sparse: boolean): Result {
  const rows = app.processors.flatMap((processor) =>
    partsOf(processor).map((part, i): Cell[] => [sparse && i > 0 ? '' : processor.name, ...part]),
  );
  return { columns, rows };
}
