import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ioDelta } from './io-counters.ts';
import type { IoCounters } from './io-counters.ts';

const SECTORS_32 = { unitBytes: 512, bits: 32 } as const;
const SECTORS_64 = { unitBytes: 512, bits: 64 } as const;

function counters(readOps: number, readUnits: number, writeOps: number, writeUnits: number): IoCounters {
  return { readOps, readUnits, writeOps, writeUnits };
}

/** I/O that a second can hold. */
const work = fc.record({
  readOps: fc.nat(1_000_000),
  readUnits: fc.nat(10_000_000),
  writeOps: fc.nat(1_000_000),
  writeUnits: fc.nat(10_000_000),
});
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const start = fc.record({ readOps: uint32, readUnits: uint32, writeOps: uint32, writeUnits: uint32 });

describe('ioDelta', () => {
  it('counts sectors as 512 bytes', () => {
    expect(ioDelta(counters(1, 10, 2, 20), counters(4, 18, 7, 36), 1000, SECTORS_64)).toEqual({
      readOps: 3,
      readBytes: 8 * 512,
      writeOps: 5,
      writeBytes: 16 * 512,
      wrapped: false,
    });
  });

  it('finds the work done wherever a 32-bit counter starts, through any wrap', () => {
    fc.assert(
      fc.property(start, work, (before, done) => {
        const now = counters(
          (before.readOps + done.readOps) % 2 ** 32,
          (before.readUnits + done.readUnits) % 2 ** 32,
          (before.writeOps + done.writeOps) % 2 ** 32,
          (before.writeUnits + done.writeUnits) % 2 ** 32,
        );
        const delta = ioDelta(before, now, 1000, SECTORS_32);
        expect(delta).toMatchObject({
          readOps: done.readOps,
          readBytes: done.readUnits * 512,
          writeOps: done.writeOps,
          writeBytes: done.writeUnits * 512,
        });
      }),
    );
  });

  it('takes any decrease of a 64-bit counter for a reset', () => {
    const before = counters(2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1);
    expect(ioDelta(before, counters(0, 0, 0, 0), 1000, SECTORS_64)).toBeUndefined();
    expect(ioDelta(before, { ...before, writeUnits: 2 ** 32 - 2 }, 1000, SECTORS_64)).toBeUndefined();
  });

  it('takes a 32-bit decrease that no device could have done in the time for a reset', () => {
    const before = counters(1000, 3_000_000_000, 500, 1_000_000);
    expect(ioDelta(before, counters(1, 8, 0, 0), 1000, SECTORS_32)).toBeUndefined();
  });

  it('takes all counters for reset when one of them was, though another could be a wrap', () => {
    const before = counters(100, 2 ** 32 - 100, 100, 100);
    expect(ioDelta(before, counters(0, 8, 0, 0), 1000, SECTORS_32)).toBeUndefined();
  });
});
