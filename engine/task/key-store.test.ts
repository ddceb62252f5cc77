import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyStore, type Clock, type KeyContent } from './key-store.ts';

/** What the store should hold: state, timers by name and seen ids of each key. */
interface Model {
  state: number | undefined;
  timers: Map<string, number>;
  seen: readonly string[];
}

const clockOf = (timer: string): Clock => (timer.startsWith('wall') ? 'wall' : 'event');
const keys = ['a', 'b', 'c'];
const timers = ['one', 'two', 'wall-one'];

const action = fc.oneof(
  fc.record({ do: fc.constant('state' as const), key: fc.constantFrom(...keys), n: fc.nat(9) }),
  fc.record({ do: fc.constant('forget' as const), key: fc.constantFrom(...keys) }),
  fc.record({ do: fc.constant('seen' as const), key: fc.constantFrom(...keys), n: fc.nat(9) }),
  fc.record({
    do: fc.constant('set' as const),
    key: fc.constantFrom(...keys),
    name: fc.constantFrom(...timers),
    n: fc.nat(9),
  }),
  fc.record({
    do: fc.constant('clear' as const),
    key: fc.constantFrom(...keys),
    name: fc.constantFrom(...timers),
  }),
  fc.record({
    do: fc.constant('take' as const),
    clock: fc.constantFrom('event' as const, 'wall' as const),
    n: fc.nat(9),
  }),
  fc.record({ do: fc.constant('commit' as const) }),
  fc.record({ do: fc.constant('look' as const), key: fc.constantFrom(...keys) }),
);

function plain(content: KeyContent): unknown {
  const named = content.timers.map(({ name, timeMs }) => `${name}@${timeMs}`).sort();
  return [content.key, content.state, named, [...content.seen]];
}

function plainModel(model: ReadonlyMap<string, Model>): unknown[] {
  return [...model]
    .filter(([, one]) => one.state !== undefined || one.timers.size > 0 || one.seen.length > 0)
    .map(([key, one]) => [
      key,
      one.state,
      [...one.timers].map(([name, timeMs]) => `${name}@${timeMs}`).sort(),
      [...one.seen],
    ])
    .sort();
}

function firstDue(model: ReadonlyMap<string, Model>, clock: Clock, limitMs: number): string | undefined {
  const due = [...model].flatMap(([key, one]) =>
    [...one.timers]
      .filter(([name, timeMs]) => clockOf(name) === clock && timeMs <= limitMs)
      .map(([name, timeMs]) => `${timeMs} ${key} ${name}`),
  );
  return due.sort()[0];
}

/** Keys that a restart found, with their states as one byte. */
const packedKeys = fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat(255)), {
  selector: ([key]) => key,
});
const unpack = (key: string, bytes: Buffer): KeyContent => ({ key, state: bytes[0], timers: [], seen: [] });

test('the store holds what a plain map holds, timers included', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), packedKeys, (actions, packed) => {
      const store = new KeyStore(clockOf, unpack);
      const model = new Map<string, Model>();
      for (const [key, n] of packed) {
        store.loadPacked(key, Buffer.from([n]));
        model.set(key, { state: n, timers: new Map(), seen: [] });
      }
      const of = (key: string): Model => {
        const one = model.get(key) ?? { state: undefined, timers: new Map<string, number>(), seen: [] };
        model.set(key, one);
        return one;
      };
      for (const a of actions) {
        switch (a.do) {
          case 'state':
            store.setState(store.entry(a.key), a.n);
            of(a.key).state = a.n;
            break;
          case 'forget':
            store.setState(store.entry(a.key), undefined);
            of(a.key).state = undefined;
            break;
          case 'seen':
            store.setSeen(store.entry(a.key), [String(a.n)]);
            of(a.key).seen = [String(a.n)];
            break;
          case 'set':
            store.setTimer(store.entry(a.key), a.name, a.n);
            of(a.key).timers.set(a.name, a.n);
            break;
          case 'clear':
            store.clearTimer(store.entry(a.key), a.name);
            of(a.key).timers.delete(a.name);
            break;
          case 'take': {
            const taken = store.takeDue(a.clock, a.n);
            const found = taken && `${taken.timeMs} ${taken.key} ${taken.name}`;
            expect(found).toBe(firstDue(model, a.clock, a.n));
            if (taken !== undefined) of(taken.key).timers.delete(taken.name);
            break;
          }
          case 'commit':
            store.commit();
            break;
          case 'look':
            store.entry(a.key);
            break;
        }
        expect([...store.contents()].map(plain).sort()).toEqual(plainModel(model));
      }
      store.commit();
      expect(store.size).toBe(plainModel(model).length);
      expect(store.touched).toEqual([]);
    }),
    { numRuns: 150 },
  );
});

test('what was loaded is found again, and its timers fire', () => {
  const store = new KeyStore(clockOf, unpack);
  store.load('a', { key: 'a', state: 1, timers: [{ name: 'one', timeMs: 5 }], seen: ['x'] });
  store.load('b', { key: 'b', state: 2, timers: [{ name: 'wall-one', timeMs: 3 }], seen: [] });
  expect([...store.contents()].map(plain)).toEqual([
    ['a', 1, ['one@5'], ['x']],
    ['b', 2, ['wall-one@3'], []],
  ]);
  expect(store.takeDue('event', 9)).toMatchObject({ key: 'a', timeMs: 5 });
  expect(store.takeDue('event', 9)).toBeUndefined();
  expect(store.takeDue('wall', 9)).toMatchObject({ key: 'b', timeMs: 3 });
});
