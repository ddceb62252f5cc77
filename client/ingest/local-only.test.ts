import { describe, expect, it } from 'vitest';
import { foreignness, isLoopback } from './local-only.ts';

describe('this machine only', () => {
  it.each([
    ['127.0.0.1', true],
    ['127.8.9.1', true],
    ['::1', true],
    ['localhost', true],
    ['LocalHost', true],
    ['0.0.0.0', false],
    ['::', false],
    ['10.0.0.1', false],
    ['::ffff:10.0.0.1', false],
    ['localhost.example.org', false],
    ['', false],
  ])('%s: %s', (host, expected) => {
    expect(isLoopback(host)).toBe(expected);
  });

  it.each([
    [{ host: '127.0.0.1:8080' }, true],
    [{ host: 'localhost' }, true],
    [{ host: '[::1]:8080' }, true],
    [{ host: 'evil.example:8080' }, false],
    [{ host: '127.0.0.1.evil.example' }, false],
    [{}, false],
    [{ host: 'localhost:1', origin: 'http://evil.example' }, false],
    [{ host: 'localhost:1', origin: 'http://localhost:1' }, false],
    [{ host: 'localhost:1', 'sec-fetch-site': 'cross-site' }, false],
  ])('headers %j are of a program on it: %s', (headers, expected) => {
    expect(foreignness(headers) === undefined).toBe(expected);
  });
});
