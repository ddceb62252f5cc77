import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from './crc32c.ts';

/** The definition: one bit after the other. */
function bitwise(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f63b78;
  }
  return ~crc >>> 0;
}

const rising = Array.from({ length: 32 }, (_, i) => i);
/** RFC 3720, B.4: an iSCSI SCSI Read (10) command. */
const readCommand =
  '01c00000000000000000000000000000140000000000040000000014000000182800000000000000' + '0200000000000000';

describe('crc32c', () => {
  it.each([
    ['nothing', Buffer.alloc(0), 0],
    ['the check value of CRC catalogues', Buffer.from('123456789'), 0xe3069283],
    ['32 bytes of zeros', Buffer.alloc(32), 0x8a9136aa],
    ['32 bytes of ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
    ['32 rising bytes', Buffer.from(rising), 0x46dd794e],
    ['32 falling bytes', Buffer.from(rising.toReversed()), 0x113fdb5c],
    ['an iSCSI command', Buffer.from(readCommand, 'hex'), 0xd9963a56],
  ])('is as published for %s', (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  it('is that of the definition for any bytes in any place', () => {
    const parts = fc.tuple(fc.uint8Array({ maxLength: 100 }), fc.nat(40), fc.nat(40));
    fc.assert(
      fc.property(parts, ([bytes, start, length]) => {
        const end = Math.min(bytes.length, start + length);
        expect(crc32c(bytes, start, end)).toBe(bitwise(bytes.subarray(start, end)));
      }),
      { numRuns: 300 },
    );
  });
});
