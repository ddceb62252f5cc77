/** Wakes all that wait, each time it is set. A waiter that asks for `next` before it looks misses nothing. */

export class Signal {
  #resolve: () => void = () => undefined;
  #next: Promise<void> = this.#renew();

  /** Resolves when the signal is set next. */
  next(): Promise<void> {
    return this.#next;
  }

  set(): void {
    const wake = this.#resolve;
    this.#next = this.#renew();
    wake();
  }

  #renew(): Promise<void> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }
}
