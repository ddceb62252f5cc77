/** The `at` that handlers see: one object for each task, refilled before each call, so that a call allocates nothing. */
import type { ErasedAt, Parameters, TableView } from '../topology/processor.ts';

export class CallContext implements ErasedAt {
  readonly parameters: Parameters;
  readonly tables: Readonly<Record<string, TableView<unknown>>>;
  readonly #processor: string;
  key = '';
  eventTimeMs = 0;
  watermarkMs = -Infinity;
  wallMs = -Infinity;
  late = false;
  topic = '';
  partition = 0;
  offset = -1;
  /** Name of the timer that fires; '' for a record. */
  timer = '';
  /** What let the timer fire; part of its cause, for the same timer may be set and fire again. */
  trigger = '';

  constructor(
    processor: string,
    parameters: Parameters,
    tables: Readonly<Record<string, TableView<unknown>>>,
  ) {
    this.#processor = processor;
    this.parameters = parameters;
    this.tables = tables;
  }

  /** It becomes a header, which node-rdkafka cuts at a NUL, and CloudEvents takes no control characters: those of the key are escaped. */
  get cause(): string {
    return this.timer === ''
      ? `${this.topic}/${this.partition}/${this.offset}`
      : `${this.#processor}/${this.partition}/${escaped(this.key)}/${this.timer}@${this.eventTimeMs}/${this.trigger}`;
  }
}

const special = /[\p{Cc}%]/u;

/** As in a URL. `%` too, so that two keys stay two. */
function escaped(key: string): string {
  return special.test(key) ? key.replace(/[\p{Cc}%]/gu, encodeURIComponent) : key;
}
