import { describe, expect, test } from 'vitest';
import { timeToWrite, tooOld } from './retention.ts';

const day = 86_400_000;
const nowMs = Date.UTC(2026, 4, 5);
const settings = (changed: Readonly<Record<string, string>> = {}): ReadonlyMap<string, string> =>
  new Map(
    Object.entries({
      'cleanup.policy': 'delete',
      'retention.ms': String(7 * day),
      'message.timestamp.type': 'CreateTime',
      ...changed,
    }),
  );

describe('a record that is older than its topic keeps', () => {
  test.each([
    [0, true],
    [6 * day, true],
    // Readers would have half an hour.
    [7 * day - 1_800_000, false],
    [8 * day, false],
  ])('by %s ms: kept is %s', (ageMs, isKept) => {
    const why = tooOld('t', settings(), nowMs - ageMs, nowMs);
    expect(why === undefined).toBe(isKept);
    if (why !== undefined) expect(why).toMatch(/^its time is 2026-04-2.* --renew-time$/);
  });

  test.each<Readonly<Record<string, string>>>([
    { 'cleanup.policy': 'compact' },
    { 'retention.ms': '-1' },
    { 'message.timestamp.type': 'LogAppendTime' },
  ])('is kept with %j', (changed) => {
    expect(tooOld('t', settings(changed), 0, nowMs)).toBeUndefined();
  });

  test('is deleted also where the topic is compacted, too', () => {
    expect(tooOld('t', settings({ 'cleanup.policy': 'compact,delete' }), 0, nowMs)).toContain('retention.ms');
  });

  test('of a topic that keeps minutes is what has lived for half of them', () => {
    const short = settings({ 'retention.ms': '600000' });
    expect(tooOld('t', short, nowMs - 299_000, nowMs)).toBeUndefined();
    expect(tooOld('t', short, nowMs - 301_000, nowMs)).toBeDefined();
  });
});

describe('the time that a record is written with', () => {
  const tooOldOnes = { reason: 'too old', isTooOld: true };
  const unknown = { reason: 'the retention of topic t cannot be read', isTooOld: false };

  test.each([
    [undefined, false, { timestampMs: 5 }],
    [undefined, true, { timestampMs: 5 }],
    [tooOldOnes, false, { refusal: tooOldOnes.reason }],
    [tooOldOnes, true, { timestampMs: nowMs }],
    [unknown, false, { refusal: unknown.reason }],
    // It may be new: another time than its own would be wrong, and nobody would see it.
    [unknown, true, { refusal: unknown.reason }],
  ])('refused for %j, to be renewed %s: %j', (refused, renewsTime, expected) => {
    expect(timeToWrite(refused, 5, { renewsTime, nowMs })).toEqual(expected);
  });
});
