/**
 * At most so many of these at a time; the others wait in the order of their coming.
 *
 * I1  Who has none under way may always begin one. So work that takes long, or never ends, keeps only its own owner waiting:
 *     a table whose inserts are not answered does not hold up the others. All together stay under limit + owners.
 */
export class ConcurrencyLimit {
  readonly #limit: number;
  readonly #waiting: { readonly owner: unknown; readonly begin: () => void }[] = [];
  /** Owner -> how many it has under way; owners without any are not in it. */
  readonly #underWay = new Map<unknown, number>();
  #total = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @param owner whoever is not to be held up by others */
  async run<T>(owner: unknown, work: () => Promise<T>): Promise<T> {
    if (this.#mayBegin(owner)) this.#count(owner, 1);
    // Counted by who lets it begin: nobody who comes in between may take its place.
    else await new Promise<void>((resolve) => this.#waiting.push({ owner, begin: resolve }));
    try {
      return await work();
    } finally {
      this.#count(owner, -1);
      this.#beginAll();
    }
  }

  #mayBegin(owner: unknown): boolean {
    return this.#total < this.#limit || !this.#underWay.has(owner);
  }

  #count(owner: unknown, change: 1 | -1): void {
    this.#total += change;
    const underWay = (this.#underWay.get(owner) ?? 0) + change;
    if (underWay === 0) this.#underWay.delete(owner);
    else this.#underWay.set(owner, underWay);
  }

  /** One that ends may let two begin: the first that waits, in its place, and the next of its own owner, who has none now (I1). */
  #beginAll(): void {
    for (;;) {
      const index = this.#waiting.findIndex(({ owner }) => this.#mayBegin(owner));
      const next = this.#waiting[index];
      if (next === undefined) return;
      this.#waiting.splice(index, 1);
      this.#count(next.owner, 1);
      next.begin();
    }
  }
}
