import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteSlab } from './byte-slab.ts';

/** As an encoder does it: tries in the room there is, and again with as much as it lacked. */
function write(slab: ByteSlab, value: Uint8Array): Buffer {
  slab.reserve(1);
  for (;;) {
    const { bytes, at } = slab;
    value.forEach((byte, i) => (bytes[at + i] = byte));
    if (at + value.length <= bytes.length) return slab.cut(bytes, at, at + value.length);
    slab.reserve(value.length);
  }
}

test('what was cut stays as it is, whatever comes after it', () => {
  const sizes = fc.oneof(fc.nat(300), fc.constantFrom(8_191, 8_192, 8_193, 65_536, 65_537, 200_000));
  fc.assert(
    fc.property(fc.array(sizes, { maxLength: 60 }), (lengths) => {
      const slab = new ByteSlab();
      const cut = lengths.map((length, i) => write(slab, new Uint8Array(length).fill(i + 1)));
      cut.forEach((bytes, i) => {
        expect(bytes.length).toBe(lengths[i]);
        expect(bytes.every((byte) => byte === i + 1)).toBe(true);
      });
    }),
    { numRuns: 50 },
  );
});

test('a slab of a large value is not taken for the small ones after it', () => {
  const slab = new ByteSlab();
  write(slab, new Uint8Array(1 << 20));
  const small = [1, 2, 3].map((byte) => write(slab, Uint8Array.of(byte)));
  for (const one of small) expect(one.buffer.byteLength).toBe(8_192);
});

test('a value that is cut while another one is being written is told', () => {
  const slab = new ByteSlab();
  slab.reserve(1);
  const { bytes, at } = slab;
  write(slab, Uint8Array.of(1));
  expect(() => slab.cut(bytes, at, at + 3)).toThrow('while another one was');
  write(slab, new Uint8Array(10_000));
  expect(() => slab.cut(bytes, at + 1, at + 3)).toThrow('while another one was');
});
