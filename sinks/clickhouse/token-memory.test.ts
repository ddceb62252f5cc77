import { expect, test } from 'vitest';
import { isPlain } from './token-memory.ts';

test.each([
  ['MergeTree ORDER BY a', true],
  ['ReplacingMergeTree ORDER BY (a, b)', true],
  ['ReplacingMergeTree(version) ORDER BY (a, b)', true],
  ['ReplacingMergeTree(version, is_deleted) ORDER BY a', false],
  ['AggregatingMergeTree ORDER BY a', true],
  ['SummingMergeTree ORDER BY a', false],
  ['CollapsingMergeTree(sign) ORDER BY a', false],
  ['ReplicatedMergeTree(path, replica) ORDER BY a', false],
])('%s keeps the tokens of its blocks by number alone: %s', (engine_full, expected) => {
  expect(isPlain({ engine: /^\w+/.exec(engine_full)![0], engine_full })).toBe(expected);
});
