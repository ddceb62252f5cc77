/**
 * Statements under way: how many may run at once, and how to stop one.
 *
 * The engine gives its queries ids of its own, so the client's query_id travels in the setting `log_comment`
 * (`weir:<query_id>`), by which `KILL QUERY` finds it.
 *
 * I1. A query_id is under way once at a time; there are at most `max` statements.
 * I2. A statement's slot is free again when the engine has ended it, not when its client has gone.
 */
import type { Engine } from './engine.ts';
import { exception } from './exception.ts';
import { stringLiteral } from './lexer.ts';

/** The value of `log_comment` for a query_id. */
export function commentOf(queryId: string): string {
  return `weir:${queryId}`;
}

export class RunningQueries {
  readonly #engine: Engine;
  readonly #max: number;
  readonly #ids = new Set<string>();
  #onIdle: (() => void) | undefined;

  constructor(engine: Engine, max: number) {
    this.#engine = engine;
    this.#max = max;
  }

  get count(): number {
    return this.#ids.size;
  }

  /** Take a slot. Throws code 202 when there is none, 216 when the id is in use. */
  begin(queryId: string): void {
    if (this.#ids.has(queryId)) throw exception(216, `Query with id = ${queryId} is already running.`);
    if (this.#ids.size >= this.#max) {
      throw exception(
        202,
        `Too many simultaneous queries. Maximum: ${this.#max}. Try again when one has ended.`,
      );
    }
    this.#ids.add(queryId);
  }

  end(queryId: string): void {
    this.#ids.delete(queryId);
    if (this.#ids.size === 0) this.#onIdle?.();
  }

  /** Ask the engine to stop a statement. It then fails with code 394. */
  async kill(queryId: string): Promise<void> {
    await this.#kill(`Settings['log_comment'] = ${stringLiteral(commentOf(queryId))}`);
  }

  /** Ask the engine to stop all statements of clients. */
  async killAll(): Promise<void> {
    await this.#kill(`startsWith(Settings['log_comment'], 'weir:')`);
  }

  /** Resolves once nothing runs, or after `timeoutMs` with false. */
  async idle(timeoutMs: number): Promise<boolean> {
    if (this.#ids.size === 0) return true;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        resolve(false);
      }, timeoutMs);
      this.#onIdle = (): void => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  async #kill(condition: string): Promise<void> {
    const connection = this.#engine.connect();
    try {
      await connection.run(`KILL QUERY WHERE ${condition} ASYNC`);
    } finally {
      connection.close();
    }
  }
}
