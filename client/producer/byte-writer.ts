/** Writes Kafka's protocol types (https://kafka.apache.org/protocol#protocol_types) into bytes that grow as needed. */

const firstBytes = 1024;
/** Beyond this a varlong is written by BigInt; nearly all are small. */
const maxSmall = 2 ** 30;

export class ByteWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(expectedBytes = firstBytes) {
    this.#bytes = Buffer.allocUnsafe(expectedBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** What was written: a view, which later writing may leave behind. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Begin again: what `bytes` gave before is overwritten. */
  clear(): this {
    this.#length = 0;
    return this;
  }

  int8(value: number): this {
    const at = this.#extend(1);
    this.#bytes.writeInt8(value, at);
    return this;
  }

  int16(value: number): this {
    const at = this.#extend(2);
    this.#bytes.writeInt16BE(value, at);
    return this;
  }

  int32(value: number): this {
    const at = this.#extend(4);
    this.#bytes.writeInt32BE(value, at);
    return this;
  }

  uint32(value: number): this {
    const at = this.#extend(4);
    this.#bytes.writeUInt32BE(value, at);
    return this;
  }

  int64(value: bigint): this {
    const at = this.#extend(8);
    this.#bytes.writeBigInt64BE(value, at);
    return this;
  }

  /** An int64 that is an offset or a time. */
  long(value: number): this {
    return this.int64(BigInt(value));
  }

  /** ZigZag-encoded; from -2^30 to 2^30: lengths, offset deltas. */
  varint(value: number): this {
    let rest = ((value << 1) ^ (value >> 31)) >>> 0;
    while (rest >= 0x80) {
      this.#byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    return this.#byte(rest);
  }

  /** ZigZag-encoded, of any safe integer: timestamp deltas. */
  varlong(value: number): this {
    if (Math.abs(value) < maxSmall) return this.varint(value);
    const wide = BigInt(value);
    let rest = BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n));
    while (rest >= 0x80n) {
      this.#byte(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    return this.#byte(Number(rest));
  }

  /** Length as a varint, -1 for null. */
  varBytes(value: Buffer | null): this {
    if (value === null) return this.varint(-1);
    return this.varint(value.length).raw(value);
  }

  /** Length as int16. */
  string(value: string): this {
    const bytes = Buffer.from(value);
    return this.int16(bytes.length).raw(bytes);
  }

  nullString(): this {
    return this.int16(-1);
  }

  raw(value: Buffer): this {
    const at = this.#extend(value.length);
    value.copy(this.#bytes, at);
    return this;
  }

  #byte(value: number): this {
    const at = this.#extend(1);
    this.#bytes[at] = value;
    return this;
  }

  #extend(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, at);
      this.#bytes = grown;
    }
    this.#length = needed;
    return at;
  }
}
