/** What an answer to a fetch keeps alive. */
import { describe, expect, it } from 'vitest';
import { decodeFetchResponse } from './fetch-response.ts';

const int = (bytes: 2 | 4 | 8, value: number): Buffer => {
  const buffer = Buffer.alloc(bytes);
  buffer.writeIntBE(value, Math.max(0, bytes - 6), Math.min(bytes, 6));
  return buffer;
};

/** One answer of topic `t` with these record sets, in one buffer that also has what came before it. */
function answerOf(...recordSets: Buffer[]): Buffer {
  const before = Buffer.alloc(100);
  const parts = [
    before,
    ...[int(4, 0), int(2, 0), int(4, 0), int(4, 1), int(2, 1), Buffer.from('t'), int(4, recordSets.length)],
    ...recordSets.flatMap((recordSet, partition) => [
      ...[int(4, partition), int(2, 0), int(8, 5), int(8, 4), int(8, 3), int(4, 0), int(4, 0)],
      ...[int(4, recordSet.length), recordSet],
    ]),
  ];
  const all = Buffer.allocUnsafeSlow(parts.reduce((sum, { length }) => sum + length, 0));
  Buffer.concat(parts).copy(all);
  return all.subarray(before.length);
}

describe('the records of a partition', () => {
  it('are a part of the answer where they are most of it, and a copy where they are not', () => {
    const sets = [Buffer.alloc(1 << 20, 'a'), Buffer.alloc(150, 'b'), Buffer.alloc(0)];
    const payload = answerOf(...sets);
    const { partitions } = decodeFetchResponse(payload);
    expect(partitions.map(({ recordSet }, i) => recordSet.equals(sets[i]!))).toEqual([true, true, true]);
    expect(partitions[2]).toMatchObject({ topic: 't', partition: 2, highWatermark: 5, lastStableOffset: 4 });
    expect(partitions[0]!.recordSet.buffer).toBe(payload.buffer);
    expect(partitions.slice(1).map(({ recordSet }) => recordSet.buffer.byteLength)).toEqual([150, 0]);
  });

  it('keep no more alive than some times their own bytes, however many partitions share an answer', () => {
    for (const count of [1, 2, 4, 7, 12, 100]) {
      const { partitions } = decodeFetchResponse(
        answerOf(...Array.from({ length: count }, () => Buffer.alloc(10_000))),
      );
      for (const { recordSet } of partitions)
        expect(recordSet.buffer.byteLength / recordSet.length).toBeLessThanOrEqual(8);
    }
  });
});
