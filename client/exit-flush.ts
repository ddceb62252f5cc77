/**
 * Delivering before the process ends.
 *
 * I1  With `flushOnExit`, an idle client does not keep the process running, and one with events on their way does: a
 *     script that ends by itself ends when the last one is acknowledged.
 * I2  SIGINT and SIGTERM flush and are then raised again, unless the program listens to them too: then ending is its work.
 */

/** Keeps the process running while it is held. */
export class ProcessHold {
  readonly #isWanted: boolean;
  #count = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param isWanted false where open connections keep the process running anyway */
  constructor(isWanted: boolean) {
    this.#isWanted = isWanted;
  }

  /** Holds until the returned function is called. */
  take(): () => void {
    if (!this.#isWanted) return () => undefined;
    this.#count += 1;
    this.#timer ??= setInterval(() => undefined, 2 ** 30);
    return () => {
      this.#count -= 1;
      if (this.#count > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }
}

const signals = ['SIGINT', 'SIGTERM'] as const;

/** Calls `flush` on a signal. The returned function undoes it. */
export function flushOnExit(flush: () => Promise<void>): () => void {
  const onSignal = (signal: NodeJS.Signals): void => {
    const isOthersToo = process.listenerCount(signal) > 1;
    const finish = (): void => {
      unhook();
      if (!isOthersToo) process.kill(process.pid, signal);
    };
    // What could not be delivered has told its publisher.
    flush().then(finish, finish);
  };
  const unhook = (): void => {
    for (const signal of signals) process.off(signal, onSignal);
  };
  for (const signal of signals) process.on(signal, onSignal);
  return unhook;
}
