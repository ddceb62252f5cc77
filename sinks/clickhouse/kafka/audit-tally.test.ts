import { describe, expect, test } from 'vitest';
import { Tally } from './audit-tally.ts';

/** Ten records with ten rows, of which the first five are not in the topic any more. */
function afterCompaction(kind: 'stream' | 'table'): Tally {
  const tally = new Tally({ kind });
  for (let offset = 0; offset < 5; offset += 1) tally.withoutRecord(offset, 1);
  for (let offset = 5; offset < 10; offset += 1) tally.expect(offset, 1, false);
  return tally;
}

describe('rows without a record', () => {
  test('are no fault of a compacted topic, and are counted', () => {
    const found = afterCompaction('table').result();
    expect(found).toMatchObject({ expected: 5, present: 5, compacted: 5, unexpected: 0, duplicates: 0 });
  });

  test('are one of any other', () => {
    const found = afterCompaction('stream').result();
    expect(found).toMatchObject({ compacted: 0, unexpected: 5, firstUnexpected: 0 });
  });

  test('of a compacted topic are one where they are several of an offset, or past the position', () => {
    const tally = afterCompaction('table');
    tally.withoutRecord(3, 3);
    tally.beyond(12, 2);
    expect(tally.result()).toMatchObject({
      ...{ duplicates: 2, firstDuplicate: 3 },
      ...{ unexpected: 2, firstUnexpected: 12 },
    });
  });
});
