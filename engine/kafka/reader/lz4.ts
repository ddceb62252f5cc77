/**
 * LZ4 frames (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md and lz4_Block_format.md), decompression only.
 *
 * Here because the packages that do this are native, or were left ten years ago and read frames without a content size
 * into an array of their own. Checksums are passed over: Kafka's batches have their own, which the broker checks.
 */

const frameMagic = 0x184d2204;
/** Compressed bytes grow by about this factor; a wrong guess costs a copy. */
const firstGuess = 4;
/** Below this a loop is faster than a call of Buffer's copy: 3 times on JSON, where most runs are short. */
const shortRunBytes = 48;
const minMatch = 4;

/** Output that grows. */
class Output {
  bytes: Buffer;
  length = 0;

  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafe(Math.max(64, capacity));
  }

  reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}

/** A length of 15 or more goes on in bytes of 255 and one below. */
function readLength(input: Buffer, at: number, end: number): { length: number; at: number } {
  let length = 15;
  for (;;) {
    if (at >= end) throw new RangeError('an LZ4 length passes the end of its block');
    const byte = input[at++]!;
    length += byte;
    if (byte < 255) return { length, at };
  }
}

function copyLiterals(input: Buffer, from: number, length: number, output: Output): void {
  output.reserve(length);
  const { bytes } = output;
  let to = output.length;
  output.length += length;
  if (length >= shortRunBytes) {
    input.copy(bytes, to, from, from + length);
    return;
  }
  while (to < output.length) bytes[to++] = input[from++]!;
}

/** Copy from what was written already; the ranges may overlap, which repeats a pattern. */
function copyMatch(output: Output, distance: number, length: number): void {
  if (distance === 0 || distance > output.length)
    throw new RangeError(`an LZ4 match of distance ${distance}, ${output.length} bytes are written`);
  output.reserve(length);
  const { bytes } = output;
  let to = output.length;
  let from = to - distance;
  output.length += length;
  if (distance >= length && length >= shortRunBytes) {
    bytes.copyWithin(to, from, from + length);
    return;
  }
  while (to < output.length) bytes[to++] = bytes[from++]!;
}

function decompressBlock(input: Buffer, start: number, end: number, output: Output): void {
  let at = start;
  while (at < end) {
    const token = input[at++]!;
    let literals = token >>> 4;
    if (literals === 15) ({ length: literals, at } = readLength(input, at, end));
    if (literals > end - at) throw new RangeError('LZ4 literals pass the end of their block');
    copyLiterals(input, at, literals, output);
    at += literals;
    if (at === end) return; // the last sequence has no match
    const distance = input.readUInt16LE(at);
    at += 2;
    let match = token & 15;
    if (match === 15) ({ length: match, at } = readLength(input, at, end));
    copyMatch(output, distance, match + minMatch);
  }
}

/** @returns where the frame ends */
function decompressFrame(input: Buffer, start: number, output: Output): number {
  if (input.readUInt32LE(start) !== frameMagic)
    throw new RangeError(`no LZ4 frame at byte ${start}: magic ${input.readUInt32LE(start).toString(16)}`);
  const flags = input.readUInt8(start + 4);
  if (flags >>> 6 !== 1) throw new RangeError(`LZ4 frame version ${flags >>> 6}, only 1 is known`);
  const hasBlockChecksums = (flags & 0x10) !== 0;
  const contentSizeBytes = (flags & 0x08) !== 0 ? 8 : 0;
  const contentChecksumBytes = (flags & 0x04) !== 0 ? 4 : 0;
  const dictionaryBytes = (flags & 0x01) !== 0 ? 4 : 0;
  let at = start + 6 + contentSizeBytes + dictionaryBytes + 1;
  for (;;) {
    const word = input.readUInt32LE(at);
    at += 4;
    if (word === 0) return at + contentChecksumBytes;
    const isStored = word >= 0x80000000;
    const size = word & 0x7fffffff;
    if (size > input.length - at) throw new RangeError(`an LZ4 block of ${size} bytes passes the end`);
    if (isStored) copyLiterals(input, at, size, output);
    else decompressBlock(input, at, at + size, output);
    at += size + (hasBlockChecksums ? 4 : 0);
  }
}

/** The content of one or more frames. @throws RangeError for what is no LZ4 frame */
export function decompressLz4Frames(input: Buffer): Buffer {
  const output = new Output(input.length * firstGuess);
  let at = 0;
  while (at < input.length) at = decompressFrame(input, at, output);
  return output.bytes.subarray(0, output.length);
}
