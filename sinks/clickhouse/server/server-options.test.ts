import { expect, test } from 'vitest';
import { completeOptions, type EmbeddedServerConfig } from './server-options.ts';

test.each<[string, Partial<EmbeddedServerConfig>, string]>([
  ['all addresses without a password', { host: '0.0.0.0' }, 'unsafe-host'],
  ['a name without a password', { host: 'db.example' }, 'unsafe-host'],
  [
    'an empty password for readonly',
    { host: '::', defaultPassword: 'x', readOnlyPassword: '' },
    'unsafe-host',
  ],
  ['a port out of range', { port: 70_000 }, 'invalid-config'],
  ['half a port', { port: 1.5 }, 'invalid-config'],
  ['a limit of nothing', { limits: { maxConcurrentQueries: 0 } }, 'invalid-config'],
  ['a limit that is no number', { limits: { maxBodyBytes: Number.NaN } }, 'invalid-config'],
  ['too many threads', { limits: { maxConcurrentQueries: 5000 } }, 'invalid-config'],
])('%s is refused', (_, config, code) => {
  expect(() => completeOptions({ dataDir: 'x', ...config })).toThrow(
    expect.objectContaining({ code }) as Error,
  );
});

test.each<[Partial<EmbeddedServerConfig>, string | undefined]>([
  [{}, ''],
  [{ defaultPassword: 'x' }, undefined],
  [{ defaultPassword: 'x', readOnlyPassword: 'y' }, 'y'],
])('with %o the password of readonly is %s', (config, password) => {
  expect(completeOptions({ dataDir: 'x', ...config }).readOnlyPassword).toBe(password);
});
