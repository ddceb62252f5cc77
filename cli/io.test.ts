import { describe, expect, it } from 'vitest';
import { wantsColours } from './io.ts';

describe('wantsColours', () => {
  it.each([
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: '1' }, false],
    [true, { NO_COLOR: '' }, true],
    [true, { TERM: 'dumb' }, false],
    [false, { FORCE_COLOR: '1' }, true],
    [false, { FORCE_COLOR: '' }, true],
    [true, { FORCE_COLOR: '0' }, false],
    [false, { FORCE_COLOR: '3', NO_COLOR: '1' }, true],
  ])('on a terminal: %j, with %j: %j', (isTty, env, expected) => {
    expect(wantsColours(isTty, env)).toBe(expected);
  });
});
