import { expect, test } from 'vitest';
import { limits, readings, sums, sumState } from '../task/readings.fixture.ts';
import { processor, urgent } from './processor.ts';
import type { Stream } from './stream.ts';

/** A stream of another type of event, to be told apart from readings. */
const notes = { ...readings, topic: 'test.notes' } as unknown as Stream<{
  readonly id: string;
  readonly text: string;
}>;

test('types of states, events, tables, parameters, emissions and timers are inferred and fit', () => {
  const fitting = processor({
    name: 'test.fitting',
    inputs: { readings, notes },
    outputs: { notes: urgent(notes), sums },
    tables: { limits },
    state: { schema: sumState, version: 1, initial: () => ({ sum: 0 }) },
    parameters: { limit: 3 },
    on: {
      readings: (state, event, at) => ({
        state: { sum: state.sum + event.n + at.parameters.limit },
        emit: [{ to: 'notes', value: { id: event.id, text: 'a' } }],
        timers: [{ set: 'hold', atMs: 3 }],
      }),
      notes: (_, event, at) => (at.tables.limits.get(event.text)?.n === 3 ? { state: null } : undefined),
    },
    timers: { hold: { clock: 'event', fire: (state) => ({ state: { sum: state.sum } }) } },
    late: 'handle',
  });
  expect(fitting.parameters).toEqual({ limit: 3 });
  expect(fitting.tables).toEqual({ limits });
});

test('an emission of the wrong type and an unknown timer do not compile', () => {
  const refused = processor({
    name: 'test.refused',
    inputs: { readings, notes },
    outputs: { notes: urgent(notes), sums },
    state: { schema: sumState, version: 1, initial: () => ({ sum: 0 }) },
    on: {
      // @ts-expect-error an emission must have the output's type
      readings: (state) => ({ state, emit: [{ to: 'notes', value: { id: 'x', n: 'a' } }] }),
      // @ts-expect-error unknown timer
      notes: () => ({ timers: [{ set: 'nowhere', atMs: 3 }] }),
    },
    late: 'drop',
  });
  expect([refused.tables, refused.parameters, refused.timers]).toEqual([{}, {}, {}]);
});
