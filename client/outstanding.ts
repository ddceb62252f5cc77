/**
 * What is not settled yet, so that a flush can wait for it and for nothing that comes after.
 *
 * I1  Entering and leaving cost the same however much is outstanding: generations are counted, not members.
 */

interface Generation {
  left: number;
}

export class Outstanding {
  readonly #older = new Set<Generation>();
  readonly #checks = new Set<() => void>();
  #current: Generation = { left: 0 };

  /** One more. The returned function says that it is settled; it is called once. */
  enter(): () => void {
    const generation = this.#current;
    generation.left += 1;
    return () => {
      generation.left -= 1;
      if (generation.left > 0) return;
      this.#older.delete(generation);
      for (const check of [...this.#checks]) check();
    };
  }

  /** Resolves when all that has entered by now is settled. */
  settled(): Promise<void> {
    if (this.#current.left > 0) this.#older.add(this.#current);
    this.#current = { left: 0 };
    const awaited = [...this.#older];
    return new Promise((resolve) => {
      const check = (): void => {
        if (awaited.some(({ left }) => left > 0)) return;
        this.#checks.delete(check);
        resolve();
      };
      this.#checks.add(check);
      check();
    });
  }
}
