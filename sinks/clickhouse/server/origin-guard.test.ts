import { expect, test } from 'vitest';
import { refusalOf } from './origin-guard.ts';
import { completeOptions } from './server-options.ts';

const local = completeOptions({ dataDir: 'x' });
const open = completeOptions({
  dataDir: 'x',
  host: '0.0.0.0',
  defaultPassword: 'p',
  allowedHosts: ['clickhouse'],
});

test.each([
  [local, { host: '127.0.0.1:8123' }, true],
  [local, { host: 'LOCALHOST:8123' }, true],
  [local, { host: '[::1]:8123' }, true],
  [local, {}, true],
  [local, { host: '192.0.2.1:8123' }, false],
  [local, { host: 'evil.example' }, false],
  [local, { host: '127.0.0.1.evil.example' }, false],
  [open, { host: '192.0.2.1:8123' }, true],
  [open, { host: 'clickhouse:8123' }, true],
  [open, { host: 'evil.example' }, false],
  [local, { host: '127.0.0.1:8123', origin: 'http://127.0.0.1:8123' }, true],
  [local, { host: '127.0.0.1:8123', origin: 'http://127.0.0.1:9999' }, false],
  [local, { host: '127.0.0.1:8123', origin: 'null' }, false],
  [local, { host: '127.0.0.1', 'sec-fetch-site': 'cross-site' }, false],
  [local, { host: '127.0.0.1', 'sec-fetch-site': 'same-site' }, false],
  [local, { host: '127.0.0.1', 'sec-fetch-site': 'none' }, true],
])('%#: %o', (options, headers, isAccepted) => {
  expect(refusalOf(headers, options) === undefined).toBe(isAccepted);
});
