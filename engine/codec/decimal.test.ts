import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesOfUnscaled, decimalText, unscaledOf, unscaledOfBytes } from './decimal.ts';

describe('decimals', () => {
  it.each([
    ['12.34', 1234n, '04d2', '12.34'],
    ['-12.3', -1230n, 'fb32', '-12.30'],
    ['0', 0n, '00', '0.00'],
    ['-0.01', -1n, 'ff', '-0.01'],
    ['1.27', 127n, '7f', '1.27'],
    ['1.28', 128n, '0080', '1.28'],
    ['-1.28', -128n, '80', '-1.28'],
    ['007', 700n, '02bc', '7.00'],
  ])('%s is %d hundredths, in two’s complement %s', (text, unscaled, hex, canonical) => {
    expect(unscaledOf(text, 6, 2)).toBe(unscaled);
    expect(bytesOfUnscaled(unscaled)?.toString('hex')).toBe(hex);
    expect(unscaledOfBytes(Buffer.from(hex, 'hex'))).toBe(unscaled);
    expect(decimalText(unscaled, 2)).toBe(canonical);
  });

  it.each(['', '.5', '5.', '1e3', '1,5', '+1', ' 1', '1.234', '99999.00', 'NaN'])(
    'refuses %j at decimal(6,2)',
    (text) => {
      expect(unscaledOf(text, 6, 2)).toBeUndefined();
    },
  );

  it('do not fit a fixed size that is too small, and fill one that is larger', () => {
    expect(bytesOfUnscaled(128n, 1)).toBeUndefined();
    expect(bytesOfUnscaled(-1n, 4)?.toString('hex')).toBe('ffffffff');
  });

  it('come back from text and from bytes', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
        fc.integer({ min: 0, max: 12 }),
        (unscaled, scale) => {
          expect(unscaledOf(decimalText(unscaled, scale), 31, scale)).toBe(unscaled);
          expect(unscaledOfBytes(bytesOfUnscaled(unscaled)!)).toBe(unscaled);
        },
      ),
    );
  });
});
