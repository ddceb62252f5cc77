import { randomBytes, randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { withoutAmbient } from './ambient-guard.ts';

test.each<[string, () => unknown]>([
  ['Date.now()', () => Date.now()],
  ['new Date()', () => new Date()],
  ['Math.random()', () => Math.random()],
  ['performance.now()', () => performance.now()],
  ['crypto.randomUUID()', () => crypto.randomUUID()],
  ['crypto.getRandomValues()', () => crypto.getRandomValues(new Uint8Array(1))],
  ['setTimeout()', () => setTimeout(() => undefined, 0)],
  ['process.hrtime()', () => process.hrtime()],
  ['process.uptime()', () => process.uptime()],
  ['process.cpuUsage()', () => process.cpuUsage()],
  ['crypto.randomBytes()', () => randomBytes(1)],
  ['crypto.randomUUID()', () => randomUUID()],
])('%s throws under the guard and works again after it', (what, call) => {
  expect(() => withoutAmbient(call)).toThrow(`a processor called ${what}`);
  expect(call).not.toThrow();
});

test('a date made from a given time is allowed', () => {
  expect(withoutAmbient(() => new Date(0).toISOString())).toBe('1970-01-01T00:00:00.000Z');
  expect(withoutAmbient(() => new Date(5) instanceof Date)).toBe(true);
});
