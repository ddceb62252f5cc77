import { expect, test } from 'vitest';
import { mayBeRefilled, partitionsUpTo, type Blocks } from './block-numbers.ts';

type Part = readonly [partition: string, first: number, last: number];

function blocksOf(...parts: Part[]): Blocks {
  const ids = [...new Set(parts.map(([id]) => id))];
  const firstOf = (id: string): number =>
    Math.min(...parts.filter(([each]) => each === id).map(([, first]) => first));
  return {
    newest: Math.max(0, ...parts.map(([, , last]) => last)),
    partitions: ids.map((id) => [id, firstOf(id)]),
    parts: parts.map(([, first, last]) => [first, last]),
  };
}

const then: Part[] = [
  ['a', 1, 1],
  ['b', 2, 2],
  ['a', 3, 5],
];

test.each<[string, Part[], boolean]>([
  ['nothing', then, true],
  ['inserts', [...then, ['a', 7, 7], ['b', 9, 9]], true],
  ['a merge', [['b', 2, 2], ['a', 1, 5]], true], // prettier-ignore
  ['a new partition', [...then, ['c', 6, 6]], true],
  ['a partition that was dropped', [['b', 2, 2]], false],
  ['a partition that was filled again', [['b', 2, 2], ['a', 8, 8]], false], // prettier-ignore
  ['all that was emptied', [], false],
])('up to a number, partitions after %s are the same: %s', (_, parts, isSame) => {
  const same = partitionsUpTo(5, blocksOf(...parts)) === partitionsUpTo(5, blocksOf(...then));
  expect(same).toBe(isSame);
  expect(partitionsUpTo(5, blocksOf(...parts))).toMatch(/^[0-9a-z]{6}$/);
});

test.each<[string, number, Part[], boolean]>([
  ['one after the other', 0, [['a', 1, 1], ['b', 2, 2], ['a', 4, 4]], false], // prettier-ignore
  ['none', 5, then, false],
  ['the first after others', 5, [...then, ['a', 6, 6], ['c', 7, 7]], false],
  ['one after a gap', 5, [...then, ['c', 7, 7]], true],
  ['one after a gap that a merge of others hides', 0, [['a', 1, 4], ['c', 3, 3]], true], // prettier-ignore
  ['all filled again', 0, [['a', 3, 3], ['b', 4, 4]], true], // prettier-ignore
  ['no rows', 0, [], false],
])('of new partitions, %s: may be filled again %s', (_, newest, parts, expected) => {
  expect(mayBeRefilled(newest, blocksOf(...parts))).toBe(expected);
});
