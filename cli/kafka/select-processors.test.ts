import { expect, it } from 'vitest';
import { weirApp } from '../app.ts';
import { selectProcessors } from './select-processors.ts';

const all = weirApp.processors.map(({ name }) => name);
const migration = all.filter((name) => name.startsWith('migration.'));

it('runs all without names, those of a subsystem, or those that are named, in the order of the app', () => {
  expect(selectProcessors(weirApp, undefined)).toEqual(all);
  expect(migration.length).toBeGreaterThan(0);
  expect(migration.length).toBeLessThan(all.length);
  expect(selectProcessors(weirApp, ['migration'])).toEqual(migration);
  expect(selectProcessors(weirApp, ['failover.io-prediction', 'migration.device-failover'])).toEqual(
    all.filter((name) => ['failover.io-prediction', 'migration.device-failover'].includes(name)),
  );
  expect(selectProcessors(weirApp, ['migration', 'migration.device-failover'])).toEqual(migration);
});

it.each([
  ['migraton', "there is no subsystem or processor 'migraton'; did you mean 'migration'?"],
  ['', "there is no subsystem or processor ''"],
  ['migration.', "there is no subsystem or processor 'migration.'; did you mean 'migration'?"],
])('refuses %j', (name, message) => {
  expect(() => selectProcessors(weirApp, [name])).toThrow(message);
});
