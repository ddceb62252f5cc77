/**
 * The schema gate of one partition, whose patience ends where it was in vain: bytes that only look like frames, each like another
 * one, would hold the partition up for the whole wait again with every few hundred records.
 *
 * I1  After a whole wait in which the schema did not come, the partition's next unknown schemas are waited for briefly only, until a
 *     minute has passed without such a wait. Briefly is not at once: it is time enough for an announcement that is on its way.
 * I2  It only delays records: the journal has the order in which they were taken then. A schema that comes later than it was waited for
 *     is known to a replay: hence no haste without a wait in vain.
 */
import { EngineError } from '../../engine-error.ts';
import type { LogRecord } from '../../log/log.ts';
import type { SchemaGate } from './schema-gate.ts';

const hastyMs = 60_000;

export class PartitionGate {
  readonly #gate: SchemaGate;
  /** `<topic>/<partition>` */
  readonly #name: string;
  readonly #onTrouble: (error: EngineError) => void;
  /** Index of the record that was held last; -1 for none. */
  #heldAt = -1;
  #hastyUntilMs = -Infinity;

  /** @param onTrouble hears of each first wait in vain */
  constructor(gate: SchemaGate, name: string, onTrouble: (error: EngineError) => void) {
    this.#gate = gate;
    this.#name = name;
    this.#onTrouble = onTrouble;
  }

  /** As `SchemaGate.firstHeld`; `records` are others only after none of the last ones was held. */
  firstHeld(records: readonly LogRecord[], from: number, nowMs: number): number {
    const isHasty = nowMs < this.#hastyUntilMs;
    const held = this.#gate.firstHeld(records, from, nowMs, isHasty);
    if (held === this.#heldAt) return held;
    const record = records[this.#heldAt];
    // How long it was held says nothing: the schema may have come while the task was busy otherwise.
    if (record !== undefined && !this.#gate.isReadable(record)) {
      this.#hastyUntilMs = nowMs + hastyMs;
      if (!isHasty) this.#onTrouble(this.#inVain(record.offset));
    }
    this.#heldAt = held;
    return held;
  }

  #inVain(offset: number): EngineError {
    const { waitMs, hastyWaitMs } = this.#gate;
    return new EngineError(
      'unknown-schema',
      `${this.#name}, offset ${offset}: the schema that it seems to be written with was not announced within ${waitMs / 1_000} s; it is ` +
        `a dead letter, and others like it in this partition are waited for ${hastyWaitMs} ms only: let its writer announce its schema, ` +
        `or write no such bytes (weir dead-letters show)`,
    );
  }
}
