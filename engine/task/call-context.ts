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

  get cause(): string {
    return this.timer === ''
      ? `${this.topic}/${this.partition}/${this.offset}`
      : `${this.#processor}/${this.partition}/${this.key}/${this.timer}@${this.eventTimeMs}/${this.trigger}`;
  }
}
