/**
 * Columns LowCardinality(String) and LowCardinality(Nullable(String)): a dictionary for each block and an index for each row.
 *
 * Layout, from ClickHouse's SerializationLowCardinality: prefix = version 1 as UInt64; data = flags as UInt64 (width of an
 * index, and "this block brings its own keys"), number of keys, keys, number of rows, indexes. In a nullable dictionary
 * key 0 stands for null; its text is not looked at.
 */
import { ByteWriter } from './byte-writer.ts';
import { invalid, type ColumnBuilder } from './column-builder.ts';

/** KeysSerializationVersion::SharedDictionariesWithAdditionalKeys */
const VERSION = 1;
/** IndexesSerializationType::HasAdditionalKeysBit and NeedUpdateDictionary */
const OWN_KEYS = (1 << 9) | (1 << 10);

export class LowCardinalityBuilder implements ColumnBuilder {
  readonly #nullable: boolean;
  readonly #keyBytes = new ByteWriter();
  readonly #keys: string[] = [];
  readonly #indexOf = new Map<string, number>();
  #indexes = new Uint32Array(64);
  #rows = 0;
  #marked = { rows: 0, keys: 0, keyBytes: 0 };
  // Neighbours often have the same value: one comparison instead of a look-up.
  #last: string | undefined;
  #lastIndex = 0;

  constructor(nullable: boolean) {
    this.#nullable = nullable;
    this.#start();
  }

  append(value: unknown): void {
    if (value === this.#last && value !== undefined) this.#push(this.#lastIndex);
    else if (typeof value === 'string') this.#push(this.#find(value));
    else if (value === null && this.#nullable) this.#push(0);
    else throw invalid(value, 'LowCardinality(String)');
  }

  appendDefault(): void {
    this.#push(this.#nullable ? 0 : this.#find(''));
  }

  mark(): void {
    this.#marked = { rows: this.#rows, keys: this.#keys.length, keyBytes: this.#keyBytes.length };
  }

  rollback(): void {
    this.#rows = this.#marked.rows;
    for (const key of this.#keys.splice(this.#marked.keys)) this.#indexOf.delete(key);
    this.#keyBytes.truncate(this.#marked.keyBytes);
    this.#last = undefined;
  }

  clear(): void {
    this.#rows = 0;
    this.#keys.length = 0;
    this.#indexOf.clear();
    this.#keyBytes.truncate(0);
    this.#last = undefined;
    this.#start();
    this.mark();
  }

  get byteLength(): number {
    return this.#keyBytes.length + this.#rows * this.#width();
  }

  writePrefix(out: ByteWriter): void {
    out.writeUInt64(VERSION);
  }

  writeData(out: ByteWriter): void {
    // Inside arrays that are all empty: the engine then reads not even the flags.
    if (this.#rows === 0) return;
    const width = this.#width();
    // 0: UInt8, 1: UInt16, 2: UInt32
    out.writeUInt64(OWN_KEYS | (width >> 1));
    out.writeUInt64(this.#keys.length);
    out.writeBytes(this.#keyBytes.view());
    out.writeUInt64(this.#rows);
    const indexes = this.#indexes.subarray(0, this.#rows);
    const packed = width === 1 ? new Uint8Array(indexes) : width === 2 ? new Uint16Array(indexes) : indexes;
    out.writeBytes(new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength));
  }

  /** Key 0 is the default, null where the dictionary is nullable (which is not the string ''). */
  #start(): void {
    this.#keys.push('');
    this.#keyBytes.writeText('');
    if (!this.#nullable) this.#indexOf.set('', 0);
    this.mark();
  }

  #find(text: string): number {
    let index = this.#indexOf.get(text);
    if (index === undefined) {
      index = this.#keys.length;
      this.#keys.push(text);
      this.#indexOf.set(text, index);
      this.#keyBytes.writeText(text);
    }
    this.#last = text;
    this.#lastIndex = index;
    return index;
  }

  #push(index: number): void {
    if (this.#rows === this.#indexes.length) {
      const grown = new Uint32Array(this.#rows * 2);
      grown.set(this.#indexes);
      this.#indexes = grown;
    }
    this.#indexes[this.#rows++] = index;
  }

  #width(): 1 | 2 | 4 {
    const keys = this.#keys.length;
    return keys <= 0x100 ? 1 : keys <= 0x10000 ? 2 : 4;
  }
}
