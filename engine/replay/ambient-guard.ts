/**
 * Forbids the ambient clock, randomness and scheduling while a processor's code runs: what reads them cannot be replayed.
 *
 * I1  Inside `withoutAmbient` every one of them throws a `non-deterministic` error that says what to use instead.
 *     What was imported by name from node:crypto or node:timers is covered too; other modules, and locales, are kept out of
 *     pipelines by a lint rule.
 * I2  They are back when it returns or throws. The function must be synchronous: other code never runs under the guard.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module';
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

/** CommonJS objects of built-in modules: what `import { randomUUID } from 'node:crypto'` is bound to follows them. */
const require = createRequire(import.meta.url);
const modules = {
  crypto: require('node:crypto') as object,
  timers: require('node:timers') as object,
};

function functionsOf(holder: object, prefix: string, names: readonly string[]): Replaced[] {
  return names.map((name) => ({ holder, name, guard: forbidden(`${prefix}${name}()`) }));
}

function guards(): readonly Replaced[] {
  const timers = ['setTimeout', 'setInterval', 'setImmediate'];
  const random = ['randomUUID', 'getRandomValues'];
  return [
    { holder: globalThis, name: 'Date', guard: guardedDate(Date) },
    ...functionsOf(Math, 'Math.', ['random']),
    ...functionsOf(performance, 'performance.', ['now', 'mark', 'measure', 'toJSON']),
    ...functionsOf(process, 'process.', ['hrtime', 'uptime', 'cpuUsage']),
    ...functionsOf(crypto, 'crypto.', random),
    // Its getRandomValues is the global one.
    ...functionsOf(modules.crypto, 'crypto.', ['randomUUID', 'randomBytes', 'randomInt', 'randomFillSync']),
    ...functionsOf(globalThis, '', [...timers, 'queueMicrotask', 'fetch']),
    ...functionsOf(modules.timers, 'timers.', timers),
  ];
}

/** Runs a synchronous function with ambient clock, randomness and scheduling forbidden. */
export function withoutAmbient<T>(run: () => T): T {
  const before: {
    readonly holder: object;
    readonly name: string;
    readonly own: PropertyDescriptor | undefined;
  }[] = [];
  try {
    for (const { holder, name, guard } of guards()) {
      const own = Object.getOwnPropertyDescriptor(holder, name);
      Object.defineProperty(holder, name, { value: guard, configurable: true, writable: true });
      before.push({ holder, name, own });
    }
    syncBuiltinESMExports();
    return run();
  } finally {
    for (const { holder, name, own } of before) {
      if (own === undefined) Reflect.deleteProperty(holder, name);
      else Object.defineProperty(holder, name, own);
    }
    syncBuiltinESMExports();
  }
}
