/**
 * Delivering before the process ends.
 *
 * I1  With `flushOnExit`, an idle client does not keep the process running, and one with events on their way does: a
 *     script that ends by itself ends when the last one is acknowledged.
 * I2  SIGINT and SIGTERM flush all clients and are then raised again, unless the program listens to them too: then ending is its
 *     work. One listener serves all clients, for they would take each other for the program.
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

const flushes = new Set<() => Promise<void>>();

function onSignal(signal: NodeJS.Signals): void {
  const isOthersToo = process.listenerCount(signal) > 1;
  // What could not be delivered has told its publisher.
  void Promise.allSettled([...flushes].map((flush) => flush())).then(() => {
    if (isOthersToo) return;
    stopListening();
    process.kill(process.pid, signal);
  });
}

function stopListening(): void {
  for (const signal of signals) process.off(signal, onSignal);
}

/** Calls `flush` on a signal. The returned function undoes it. */
export function flushOnExit(flush: () => Promise<void>): () => void {
  // Before the program's: a listener that is for once would not be counted any more.
  if (flushes.size === 0) for (const signal of signals) process.prependListener(signal, onSignal);
  flushes.add(flush);
  return () => {
    flushes.delete(flush);
    if (flushes.size === 0) stopListening();
  };
}
