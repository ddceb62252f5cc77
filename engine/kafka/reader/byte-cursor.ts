/**
 * Reads Kafka's protocol types from bytes (https://kafka.apache.org/protocol#protocol_types).
 *
 * I1  Nothing is read past the end: that throws a RangeError, as Buffer's own methods do.
 */

export class ByteCursor {
  readonly bytes: Buffer;
  offset: number;

  constructor(bytes: Buffer, offset = 0) {
    this.bytes = bytes;
    this.offset = offset;
  }

  get remaining(): number {
    return this.bytes.length - this.offset;
  }

  int8(): number {
    const value = this.bytes.readInt8(this.offset);
    this.offset += 1;
    return value;
  }

  int16(): number {
    const value = this.bytes.readInt16BE(this.offset);
    this.offset += 2;
    return value;
  }

  int32(): number {
    const value = this.bytes.readInt32BE(this.offset);
    this.offset += 4;
    return value;
  }

  int64(): bigint {
    const value = this.bytes.readBigInt64BE(this.offset);
    this.offset += 8;
    return value;
  }

  /** An int64 that is an offset or a time: those fit a double for the next 285,000 years of milliseconds. */
  long(): number {
    return Number(this.int64());
  }

  /** ZigZag-encoded, up to 5 bytes: lengths, offset deltas. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes[this.offset++];
      if (byte === undefined) throw new RangeError('a varint passes the end');
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    throw new RangeError('a varint of more than 5 bytes');
  }

  /** ZigZag-encoded, up to 10 bytes: timestamp deltas. Those below 2^28 milliseconds, nearly all, take no BigInt. */
  varlong(): number {
    const start = this.offset;
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.bytes[this.offset++];
      if (byte === undefined) throw new RangeError('a varlong passes the end');
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    this.offset = start;
    return this.#longVarlong();
  }

  /** The bytes themselves, not a copy. */
  take(length: number): Buffer {
    if (length < 0 || length > this.remaining)
      throw new RangeError(`${length} bytes wanted, ${this.remaining} left`);
    const start = this.offset;
    this.offset = start + length;
    return this.bytes.subarray(start, start + length);
  }

  skip(length: number): void {
    if (length > this.remaining) throw new RangeError(`${length} bytes to skip, ${this.remaining} left`);
    this.offset += length;
  }

  /** Length as a varint, -1 for null. */
  varBytes(): Buffer | null {
    const length = this.varint();
    return length === -1 ? null : this.take(length);
  }

  /** Goes past what `varBytes` reads. */
  skipVarBytes(): void {
    const length = this.varint();
    if (length < -1) throw new RangeError(`${length} bytes wanted`);
    if (length > 0) this.skip(length);
  }

  /** Length as int16. */
  string(): string {
    return this.take(this.int16()).toString('utf8');
  }

  /** Count as int32, -1 for null, which is taken for empty. */
  array<T>(read: (cursor: ByteCursor) => T): T[] {
    const count = this.int32();
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(read(this));
    return items;
  }

  #longVarlong(): number {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.bytes[this.offset++];
      if (byte === undefined) throw new RangeError('a varlong passes the end');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n)));
    }
    throw new RangeError('a varlong of more than 10 bytes');
  }
}
