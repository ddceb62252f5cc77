import { expect, test } from 'vitest';
import { notesFirst } from './token-memory.ts';

test.each([
  ['25.8.1.1', true],
  ['26.7.2.1', true],
  ['26.8.1.1', false],
  ['27.1.1.1', false],
  ['', false],
])('a server of version %s notes a token before it keeps the part: %s', (version, expected) => {
  expect(notesFirst(version)).toBe(expected);
});
