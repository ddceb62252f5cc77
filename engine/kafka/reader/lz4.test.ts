import { describe, expect, it } from 'vitest';
import { decompressLz4Frames } from './lz4.ts';

/** Magic, flags (version 1, independent blocks), block descriptor (64 KiB), header checksum (not looked at). */
const head = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
const endMark = [0, 0, 0, 0];
const block = (bytes: readonly number[], stored = false): number[] => [
  bytes.length & 0xff,
  bytes.length >> 8,
  0,
  stored ? 0x80 : 0,
  ...bytes,
];
const ascii = (text: string): number[] => [...Buffer.from(text)];
const frame = (...blocks: readonly number[][]): number[] => [...head, ...blocks.flat(), ...endMark];
const decompressed = (...bytes: readonly number[]): string =>
  decompressLz4Frames(Buffer.from(bytes)).toString();

describe('decompressLz4Frames', () => {
  it.each([
    ['nothing', frame(), ''],
    ['a stored block', frame(block(ascii('stored'), true)), 'stored'],
    ['literals', frame(block([0x30, ...ascii('abc')])), 'abc'],
    ['16 literals and more', frame(block([0xf0, 1, ...ascii('0123456789abcdef')])), '0123456789abcdef'],
    // One literal, a match of 4 at distance 1, then a last literal.
    [
      'a match that overlaps itself',
      frame(block([0x10, ...ascii('a'), 1, 0, 0x10, ...ascii('b')])),
      'aaaaab',
    ],
    // 3 literals, a match of 15 + 4 + 2 bytes at distance 3, then a last literal.
    [
      'a long match',
      frame(block([0x3f, ...ascii('abc'), 3, 0, 2, 0x10, ...ascii('!')])),
      `${'abc'.repeat(8)}!`,
    ],
    [
      'a match in the block before',
      frame(block([0x40, ...ascii('wxyz')]), block([0x00, 4, 0, 0x10, ...ascii('.')])),
      'wxyzwxyz.',
    ],
    ['two frames', [...frame(block([0x10, ...ascii('1')])), ...frame(block([0x10, ...ascii('2')]))], '12'],
  ])('reads %s', (_, bytes, text) => {
    expect(decompressed(...bytes)).toBe(text);
  });

  it('passes over sizes and checksums', () => {
    const flags = 0x40 | 0x20 | 0x10 | 0x08 | 0x04;
    const contentSize = [3, 0, 0, 0, 0, 0, 0, 0];
    const bytes = [0x04, 0x22, 0x4d, 0x18, flags, 0x40, ...contentSize, 0x00];
    bytes.push(...block([0x30, ...ascii('abc')]), 9, 9, 9, 9, ...endMark, 8, 8, 8, 8);
    expect(decompressed(...bytes)).toBe('abc');
  });

  it.each([
    ['another magic', [1, 2, 3, 4, 0x60, 0x40, 0x82], /no LZ4 frame/],
    ['literals past the end', frame(block([0x50, 1])), /literals pass the end/],
    ['a match before the beginning', frame(block([0x10, 97, 9, 0, 0x00])), /distance 9/],
    ['a block past the end', [...head, 200, 0, 0, 0, 1], /200 bytes passes the end/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => decompressed(...bytes)).toThrow(message);
  });
});
