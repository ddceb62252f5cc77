import { processor, urgent } from './processor.ts';
import type { Stream, RecordSchema } from './stream.ts';
declare const a: Stream<{ id: string; n: number }>;
declare const b: Stream<{ id: string; s: string }>;
declare const t: Stream<{ k: string; v: number }>;
declare const st: RecordSchema<{ n: number }>;
export const p = processor({
  name: 'x.y',
  inputs: { a, b },
  outputs: { out: urgent(b), b2: a },
  tables: { t },
  state: { schema: st, version: 1, initial: () => ({ n: 0 }) },
  parameters: { limit: 3 },
  on: {
    a: (state, event, at) => ({
      state: { n: state.n + event.n + at.parameters.limit },
      emit: [{ to: 'out', value: { id: 'x', s: 'a' } }],
      timers: [{ set: 'hold', atMs: 3 }],
    }),
    b: (_s, e, at) => (at.tables.t.get(e.s)?.v === 3 ? { state: null } : undefined),
  },
  timers: { hold: { clock: 'event', fire: (s) => ({ state: { n: s.n } }) } },
  late: 'handle',
});
export const q = processor({
  name: 'x.y',
  inputs: { a, b },
  outputs: { out: urgent(b), b2: a },
  state: { schema: st, version: 1, initial: () => ({ n: 0 }) },
  on: {
    // @ts-expect-error an emission must have the output's type
    a: (state) => ({ state, emit: [{ to: 'out', value: { id: 'x', n: 'a' } }] }),
    // @ts-expect-error unknown timer
    b: () => ({ timers: [{ set: 'nope', atMs: 3 }] }),
  },
  late: 'drop',
});
