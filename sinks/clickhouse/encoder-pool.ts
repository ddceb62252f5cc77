/**
 * Encoders that wait for their next block, with the memory that they have grown to.
 *
 * I1  What waits holds at most `maxIdleBytes` together, by the most that each has ever held, which is the memory that it has kept; the
 *     rest is left to the garbage collector.
 */
import { BlockEncoder } from './native/block-encoder.ts';
import type { Table } from './tables.ts';

export class EncoderPool {
  readonly #idle = new Map<Table, { readonly encoder: BlockEncoder; readonly bytes: number }[]>();
  readonly #maxIdleBytes: number;
  #idleBytes = 0;
  readonly #most = new WeakMap<BlockEncoder, number>();

  constructor(maxIdleBytes: number) {
    this.#maxIdleBytes = maxIdleBytes;
  }

  take(table: Table): BlockEncoder {
    const found = this.#idle.get(table)?.pop();
    if (found === undefined) return new BlockEncoder(table.columns);
    this.#idleBytes -= found.bytes;
    return found.encoder;
  }

  giveBack(table: Table, encoder: BlockEncoder): void {
    const bytes = Math.max(this.#most.get(encoder) ?? 0, 2 * encoder.byteLength);
    this.#most.set(encoder, bytes);
    encoder.clear();
    if (this.#idleBytes + bytes > this.#maxIdleBytes) return;
    this.#idleBytes += bytes;
    const idle = this.#idle.get(table);
    if (idle === undefined) this.#idle.set(table, [{ encoder, bytes }]);
    else idle.push({ encoder, bytes });
  }
}
