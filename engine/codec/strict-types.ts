/**
 * avsc's types with the gaps closed that corrupt or stop a pipeline.
 *
 * I1  A long is exact from -(2^53 - 1) to 2^53 - 1 and refused beyond. avsc 5.7.9 writes odd values below -2^52 as
 *     other values: its zigzag goes through a double (-4503599627370497 reads back as 4503599627370496).
 * I2  A claimed count of items never makes more work than there are bytes: each item of our schemas takes at least one.
 *     avsc loops to the claimed count past the end of the buffer, so five corrupt bytes can take all memory.
 * I3  A map key `__proto__` is a key. An int stays within 32 bits. An enum value is one of its symbols (avsc also
 *     takes `constructor`, found on the prototype of its index).
 *
 * The hooks (`_read`, `_write`, ...) are avsc's documented extension points for long types and logical types, and the
 * members that its own types and resolvers call; the package is pinned and the tests beside cover each of them.
 */
import avro from 'avsc';

/** avsc's cursor. Reads past the end return nothing and leave `pos` beyond the buffer. */
export interface Tap {
  readonly buf: Buffer;
  pos: number;
  readLong(): number;
  readString(): string;
  skipString(): void;
  writeLong(value: number): void;
}

interface Item {
  _read(tap: Tap): unknown;
  _skip(tap: Tap): void;
}

/** Why bytes are not an encoding of their schema. Caught by the decoder, which finds the field. */
export class MalformedError extends Error {}

const LOW_BITS = 28;
const LOW_HALF = 2 ** 27;

/** `long`, as an exact TypeScript number. */
export class SafeLongType extends avro.types.LongType {
  _read(tap: Tap): number {
    const { buf } = tap;
    let { pos } = tap;
    let byte = buf[pos++] ?? 0;
    let low = byte & 0x7f;
    for (let shift = 7; byte & 0x80 && shift < LOW_BITS; shift += 7) {
      byte = buf[pos++] ?? 0;
      low |= (byte & 0x7f) << shift;
    }
    if ((byte & 0x80) === 0) {
      tap.pos = pos;
      return (low >>> 1) ^ -(low & 1);
    }
    let high = 0;
    for (let factor = 1; byte & 0x80; factor *= 128) {
      byte = buf[pos++] ?? 0;
      high += (byte & 0x7f) * factor;
    }
    tap.pos = pos;
    const magnitude = (low >>> 1) + high * LOW_HALF;
    const value = low & 1 ? -magnitude - 1 : magnitude;
    if (!Number.isSafeInteger(value)) throw new MalformedError(`a long beyond 2^53 - 1 (about ${value})`);
    return value;
  }

  _write(tap: Tap, value: unknown): void {
    if (!Number.isSafeInteger(value)) throw new TypeError('not a safe integer');
    const signed = value as number;
    const magnitude = signed < 0 ? -signed - 1 : signed;
    let low = (magnitude % LOW_HALF) * 2 + (signed < 0 ? 1 : 0);
    let high = Math.floor(magnitude / LOW_HALF);
    const { buf } = tap;
    let { pos } = tap;
    // Writing past the end of a Buffer does nothing; avsc tells from `pos` that there was not enough room.
    for (let written = 0; low > 0x7f || high > 0;) {
      buf[pos++] = (low & 0x7f) | 0x80;
      low >>>= 7;
      if (++written === 4) {
        low = high;
        high = 0;
      }
    }
    buf[pos++] = low;
    tap.pos = pos;
  }

  _check(
    value: unknown,
    _flags: unknown,
    hook: ((value: unknown, type: unknown) => void) | undefined,
  ): boolean {
    const fits = Number.isSafeInteger(value);
    if (!fits && hook !== undefined) hook(value, this);
    return fits;
  }
}

/** `int`, refused where the bytes hold more than 32 bits. */
export class SafeIntType extends avro.types.IntType {
  _read(tap: Tap): number {
    const value = tap.readLong();
    if (value !== (value | 0)) throw new MalformedError(`an int beyond 32 bits (${value})`);
    return value;
  }
}

function readCount(tap: Tap): number {
  let count = tap.readLong();
  if (count < 0) {
    count = -count;
    tap.readLong(); // The block's size in bytes, of use to who skips it.
  }
  if (count > tap.buf.length - tap.pos) {
    throw new MalformedError(
      `${count} items announced where ${Math.max(0, tap.buf.length - tap.pos)} bytes are left`,
    );
  }
  return count;
}

function skipBlocks(tap: Tap, skipItem: (tap: Tap) => void): void {
  for (let count = readCount(tap); count > 0; count = readCount(tap)) {
    for (; count > 0; count--) skipItem(tap);
  }
}

/** `array`, with counts checked. */
export class BoundedArrayType extends avro.types.ArrayType {
  _read(tap: Tap): unknown[] {
    const items = this.itemsType as unknown as Item;
    const values: unknown[] = [];
    for (let count = readCount(tap); count > 0; count = readCount(tap)) {
      for (; count > 0; count--) values.push(items._read(tap));
    }
    return values;
  }

  _skip(tap: Tap): void {
    const items = this.itemsType as unknown as Item;
    skipBlocks(tap, (at) => {
      items._skip(at);
    });
  }
}

/** `map`, with counts checked and any string as a key. */
export class BoundedMapType extends avro.types.MapType {
  _read(tap: Tap): Record<string, unknown> {
    const values = this.valuesType as Item;
    const map: Record<string, unknown> = {};
    for (let count = readCount(tap); count > 0; count = readCount(tap)) {
      for (; count > 0; count--) {
        const key = tap.readString();
        const value = values._read(tap);
        if (key === '__proto__') {
          Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
        } else {
          map[key] = value;
        }
      }
    }
    return map;
  }

  _skip(tap: Tap): void {
    const values = this.valuesType as Item;
    skipBlocks(tap, (at) => {
      at.skipString();
      values._skip(at);
    });
  }
}

/** `enum`, refusing names that are no symbols. */
export class StrictEnumType extends avro.types.EnumType {
  _write(tap: Tap, value: unknown): void {
    const index = this.symbols.indexOf(value as string);
    if (index < 0) throw new TypeError('not a symbol of the enum');
    tap.writeLong(index);
  }

  _check(
    value: unknown,
    _flags: unknown,
    hook: ((value: unknown, type: unknown) => void) | undefined,
  ): boolean {
    const fits = this.symbols.includes(value as string);
    if (!fits && hook !== undefined) hook(value, this);
    return fits;
  }
}
