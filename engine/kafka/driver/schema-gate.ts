/**
 * Holds records back whose writer's schema is not known yet: it is announced on `weir.schemas` before the first record, but
 * two topics are read at two paces. A schema that does not come in time is waited for once, not for each of its records; all those
 * of the records at hand are waited for at the same time, so bytes that only look like frames hold a partition up once for all.
 */
import { parseFrame, SINGLE_OBJECT_HEADER_BYTES } from '../../codec/framing.ts';
import { MissingSchemas } from '../../codec/missing-schemas.ts';
import type { WriterSchemas } from '../../codec/writer-schemas.ts';
import type { LogRecord } from '../../log/log.ts';

/** Unknown schemas that are remembered: far more than are at hand at once. */
const maxMissing = 100_000;
/** An announcement that is there already is read within the wait of one fetch, and some. */
const longestHastyWaitMs = 500;

export class SchemaGate {
  readonly #writers: WriterSchemas;
  /** How long the records of an unknown schema are held, and how long where haste is called for. */
  readonly waitMs: number;
  readonly hastyWaitMs: number;
  readonly #missing: MissingSchemas;
  readonly #missingInHaste: MissingSchemas;
  /** Of the record that was let through last: most have the same. */
  #knownLow = -1;
  #knownHigh = -1;

  constructor(writers: WriterSchemas, waitMs: number) {
    this.#writers = writers;
    this.waitMs = waitMs;
    this.hastyWaitMs = Math.min(longestHastyWaitMs, waitMs);
    this.#missing = new MissingSchemas(waitMs, maxMissing);
    this.#missingInHaste = new MissingSchemas(this.hastyWaitMs, maxMissing);
  }

  /** Index, from `from` on, of the first record that has to wait; -1 when none has to. `nowMs` as `performance.now()`. */
  firstHeld(records: readonly LogRecord[], from: number, nowMs: number, isHasty: boolean): number {
    for (let i = from; i < records.length; i += 1) {
      const { value } = records[i]!;
      if (value === null || this.#passes(value, nowMs, isHasty)) continue;
      for (const later of records.slice(i + 1))
        if (later.value !== null) this.#passes(later.value, nowMs, isHasty);
      return i;
    }
    return -1;
  }

  /** Whether nothing is to be waited for: its writer's schema is known, or it is no frame. */
  isReadable({ value }: LogRecord): boolean {
    return value === null || this.#isKnown(value);
  }

  #passes(value: Buffer, nowMs: number, isHasty: boolean): boolean {
    const isSingleObject =
      value.length >= SINGLE_OBJECT_HEADER_BYTES && value[0] === 0xc3 && value[1] === 0x01;
    if (!isSingleObject && value[0] !== 0) return true; // No frame: a dead letter at once.
    if (isSingleObject) {
      const low = value.readUInt32LE(2);
      const high = value.readUInt32LE(6);
      if (low === this.#knownLow && high === this.#knownHigh) return true;
    }
    if (this.#isKnown(value) || this.#missing.isOverdue(value, nowMs)) return true;
    return isHasty && this.#missingInHaste.isOverdue(value, nowMs);
  }

  #isKnown(value: Buffer): boolean {
    let frame;
    try {
      frame = parseFrame(value);
    } catch {
      return true; // Cut off: whoever decodes it says so in a dead letter.
    }
    if (frame.framing === 'confluent') return this.#writers.byConfluentId(frame.schemaId) !== undefined;
    if (this.#writers.byFingerprint(frame.fingerprint) === undefined) return false;
    this.#knownLow = value.readUInt32LE(2);
    this.#knownHigh = value.readUInt32LE(6);
    return true;
  }
}
