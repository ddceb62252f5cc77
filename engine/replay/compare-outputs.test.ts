import { describe, expect, test } from 'vitest';
import type { OutputRecord } from '../task/task-io.ts';
import { firstDifference } from './compare-outputs.ts';
import { outputChanges } from './replay-recording.ts';

function output(key: string, value: string | null, extra: Partial<OutputRecord> = {}): OutputRecord {
  return {
    topic: 't',
    key: Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    timestampMs: 1,
    headers: { ce_id: `id-${key}-${value ?? ''}` },
    ...extra,
  };
}

describe('the first difference', () => {
  const base = [output('a', '1'), output('b', '1'), output('a', '2'), output('b', null)];

  test('is none between equal runs, whatever the order of different keys and the form of headers', () => {
    const reordered = [base[1]!, base[3]!, base[0]!, base[2]!].map((one) => ({
      ...one,
      headers: { ce_id: Buffer.from(one.headers['ce_id'] as string) },
    }));
    expect(firstDifference(base, reordered)).toBeUndefined();
  });

  test.each<[string, OutputRecord[], RegExp]>([
    [
      'a value',
      [base[0]!, base[1]!, output('a', '3'), base[3]!],
      /^t key a: output 1 differs: id-a-2 \(1 bytes\) became id-a-3/,
    ],
    [
      'a tombstone',
      [base[0]!, base[1]!, base[2]!, output('b', '')],
      /^t key b: output 1 differs: .*tombstone.*0 bytes/,
    ],
    ['a time', [output('a', '1', { timestampMs: 2 }), ...base.slice(1)], /^t key a: output 0 differs/],
    [
      'a header',
      [output('a', '1', { headers: { ce_id: 'x' } }), ...base.slice(1)],
      /output 0 differs: id-a-1 .* became x/,
    ],
    [
      'one more header',
      [output('a', '1', { headers: { ce_id: 'id-a-1', more: '' } }), ...base.slice(1)],
      /output 0 differs/,
    ],
    ['a missing one', base.slice(0, 2), /^t key a: output 1 is missing: id-a-2/],
    ['an additional one', [...base, output('a', '9')], /^t key a: output 2 is new: id-a-9/],
    ['a new key', [...base, output('c', '9')], /^t key c: output 0 is new: id-c-9/],
    [
      'the order within a key',
      [base[2]!, base[1]!, base[0]!, base[3]!],
      /^t key a: output 0 differs: id-a-1 .* became id-a-2/,
    ],
  ])('names the place of %s', (_, actual, message) => {
    expect(firstDifference(base, actual)).toMatch(message);
  });
});

describe('changes', () => {
  test('are counted by content: what stands in both runs equally often is no change, ids do not matter', () => {
    const before = [output('a', '1'), output('a', '1'), output('b', '1'), output('c', null)];
    const after = [
      output('c', null, { headers: { ce_id: 'elsewhere' } }),
      output('a', '1'),
      output('b', '2'),
      output('c', ''),
    ];
    const { removed, added } = outputChanges(before, after);
    expect(removed).toEqual([before[1], before[2]]);
    expect(added).toEqual([after[2], after[3]]);
  });

  test('key and value do not run into each other', () => {
    const { removed, added } = outputChanges([output('ab', 'c')], [output('a', 'bc')]);
    expect([removed.length, added.length]).toEqual([1, 1]);
  });

  test('of large runs are found in linear time', () => {
    const run = (from: number): OutputRecord[] =>
      Array.from({ length: 40_000 }, (_, i) => output('k', String(from + i)));
    const before = process.cpuUsage();
    const { removed, added } = outputChanges(run(0), run(7));
    expect([removed.length, added.length]).toEqual([7, 7]);
    // Comparing each with each takes minutes.
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(5_000);
  });
});
