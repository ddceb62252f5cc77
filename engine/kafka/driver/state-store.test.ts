/** What a task keeps that has no disk. */
import { expect, it } from 'vitest';
import { VolatileStore } from './state-store.ts';

it('holds the newest value of each key, whatever its bytes, and nothing of the batches that they came in', async () => {
  const store = new VolatileStore();
  const key = Buffer.from([0, 0xff, 0x80, 0x61]);
  for (let n = 0; n < 3; n += 1) {
    const batch = Buffer.alloc(1 << 20, n);
    const at = (bytes: Buffer): Buffer => {
      bytes.copy(batch);
      return batch.subarray(0, bytes.length);
    };
    await store.write([
      { key: at(key), value: batch.subarray(10, 12) },
      { key: Buffer.from('gone'), value: n === 2 ? null : batch.subarray(0, 1) },
    ]);
  }
  const entries = [...store.entries()];
  expect(entries).toEqual([{ key, value: Buffer.from([2, 2]) }]);
  const held = entries.map((entry) => [entry.key.buffer.byteLength, entry.value!.buffer.byteLength]);
  expect(Math.max(...held.flat())).toBeLessThanOrEqual(Buffer.poolSize);
});
