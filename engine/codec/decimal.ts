/**
 * Exact decimals as text, to and from Avro's big-endian two's-complement unscaled integers.
 *
 * I1  Text never passes through a floating-point number.
 * I2  The text form is canonical: a sign only when negative, no leading zeros, exactly `scale` digits after the point.
 */

const DECIMAL_TEXT = /^-?\d+(\.\d+)?$/;

/**
 * The unscaled integer of a decimal's text ("-12.3" at scale 2 is -1230n); undefined if the text is no decimal, or has
 * more digits after the point than `scale`, or more digits than `precision` in all.
 */
export function unscaledOf(text: string, precision: number, scale: number): bigint | undefined {
  if (!DECIMAL_TEXT.test(text)) return undefined;
  const point = text.indexOf('.');
  const fraction = point < 0 ? '' : text.slice(point + 1);
  if (fraction.length > scale) return undefined;
  const whole = point < 0 ? text : text.slice(0, point);
  const unscaled = BigInt(whole.replace('-', '') + fraction.padEnd(scale, '0'));
  if (unscaled >= 10n ** BigInt(precision)) return undefined;
  return text.startsWith('-') ? -unscaled : unscaled;
}

/** The canonical text of an unscaled integer: -1230n at scale 2 is "-12.30". */
export function decimalText(unscaled: bigint, scale: number): string {
  const sign = unscaled < 0n ? '-' : '';
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** Big-endian two's complement in `size` bytes, or in as few as it takes; undefined if `size` is too small. */
export function bytesOfUnscaled(unscaled: bigint, size?: number): Buffer | undefined {
  let needed = 1;
  while (BigInt.asIntN(needed * 8, unscaled) !== unscaled) needed++;
  const length = size ?? needed;
  if (length < needed) return undefined;
  return Buffer.from(
    BigInt.asUintN(length * 8, unscaled)
      .toString(16)
      .padStart(length * 2, '0'),
    'hex',
  );
}

/** The integer that big-endian two's-complement bytes stand for; no bytes stand for 0. */
export function unscaledOfBytes(bytes: Buffer): bigint {
  return bytes.length === 0 ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`));
}
