import { describe, expect, test } from 'vitest';
import { limits, readings, readingsApp, readingStream, summing, watching } from '../task/readings.fixture.ts';
import { taskCount, validApp, validateApp, type App, type Problem } from './app.ts';
import { input, type Processor } from './processor.ts';
import type { Stream } from './stream.ts';

function withStream(change: Partial<Stream<unknown>>): App {
  return { ...readingsApp, streams: [...readingsApp.streams, { ...readingStream('test.odd'), ...change }] };
}

function withSumming(change: Partial<Processor>): App {
  return { ...readingsApp, processors: [{ ...summing, ...change }, watching] };
}

const broken: readonly (readonly [string, App, readonly (readonly [Problem['code'], RegExp])[]])[] = [
  [
    'two streams of one topic',
    withStream({ topic: 'test.sums' }),
    [['duplicate-stream', /'test\.sums' is declared twice/]],
  ],
  ['no partitions', withStream({ partitions: 0 }), [['bad-partitions', /'test\.odd' has 0 partitions/]]],
  [
    'half a partition',
    withStream({ partitions: 1.5 }),
    [['bad-partitions', /'test\.odd' has 1\.5 partitions/]],
  ],
  [
    'no key field',
    withStream({ key: { field: 'uid', entity: 'thing' } }),
    [['missing-key', /'test\.odd'.*no field 'uid'/]],
  ],
  [
    'no time field',
    withStream({ time: { field: 'when', unit: 'millis' } }),
    [['missing-time', /'test\.odd'.*no field 'when'/]],
  ],
  [
    'two processors of one name',
    { ...readingsApp, processors: [summing, watching, summing, summing] },
    [['duplicate-processor', /two processors are named 'test\.summing'/]],
  ],
  [
    'a name without a subsystem',
    withSumming({ name: 'summing' }),
    [['bad-name', /'summing': a name is <subsystem>/]],
  ],
  ['a name in upper case', withSumming({ name: 'test.Summing' }), [['bad-name', /'test\.Summing'/]]],
  ['no input', withSumming({ inputs: {}, on: {} }), [['no-input', /'test\.summing': it has no input/]]],
  [
    'an input that is not declared',
    { ...readingsApp, streams: readingsApp.streams.filter((stream) => stream !== readings) },
    [['unknown-stream', /'test\.summing': input 'readings' is stream 'test\.readings'/]],
  ],
  [
    'an output that is not declared',
    withSumming({ outputs: { ...summing.outputs, sums: readingStream('test.nowhere') } }),
    [['unknown-stream', /output 'sums' is stream 'test\.nowhere'/]],
  ],
  [
    'a table that is not declared',
    withSumming({ tables: { limits: readingStream('test.nowhere', 'table') } }),
    [['unknown-stream', /table 'limits' is stream 'test\.nowhere'/]],
  ],
  [
    'a stream that the app declares with other partitions',
    withSumming({ tables: { limits: { ...limits, partitions: 5 } } }),
    [
      [
        'bad-partitions',
        /table 'limits' takes stream 'test\.limits-table' to have 5 partitions; the app declares it with 2/,
      ],
    ],
  ],
  [
    'a table that is not compacted',
    withSumming({ tables: { limits: readingStream('test.verdicts') } }),
    [['table-kind', /table 'limits' is stream 'test\.verdicts', which is not compacted/]],
  ],
  [
    'an input without a handler',
    withSumming({ on: { readings: summing.on['readings']! } }),
    [['missing-handler', /input 'others' has no handler/]],
  ],
  [
    'a handler without an input',
    withSumming({ on: { ...summing.on, nothing: () => undefined } }),
    [['missing-handler', /'on\.nothing' handles an input that it does not have/]],
  ],
  [
    'late records to no output',
    withSumming({ late: { to: 'lates', as: (event) => event } }),
    [['late-output', /late records go to 'lates'/]],
  ],
  [
    'the same topic as two inputs',
    withSumming({ inputs: { readings, others: input(readings, {}) } }),
    [['duplicate-stream', /'readings' and 'others' are both stream 'test\.readings'/]],
  ],
  [
    'the same topic as input and table',
    withSumming({ inputs: { readings, others: limits } }),
    [
      ['duplicate-stream', /'others' and 'limits' are both stream 'test\.limits-table'/],
      [
        'not-co-partitioned',
        /'readings' \(test\.readings\) has 1 partitions, 'others' \(test\.limits-table\) has 2/,
      ],
    ],
  ],
];

describe('validation', () => {
  test('an app whose parts fit together has no problem and is given back', () => {
    expect(validateApp(readingsApp)).toEqual([]);
    expect(validApp(readingsApp)).toBe(readingsApp);
  });

  test.each(broken)('%s is refused by name', (_, app, expected) => {
    const problems = validateApp(app);
    expect(problems.map((problem) => problem.code)).toEqual(expected.map(([code]) => code));
    problems.forEach((problem, i) => {
      expect(problem.message).toMatch(expected[i]![1]);
    });
  });

  test('inputs keyed by different entities are refused, also when their partitions are equal in number', () => {
    const byHost = { ...readingStream('test.by-host'), key: { field: 'id', entity: 'host' } };
    const app = withSumming({ inputs: { readings, others: byHost } });
    const problems = validateApp({ ...app, streams: [...app.streams, byHost] });
    expect(problems.map(({ code }) => code)).toEqual(['not-co-partitioned']);
    expect(problems[0]?.message).toContain(
      "'readings' (test.readings) is keyed by thing, 'others' (test.by-host) by host",
    );
  });

  test('all problems are told at once', () => {
    const app = {
      ...withStream({ partitions: 0 }),
      processors: [{ ...summing, name: 'x', inputs: {}, on: {} }],
    };
    expect(() => validApp(app)).toThrow(
      /app 'test' cannot start:\n.*\[bad-partitions\]\n.*\[bad-name\]\n.*\[no-input\]$/,
    );
  });

  test('a processor has as many tasks as its inputs have partitions, and none without inputs', () => {
    expect(taskCount(summing)).toBe(1);
    expect(taskCount({ ...summing, inputs: { readings: readingStream('test.readings', 'stream', 7) } })).toBe(
      7,
    );
    expect(taskCount({ ...summing, inputs: {} })).toBe(0);
  });
});
