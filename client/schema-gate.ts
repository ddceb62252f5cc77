/**
 * Holds the events of a schema back until the brokers have its announcement on `weir.schemas`, so that no reader meets an
 * event that it cannot resolve.
 *
 * I1  Events pass in the order in which they came.
 * I2  An announcement that fails rejects what it held back; the next event announces again.
 */
import type { ClientError } from './client-error.ts';

interface Held {
  readonly pass: () => void;
  readonly refuse: (error: ClientError) => void;
}

export class SchemaGate {
  readonly #announce: (done: () => void, failed: (error: ClientError) => void) => void;
  readonly #held: Held[] = [];
  #isOpen: boolean;
  #announcing = false;

  /**
   * @param announce publishes the announcement and calls one of the two
   * @param isAnnounced whether the brokers have it already
   */
  constructor(
    announce: (done: () => void, failed: (error: ClientError) => void) => void,
    isAnnounced = false,
  ) {
    this.#announce = announce;
    this.#isOpen = isAnnounced;
  }

  /** Calls `pass` at once or once the schema is announced, or `refuse` when that fails. */
  enter(pass: () => void, refuse: (error: ClientError) => void): void {
    if (this.#isOpen) {
      pass();
      return;
    }
    this.#held.push({ pass, refuse });
    if (this.#announcing) return;
    this.#announcing = true;
    this.#announce(
      () => {
        this.#isOpen = true;
        for (const { pass: go } of this.#held.splice(0)) go();
      },
      (error) => {
        this.#announcing = false;
        for (const { refuse: tell } of this.#held.splice(0)) tell(error);
      },
    );
  }
}
