/**
 * A password or private key that nothing prints by accident: neither `console.log`, nor JSON, nor a template, nor an
 * error that has it among its properties.
 */
import { inspect } from 'node:util';

const shown = '<secret>';

export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The secret itself: only for whoever sends it to a broker. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return shown;
  }

  toJSON(): string {
    return shown;
  }

  [inspect.custom](): string {
    return shown;
  }
}
