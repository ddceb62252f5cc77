/** Columns made of other columns: Nullable, Array, Map, Tuple. */
import type { ByteWriter } from './byte-writer.ts';
import { FixedWidthBuilder, invalid, type ColumnBuilder } from './column-builder.ts';
import { BoolBuilder, StringBuilder } from './scalar-builders.ts';

/** A map of nulls (1 = null), then a value for every row, the default where it is null. */
export class NullableBuilder implements ColumnBuilder {
  readonly #nulls = new BoolBuilder();
  readonly #values: ColumnBuilder;

  constructor(values: ColumnBuilder) {
    this.#values = values;
  }

  append(value: unknown): void {
    if (value === null) this.appendDefault();
    else {
      this.#values.append(value);
      this.#nulls.append(false);
    }
  }

  appendDefault(): void {
    this.#values.appendDefault();
    this.#nulls.append(true);
  }

  mark(): void {
    this.#nulls.mark();
    this.#values.mark();
  }

  rollback(): void {
    this.#nulls.rollback();
    this.#values.rollback();
  }

  clear(): void {
    this.#nulls.clear();
    this.#values.clear();
  }

  get byteLength(): number {
    return this.#nulls.byteLength + this.#values.byteLength;
  }

  writePrefix(out: ByteWriter): void {
    this.#values.writePrefix(out);
  }

  writeData(out: ByteWriter): void {
    this.#nulls.writeData(out);
    this.#values.writeData(out);
  }
}

/** Where each row's elements end, counted over the whole block. */
class OffsetsBuilder extends FixedWidthBuilder {
  #end = 0;
  #markedEnd = 0;

  constructor() {
    super(8);
  }

  append(elements: number): void {
    this.#end += elements;
    const at = this.reserve();
    this.view.setUint32(at, this.#end % 2 ** 32, true);
    this.view.setUint32(at + 4, Math.floor(this.#end / 2 ** 32), true);
  }

  override appendDefault(): void {
    this.append(0);
  }

  override mark(): void {
    super.mark();
    this.#markedEnd = this.#end;
  }

  override rollback(): void {
    super.rollback();
    this.#end = this.#markedEnd;
  }

  override clear(): void {
    super.clear();
    this.#end = 0;
    this.#markedEnd = 0;
  }
}

/** Several columns under the hand of one, written in their order. */
abstract class GroupBuilder implements ColumnBuilder {
  readonly #parts: readonly ColumnBuilder[];

  constructor(parts: readonly ColumnBuilder[]) {
    this.#parts = parts;
  }

  abstract append(value: unknown): void;
  abstract appendDefault(): void;

  mark(): void {
    for (const part of this.#parts) part.mark();
  }

  rollback(): void {
    for (const part of this.#parts) part.rollback();
  }

  clear(): void {
    for (const part of this.#parts) part.clear();
  }

  get byteLength(): number {
    let bytes = 0;
    for (const part of this.#parts) bytes += part.byteLength;
    return bytes;
  }

  writePrefix(out: ByteWriter): void {
    for (const part of this.#parts) part.writePrefix(out);
  }

  writeData(out: ByteWriter): void {
    for (const part of this.#parts) part.writeData(out);
  }
}

export class ArrayBuilder extends GroupBuilder {
  readonly #offsets: OffsetsBuilder;
  readonly #elements: ColumnBuilder;

  constructor(elements: ColumnBuilder) {
    const offsets = new OffsetsBuilder();
    super([offsets, elements]);
    this.#offsets = offsets;
    this.#elements = elements;
  }

  append(value: unknown): void {
    if (!Array.isArray(value)) throw invalid(value, 'Array');
    for (const element of value as readonly unknown[]) this.#elements.append(element);
    this.#offsets.append(value.length);
  }

  appendDefault(): void {
    this.#offsets.append(0);
  }
}

/** Keys are written in the order that the object has them. */
export class MapBuilder extends GroupBuilder {
  readonly #offsets: OffsetsBuilder;
  readonly #keys: StringBuilder;
  readonly #values: ColumnBuilder;

  constructor(values: ColumnBuilder) {
    const offsets = new OffsetsBuilder();
    const keys = new StringBuilder();
    super([offsets, keys, values]);
    this.#offsets = offsets;
    this.#keys = keys;
    this.#values = values;
  }

  append(value: unknown): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(value, 'Map');
    const entries = Object.entries(value);
    for (const [key, item] of entries) {
      this.#keys.append(key);
      this.#values.append(item);
    }
    this.#offsets.append(entries.length);
  }

  appendDefault(): void {
    this.#offsets.append(0);
  }
}

export class TupleBuilder extends GroupBuilder {
  readonly #elements: readonly (readonly [name: string, builder: ColumnBuilder])[];

  constructor(elements: readonly (readonly [name: string, builder: ColumnBuilder])[]) {
    super(elements.map(([, builder]) => builder));
    this.#elements = elements;
  }

  append(value: unknown): void {
    if (typeof value !== 'object' || value === null) throw invalid(value, 'Tuple');
    for (const [name, builder] of this.#elements) builder.append((value as Record<string, unknown>)[name]);
  }

  appendDefault(): void {
    for (const [, builder] of this.#elements) builder.appendDefault();
  }
}
