/**
 * Whether a server answers, asked again and again in the background: what is told of it is at hand, however many ask.
 *
 * I1  One without an answer within `timeoutMs` counts as failed; it is told by its signal to give up, and the next is asked
 *     `everyMs` later.
 * I2  `stop` ends the questions; an answer that comes later is dropped.
 */

export interface ProbeState {
  /** undefined before the first answer. */
  readonly isUp: boolean | undefined;
  /** Since when it is so, milliseconds on the clock of `performance.now()`. */
  readonly sinceMs: number;
  /** Why it is not up. */
  readonly reason?: string;
  /** How long the last answer took. */
  readonly tookMs: number;
}

/** Resolves when the server answers. The signal aborts when the answer is not waited for any longer. */
export type Ask = (signal: AbortSignal) => Promise<unknown>;

export interface ProbeConfig {
  readonly ask: Ask;
  /** 5 s by default. */
  readonly everyMs?: number;
  /** 3 s by default. */
  readonly timeoutMs?: number;
}

export class Probe {
  readonly #ask: Ask;
  readonly #everyMs: number;
  readonly #timeoutMs: number;
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #state: ProbeState = { isUp: undefined, sinceMs: performance.now(), tookMs: 0 };

  /** Asks at once. */
  constructor({ ask, everyMs = 5_000, timeoutMs = 3_000 }: ProbeConfig) {
    this.#ask = ask;
    this.#everyMs = everyMs;
    this.#timeoutMs = timeoutMs;
    void this.#round();
  }

  get state(): ProbeState {
    return this.#state;
  }

  stop(): void {
    this.#stopping.abort();
    clearTimeout(this.#timer);
  }

  async #round(): Promise<void> {
    const startMs = performance.now();
    const limit = new AbortController();
    const stop = (): void => {
      limit.abort();
    };
    this.#stopping.signal.addEventListener('abort', stop, { once: true });
    const timer = setTimeout(stop, this.#timeoutMs);
    let reason: string | undefined;
    try {
      await Promise.race([this.#ask(limit.signal), aborted(limit.signal)]);
    } catch (error) {
      const isLate = limit.signal.aborted;
      reason = isLate ? `no answer within ${this.#timeoutMs} ms` : reasonOf(error);
    }
    clearTimeout(timer);
    this.#stopping.signal.removeEventListener('abort', stop);
    if (this.#stopping.signal.aborted) return;
    this.#note(reason, performance.now() - startMs);
    this.#timer = setTimeout(() => void this.#round(), this.#everyMs);
  }

  #note(reason: string | undefined, tookMs: number): void {
    const isUp = reason === undefined;
    const sinceMs = isUp === this.#state.isUp ? this.#state.sinceMs : performance.now();
    this.#state = { isUp, sinceMs, tookMs, ...(reason === undefined ? {} : { reason }) };
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener(
      'abort',
      () => {
        reject(new Error('aborted'));
      },
      { once: true },
    );
  });
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const [first] = error instanceof AggregateError ? (error.errors as readonly unknown[]) : [];
  return error.message === '' && first !== undefined ? reasonOf(first) : error.message || error.name;
}
