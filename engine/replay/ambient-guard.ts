/**
 * Forbids the ambient clock, randomness and scheduling while a processor's code runs: what reads them cannot be replayed.
 *
 * I1  Inside `withoutAmbient` every one of them throws a `non-deterministic` error that says what to use instead.
 * I2  They are back when it returns or throws. The function must be synchronous: other code never runs under the guard.
 */
import { EngineError } from '../engine-error.ts';

const instead = 'take times from `at`, and draw no random numbers in a processor';

function forbidden(what: string): () => never {
  return () => {
    throw new EngineError('non-deterministic', `a processor called ${what}: ${instead}`);
  };
}

/** `Date` that only converts given times: without arguments, as a function, and `Date.now` throw. */
function guardedDate(original: DateConstructor): DateConstructor {
  return new Proxy(original, {
    construct(target, args: unknown[], newTarget) {
      if (args.length === 0) forbidden('new Date()')();
      return Reflect.construct(target, args, newTarget) as object;
    },
    apply: forbidden('Date()'),
    get(target, property, receiver) {
      return property === 'now'
        ? forbidden('Date.now()')
        : (Reflect.get(target, property, receiver) as unknown);
    },
  });
}

interface Replaced {
  readonly holder: object;
  readonly name: string;
  readonly guard: unknown;
}

function guards(): readonly Replaced[] {
  const calls: [object, string, string][] = [
    [Math, 'random', 'Math.random()'],
    [performance, 'now', 'performance.now()'],
    [process, 'hrtime', 'process.hrtime()'],
    [crypto, 'randomUUID', 'crypto.randomUUID()'],
    [crypto, 'getRandomValues', 'crypto.getRandomValues()'],
    [globalThis, 'setTimeout', 'setTimeout()'],
    [globalThis, 'setInterval', 'setInterval()'],
    [globalThis, 'setImmediate', 'setImmediate()'],
    [globalThis, 'fetch', 'fetch()'],
  ];
  return [
    { holder: globalThis, name: 'Date', guard: guardedDate(Date) },
    ...calls.map(([holder, name, what]) => ({ holder, name, guard: forbidden(what) })),
  ];
}

/** Runs a synchronous function with ambient clock, randomness and scheduling forbidden. */
export function withoutAmbient<T>(run: () => T): T {
  const replaced = guards().map(({ holder, name, guard }) => {
    const before = Object.getOwnPropertyDescriptor(holder, name);
    Object.defineProperty(holder, name, { value: guard, configurable: true, writable: true });
    return { holder, name, before };
  });
  try {
    return run();
  } finally {
    for (const { holder, name, before } of replaced) {
      if (before === undefined) Reflect.deleteProperty(holder, name);
      else Object.defineProperty(holder, name, before);
    }
  }
}
