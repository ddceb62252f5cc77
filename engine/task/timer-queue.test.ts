import fc from 'fast-check';
import { expect, test } from 'vitest';
import { firesBefore, TimerQueue, type Timer } from './timer-queue.ts';

type Action =
  | { readonly kind: 'set'; readonly key: string; readonly name: string; readonly timeMs: number }
  | { readonly kind: 'kill'; readonly at: number }
  | { readonly kind: 'take'; readonly limitMs: number };

const actions: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('set' as const),
      key: fc.constantFrom('a', 'b', 'ä', '\u{1f600}', ''),
      name: fc.constantFrom('x', 'y'),
      timeMs: fc.integer({ min: -20, max: 20 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('kill' as const), at: fc.nat() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('take' as const), limitMs: fc.integer({ min: -25, max: 25 }) }),
  },
);

const place = ({ timeMs, key, name }: Timer): unknown[] => [timeMs, key, name];

test('timers come out as from a sorted list, whatever is set, replaced, cleared and taken in between', () => {
  fc.assert(
    fc.property(fc.array(actions, { maxLength: 300 }), (list) => {
      const queue = new TimerQueue();
      let model: Timer[] = [];
      const drop = (timer: Timer): void => {
        model = model.filter((other) => other !== timer);
        queue.kill(timer);
      };
      for (const action of list) {
        if (action.kind === 'set') {
          const old = model.find((timer) => timer.key === action.key && timer.name === action.name);
          if (old !== undefined) drop(old);
          const timer = { timeMs: action.timeMs, key: action.key, name: action.name, live: true };
          model.push(timer);
          queue.push(timer);
        } else if (action.kind === 'kill') {
          const timer = model[action.at % Math.max(1, model.length)];
          if (timer !== undefined) {
            drop(timer);
            queue.kill(timer); // twice is once
          }
        } else {
          const due = model
            .filter((timer) => timer.timeMs <= action.limitMs)
            .sort((a, b) => (firesBefore(a, b) ? -1 : 1))[0];
          const taken = queue.takeDue(action.limitMs);
          expect(taken && place(taken)).toEqual(due && place(due));
          if (taken !== undefined) model = model.filter((timer) => timer !== taken);
        }
        expect(queue.liveCount).toBe(model.length);
        const next = Math.min(Infinity, ...model.map((timer) => timer.timeMs));
        expect(queue.nextTimeMs).toBeLessThanOrEqual(next);
      }
    }),
    { numRuns: 60 },
  );
});

test('a queue whose timers are replaced for ever does not grow', () => {
  const queue = new TimerQueue();
  let timer: Timer = { timeMs: 0, key: 'a', name: 'x', live: true };
  queue.push(timer);
  const sizes = new Set<number>();
  for (let i = 1; i <= 10_000; i += 1) {
    queue.kill(timer);
    timer = { timeMs: 1_000_000 - i, key: 'a', name: 'x', live: true };
    queue.push(timer);
    sizes.add(queue.heldCount);
  }
  expect(Math.max(...sizes)).toBeLessThan(200);
  expect(queue.takeDue(Infinity)).toBe(timer);
  expect(queue.takeDue(Infinity)).toBeUndefined();
  expect(queue.nextTimeMs).toBe(Infinity);
});
