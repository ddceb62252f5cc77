/** Columns of numbers, times, booleans and strings. */
import { ByteWriter } from './byte-writer.ts';
import { FixedWidthBuilder, invalid, type ColumnBuilder } from './column-builder.ts';

export class Int32Builder extends FixedWidthBuilder {
  constructor() {
    super(4);
  }

  append(value: unknown): void {
    if (typeof value !== 'number' || (value | 0) !== value) throw invalid(value, 'Int32');
    const at = this.reserve();
    this.view.setInt32(at, value, true);
  }
}

/** Int64 and what is stored as one: takes safe integers and bigints within bounds. */
export class Int64Builder extends FixedWidthBuilder {
  readonly #type: string;
  readonly #min: bigint;
  readonly #max: bigint;
  readonly #minNumber: number;
  readonly #maxNumber: number;

  constructor(type = 'Int64', min = -(2n ** 63n), max = 2n ** 63n - 1n) {
    super(8);
    this.#type = type;
    this.#min = min;
    this.#max = max;
    this.#minNumber = Number(min);
    this.#maxNumber = Number(max);
  }

  append(value: unknown): void {
    if (typeof value === 'number') this.#appendNumber(value);
    else if (typeof value === 'bigint') this.#appendBigint(value);
    else throw invalid(value, this.#type);
  }

  #appendNumber(value: number): void {
    if (!Number.isSafeInteger(value)) throw invalid(value, this.#type, 'is not an exact integer for');
    if (value < this.#minNumber || value > this.#maxNumber)
      throw invalid(value, this.#type, 'is out of range for');
    const at = this.reserve();
    const high = Math.floor(value / 0x100000000);
    this.view.setUint32(at, value - high * 0x100000000, true);
    this.view.setInt32(at + 4, high, true);
  }

  #appendBigint(value: bigint): void {
    if (value < this.#min || value > this.#max) throw invalid(value, this.#type, 'is out of range for');
    const at = this.reserve();
    this.view.setBigInt64(at, value, true);
  }
}

/** ClickHouse's DateTime64 spans 1900-01-01 to 2299-12-31; it would store others without a word. */
const DATE_TIME_64 = { minSeconds: -2_208_988_800n, maxSeconds: 10_413_791_999n };

export function dateTime64Builder(precision: 3 | 6): Int64Builder {
  const unit = 10n ** BigInt(precision);
  return new Int64Builder(
    `DateTime64(${precision})`,
    DATE_TIME_64.minSeconds * unit,
    DATE_TIME_64.maxSeconds * unit + unit - 1n,
  );
}

/** Date32 spans the same years, in days. */
const DATE_32 = { minDays: -25_567, maxDays: 120_529 };

export class Date32Builder extends FixedWidthBuilder {
  constructor() {
    super(4);
  }

  append(value: unknown): void {
    if (typeof value !== 'number' || !Number.isInteger(value))
      throw invalid(value, 'Date32', 'is not a number of days for');
    if (value < DATE_32.minDays || value > DATE_32.maxDays)
      throw invalid(value, 'Date32', 'is out of range for');
    const at = this.reserve();
    this.view.setInt32(at, value, true);
  }
}

export class Float32Builder extends FixedWidthBuilder {
  constructor() {
    super(4);
  }

  append(value: unknown): void {
    if (typeof value !== 'number') throw invalid(value, 'Float32');
    if (Number.isFinite(value) && !Number.isFinite(Math.fround(value)))
      throw invalid(value, 'Float32', 'is out of range for');
    const at = this.reserve();
    this.view.setFloat32(at, value, true);
  }
}

export class Float64Builder extends FixedWidthBuilder {
  constructor() {
    super(8);
  }

  append(value: unknown): void {
    if (typeof value !== 'number') throw invalid(value, 'Float64');
    const at = this.reserve();
    this.view.setFloat64(at, value, true);
  }
}

export class BoolBuilder extends FixedWidthBuilder {
  constructor() {
    super(1);
  }

  append(value: unknown): void {
    if (typeof value !== 'boolean') throw invalid(value, 'Bool');
    const at = this.reserve();
    this.bytes[at] = value ? 1 : 0;
  }
}

export class FixedStringBuilder extends FixedWidthBuilder {
  readonly #size: number;

  constructor(size: number) {
    super(size);
    this.#size = size;
  }

  append(value: unknown): void {
    if (!(value instanceof Uint8Array) || value.length !== this.#size)
      throw invalid(value, `FixedString(${this.#size})`);
    const at = this.reserve();
    this.bytes.set(value, at);
  }
}

/** Strings, and bytes as they are. */
export class StringBuilder implements ColumnBuilder {
  readonly #bytes = new ByteWriter();
  #marked = 0;

  append(value: unknown): void {
    if (typeof value === 'string') this.#bytes.writeText(value);
    else if (value instanceof Uint8Array) {
      this.#bytes.writeVarUInt(value.length);
      this.#bytes.writeBytes(value);
    } else throw invalid(value, 'String');
  }

  appendDefault(): void {
    this.#bytes.writeByte(0);
  }

  mark(): void {
    this.#marked = this.#bytes.length;
  }

  rollback(): void {
    this.#bytes.truncate(this.#marked);
  }

  clear(): void {
    this.#bytes.truncate(0);
    this.#marked = 0;
  }

  get byteLength(): number {
    return this.#bytes.length;
  }

  writePrefix(): void {
    // Strings need none.
  }

  writeData(out: ByteWriter): void {
    out.writeBytes(this.#bytes.view());
  }
}
