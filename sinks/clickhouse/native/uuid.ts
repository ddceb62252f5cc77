/**
 * Columns UUID: the two halves of the number, upper first, each in little-endian order.
 * Values are strings in the form of RFC 9562.
 */
import { FixedWidthBuilder, invalid } from './column-builder.ts';

const HEX = new Int8Array(128).fill(-1);
for (let digit = 0; digit < 16; digit++) {
  HEX[digit.toString(16).charCodeAt(0)] = digit;
  HEX[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}

const DASH = '-'.charCodeAt(0);

/** For each byte in the order of the text: its place in the column, and where its two digits stand. */
const LAYOUT = Array.from({ length: 16 }, (_, i) => {
  const dashes = [4, 6, 8, 10].filter((byte) => i >= byte).length;
  return { place: i < 8 ? 7 - i : 23 - i, char: i * 2 + dashes };
});

export class UuidBuilder extends FixedWidthBuilder {
  constructor() {
    super(16);
  }

  append(value: unknown): void {
    if (typeof value !== 'string' || !hasDashes(value)) throw invalid(value, 'UUID');
    const at = this.reserve();
    for (const { place, char } of LAYOUT) {
      const high = HEX[value.charCodeAt(char)] ?? -1;
      const low = HEX[value.charCodeAt(char + 1)] ?? -1;
      if ((high | low) < 0) throw invalid(value, 'UUID');
      this.bytes[at + place] = (high << 4) | low;
    }
  }
}

function hasDashes(text: string): boolean {
  return text.length === 36 && [8, 13, 18, 23].every((at) => text.charCodeAt(at) === DASH);
}
