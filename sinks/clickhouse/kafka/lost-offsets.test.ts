import { expect, test } from 'vitest';
import { lostOf } from './lost-offsets.ts';

const promised = { position: 3, to: 8, excluded: [4, 6] };

test.each([
  ['nothing was promised', { ...promised, to: 3, excluded: [] }, 5, 0, { lost: 2, firstLost: 3 }],
  ['a part of the promise is gone and has no row', promised, 5, 0, { lost: 2, firstLost: 3 }],
  ['all of the promise is gone and has no row', promised, 8, 0, { lost: 5, firstLost: 3 }],
  ['more is gone than was promised, and has no row', promised, 10, 0, { lost: 7, firstLost: 3 }],
  ['the promise went in', { ...promised, excluded: [6] }, 5, 2, { lost: 0, firstLost: null }],
  ['it went in, without the letters of what it left out', promised, 8, 3, { lost: 2, firstLost: 4 }],
  ['it went in, and more is gone', { ...promised, excluded: [] }, 10, 5, { lost: 2, firstLost: 8 }],
])('what retention removed too early, where %s', (_, position, start, rows, expected) => {
  expect(lostOf(position, start, rows)).toEqual(expected);
});
