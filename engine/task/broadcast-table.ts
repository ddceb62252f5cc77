/** A broadcast table inside a task: the newest value of each key as of this point of the task's order. */
import type { TableView } from '../topology/processor.ts';

const absent = Symbol('absent');

export class BroadcastTable implements TableView<unknown> {
  readonly #rows = new Map<string, unknown>();
  /** Value before the open transaction, of every key that it changed. */
  readonly #before = new Map<string, unknown>();
  #sorted: readonly (readonly [string, unknown])[] | undefined;

  get(key: string): unknown {
    return this.#rows.get(key);
  }

  get size(): number {
    return this.#rows.size;
  }

  entries(): Iterable<readonly [string, unknown]> {
    this.#sorted ??= [...this.#rows].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return this.#sorted;
  }

  /** Keys that the open transaction changed. */
  changedKeys(): Iterable<string> {
    return this.#before.keys();
  }

  /** Sets a row, or with `undefined` removes it. */
  put(key: string, value: unknown): void {
    if (!this.#before.has(key)) this.#before.set(key, this.#rows.has(key) ? this.#rows.get(key) : absent);
    this.#set(key, value);
  }

  /** Puts a committed row in, at restore. */
  load(key: string, value: unknown): void {
    this.#set(key, value);
  }

  commit(): void {
    this.#before.clear();
  }

  rollback(): void {
    for (const [key, value] of this.#before) this.#set(key, value === absent ? undefined : value);
    this.#before.clear();
  }

  #set(key: string, value: unknown): void {
    this.#sorted = undefined;
    if (value === undefined) this.#rows.delete(key);
    else this.#rows.set(key, value);
  }
}
