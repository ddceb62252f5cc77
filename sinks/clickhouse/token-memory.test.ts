import { expect, test } from 'vitest';
import { notesFirst } from './token-memory.ts';

test.each([
  ['26.7.2.1', '2026-09-10 21:11:15 +0000', true],
  ['25.8.9.2', '2025-10-01 08:00:00 +0000', true],
  ['26.8.1.1', '2026-08-31 23:59:59 +0000', true],
  ['26.7.9.1', '2026-10-10 08:00:00 +0000', false],
  ['25.8.30.1', '2026-09-01 00:00:00 +0000', false],
  ['25.8.9.2', '', false],
  ['25.8.9.2', 'unknown', false],
])('version %s of %s notes a token before it keeps the part: %s', (version, changedAt, expected) => {
  expect(notesFirst(version, changedAt)).toBe(expected);
});
