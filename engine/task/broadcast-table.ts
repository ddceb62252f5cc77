/** A broadcast table inside a task: the newest value of each key as of this point of the task's order. */
import type { TableView } from '../topology/processor.ts';

export class BroadcastTable implements TableView<unknown> {
  readonly #rows = new Map<string, unknown>();
  readonly #changed = new Set<string>();
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

  /** Keys that changed since the last commit. */
  changedKeys(): Iterable<string> {
    return this.#changed;
  }

  /** Sets a row, or with `undefined` removes it. */
  put(key: string, value: unknown): void {
    this.#changed.add(key);
    this.#set(key, value);
  }

  /** Puts a committed row in, at restore. */
  load(key: string, value: unknown): void {
    this.#set(key, value);
  }

  commit(): void {
    this.#changed.clear();
  }

  #set(key: string, value: unknown): void {
    this.#sorted = undefined;
    if (value === undefined) this.#rows.delete(key);
    else this.#rows.set(key, value);
  }
}
