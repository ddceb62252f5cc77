/**
 * What every column builder does, and the builders of types with a fixed width.
 *
 * I1  `append` either takes the value or throws a `value-invalid` SinkError; after a throw the builder may hold part of a
 *     nested value, and the caller rolls back to the last mark.
 * I2  What `writeData` gives follows from the accepted values alone, in their order: a retried batch has the same bytes.
 *
 * Source of the layout: ClickHouse "Native Format", https://clickhouse.com/docs/interfaces/formats/Native; checked value by
 * value against the engine in native.test.ts.
 */
import { endianness } from 'node:os';
import { SinkError } from '../error.ts';
import type { ByteWriter } from './byte-writer.ts';

export interface ColumnBuilder {
  append(value: unknown): void;
  /** The type's own default: 0, '', false, null, empty. */
  appendDefault(): void;
  /** Remembers this point; `rollback` returns to it. */
  mark(): void;
  rollback(): void;
  /** Forgets all values; the memory stays for the next block. */
  clear(): void;
  /** Bytes that the values take in a block, to within a few bytes for each column. */
  readonly byteLength: number;
  /** What the format wants before all data of a column (dictionaries' version). */
  writePrefix(out: ByteWriter): void;
  writeData(out: ByteWriter): void;
}

// Typed arrays are laid out as the host has them; the format is little-endian.
if (endianness() !== 'LE')
  throw new SinkError('clickhouse-permanent', 'the Native encoder needs a little-endian machine');

/** The error of a value that a column of this type cannot hold. */
export function invalid(value: unknown, type: string, why = 'is not a value of'): SinkError {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value);
  return new SinkError('value-invalid', `${shown} (${typeof value}) ${why} ${type}`);
}

const INITIAL_ROWS = 64;

/** Values of a fixed width, in one growing array of bytes. Subclasses put a value at `reserve()`. */
export abstract class FixedWidthBuilder implements ColumnBuilder {
  protected bytes: Uint8Array;
  protected view: DataView;
  readonly #width: number;
  #length = 0;
  #marked = 0;

  constructor(width: number) {
    this.#width = width;
    this.bytes = new Uint8Array(INITIAL_ROWS * width);
    this.view = new DataView(this.bytes.buffer);
  }

  abstract append(value: unknown): void;

  appendDefault(): void {
    const at = this.reserve();
    this.bytes.fill(0, at, at + this.#width);
  }

  mark(): void {
    this.#marked = this.#length;
  }

  rollback(): void {
    this.#length = this.#marked;
  }

  clear(): void {
    this.#length = 0;
    this.#marked = 0;
  }

  get byteLength(): number {
    return this.#length;
  }

  writePrefix(): void {
    // Values of a fixed width need none.
  }

  writeData(out: ByteWriter): void {
    out.writeBytes(this.bytes.subarray(0, this.#length));
  }

  /** Makes room for one value and returns its place. Call it first: `bytes` and `view` may be new ones afterwards. */
  protected reserve(): number {
    const at = this.#length;
    if (at + this.#width > this.bytes.length) {
      const grown = new Uint8Array(this.bytes.length * 2);
      grown.set(this.bytes);
      this.bytes = grown;
      this.view = new DataView(grown.buffer);
    }
    this.#length = at + this.#width;
    return at;
  }
}
