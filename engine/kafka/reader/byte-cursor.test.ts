import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteCursor } from './byte-cursor.ts';

/** ZigZag as the protocol buffers' encoding page defines it, by BigInt for all widths. */
function zigZag(value: bigint): Buffer {
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  const bytes: number[] = [];
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

describe('ByteCursor', () => {
  it.each([
    [0, [0]],
    [-1, [1]],
    [1, [2]],
    [63, [126]],
    [-64, [127]],
    [64, [128, 1]],
    [2_147_483_647, [254, 255, 255, 255, 15]],
    [-2_147_483_648, [255, 255, 255, 255, 15]],
  ])('reads the varint %i', (value, bytes) => {
    expect(new ByteCursor(Buffer.from(bytes)).varint()).toBe(value);
  });

  it('reads every varlong that a double holds, and nothing behind it', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        const cursor = new ByteCursor(Buffer.concat([zigZag(BigInt(value)), Buffer.from([7])]));
        expect(cursor.varlong()).toBe(value);
        expect(cursor.remaining).toBe(1);
      }),
    );
  });

  it.each([
    ['varint', (cursor: ByteCursor) => cursor.varint()],
    ['varlong', (cursor: ByteCursor) => cursor.varlong()],
    ['int64', (cursor: ByteCursor) => cursor.int64()],
    ['bytes', (cursor: ByteCursor) => cursor.take(3)],
  ])('does not read a %s past the end', (_, read) => {
    expect(() => read(new ByteCursor(Buffer.from([0x80, 0x80])))).toThrow(RangeError);
  });
});
