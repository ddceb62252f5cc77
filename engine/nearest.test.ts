import { describe, expect, it } from 'vitest';
import { nearest } from './nearest.ts';

describe('nearest', () => {
  it.each([
    ['reprot', ['report', 'record', 'replay'], 'report'],
    ['windw', ['hours', 'window'], 'window'],
    ['WINDOW', ['hours', 'window'], 'window'],
    ['failover', ['failover.io-prediction', 'migration.device-failover'], 'failover.io-prediction'],
    ['fail', ['failover.a', 'failover.b'], undefined],
    ['entirely-else', ['report', 'record'], undefined],
    ['', ['report'], undefined],
    ['x', [], undefined],
  ])('of %j among %j is %j', (name, candidates, expected) => {
    expect(nearest(name, candidates)).toBe(expected);
  });
});
