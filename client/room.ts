/**
 * Room for what is not acknowledged yet: so many bytes and so many records.
 *
 * I1  Who waits gets room in the order of asking; nobody who asks later overtakes, however small.
 * I2  What got room runs at once, in the same turn: nothing comes between.
 */
import type { ClientError } from './client-error.ts';

interface Waiter {
  readonly bytes: number;
  readonly go: () => void;
  readonly refuse: (error: ClientError) => void;
}

export class Room {
  readonly #maxBytes: number;
  readonly #maxRecords: number;
  readonly #waiters = new Set<Waiter>();
  #bytes = 0;
  #records = 0;

  constructor(maxBytes: number, maxRecords: number) {
    this.#maxBytes = maxBytes;
    this.#maxRecords = maxRecords;
  }

  /** Taken now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Taken now. */
  get records(): number {
    return this.#records;
  }

  /** Asking and not answered. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** Takes room for a record at once, or not at all. */
  tryTake(bytes: number): boolean {
    if (this.#waiters.size > 0 || !this.#fits(bytes)) return false;
    this.#take(bytes);
    return true;
  }

  /** Calls `go` once there is room, or `refuse` when there will be none. */
  wait(bytes: number, go: () => void, refuse: (error: ClientError) => void): void {
    this.#waiters.add({ bytes, go, refuse });
  }

  /** Gives room back. */
  give(bytes: number): void {
    this.#bytes -= bytes;
    this.#records -= 1;
    for (const waiter of this.#waiters) {
      if (!this.#fits(waiter.bytes)) return;
      this.#waiters.delete(waiter);
      this.#take(waiter.bytes);
      waiter.go();
    }
  }

  /** Refuses all who wait. */
  refuseWaiters(error: ClientError): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const { refuse } of waiters) refuse(error);
  }

  #fits(bytes: number): boolean {
    return this.#bytes + bytes <= this.#maxBytes && this.#records < this.#maxRecords;
  }

  #take(bytes: number): void {
    this.#bytes += bytes;
    this.#records += 1;
  }
}
