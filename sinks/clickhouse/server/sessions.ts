/**
 * Connections for requests: a fresh one each, or the one of the session that the request names (`session_id`).
 *
 * I1. A session belongs to the user who began it and serves one request at a time (code 373 for a second).
 * I2. A session ends after its time-out without a request; its connection is closed then.
 */
import type { User } from './auth.ts';
import type { Engine, EngineConnection } from './engine.ts';
import { exception } from './exception.ts';
import type { SessionRequest } from './query-request.ts';

/** A connection for the length of one request. */
export interface Lease {
  readonly connection: EngineConnection;
  /** Whether the connection has been used by an earlier request of the same session. */
  readonly isContinued: boolean;
  readonly isSession: boolean;
  /** Give it back. */
  release(): void;
}

interface Session {
  readonly connection: EngineConnection;
  isBusy: boolean;
  expiry: NodeJS.Timeout | undefined;
}

export class Sessions {
  readonly #engine: Engine;
  readonly #max: number;
  readonly #sessions = new Map<string, Session>();

  constructor(engine: Engine, max: number) {
    this.#engine = engine;
    this.#max = max;
  }

  /** A connection for a request. Throws codes 372, 373 and 202. */
  lease(user: User, request: SessionRequest | undefined): Lease {
    if (request === undefined) {
      const connection = this.#engine.connect();
      const release = (): void => {
        connection.close();
      };
      return { connection, isContinued: false, isSession: false, release };
    }
    const key = `${user.name}/${request.id}`;
    const known = this.#sessions.get(key);
    if (known === undefined && request.mustExist) throw exception(372, `Session ${request.id} not found.`);
    if (known?.isBusy === true)
      throw exception(373, `Session ${request.id} is locked by a concurrent client.`);
    const session = known ?? this.#begin(key);
    session.isBusy = true;
    clearTimeout(session.expiry);
    const release = (): void => {
      session.isBusy = false;
      session.expiry = setTimeout(() => {
        this.#end(key);
      }, request.timeoutMs);
      session.expiry.unref();
    };
    return { connection: session.connection, isContinued: known !== undefined, isSession: true, release };
  }

  /** End all sessions. Nothing runs any more. */
  close(): void {
    for (const key of this.#sessions.keys()) this.#end(key);
  }

  #begin(key: string): Session {
    if (this.#sessions.size >= this.#max) {
      throw exception(
        202,
        `Too many sessions. Maximum: ${this.#max}. Wait until one times out, or do without session_id.`,
      );
    }
    const session: Session = { connection: this.#engine.connect(), isBusy: false, expiry: undefined };
    this.#sessions.set(key, session);
    return session;
  }

  #end(key: string): void {
    const session = this.#sessions.get(key);
    if (session === undefined || session.isBusy) return;
    clearTimeout(session.expiry);
    this.#sessions.delete(key);
    session.connection.close();
  }
}
