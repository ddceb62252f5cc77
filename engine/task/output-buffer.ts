/**
 * Turns what handlers emit into records: encoded, keyed, timed, with CloudEvents headers that follow from the cause, so
 * that a replay gives the same bytes.
 */
import { eventCodec, type EventCodec } from '../codec/event-codec.ts';
import type { WriterSchemas } from '../codec/writer-schemas.ts';
import { EngineError } from '../engine-error.ts';
import type { LogRecord } from '../log/log.ts';
import { deadLetterRecord } from '../records/dead-letter.ts';
import { deadLetters, type DeadLetter } from '../records/generated.ts';
import { eventTimeMsOf, keyOf } from '../topology/stream.ts';
import type { CallContext } from './call-context.ts';
import { cloudEventHeaders } from './cloud-events.ts';
import type { Effects, OutputRecord } from './task-io.ts';
import type { OutputPlan, TaskPlan } from './task-plan.ts';

/** Of a record whose event time is the epoch itself: librdkafka takes 0 for "now", and a replay would give another record. */
const afterEpochMs = 1;

export class OutputBuffer {
  readonly #plan: TaskPlan;
  readonly #source: string;
  readonly #deadLetterCodec: EventCodec<DeadLetter>;
  #outputs: OutputRecord[] = [];
  #urgent = false;
  /** Outputs of the call at hand so far. */
  #count = 0;

  constructor(plan: TaskPlan, partition: number, writers: WriterSchemas) {
    this.#plan = plan;
    this.#source = `/weir/${plan.processor.name}/${partition}`;
    this.#deadLetterCodec = eventCodec(deadLetters, writers);
  }

  get isEmpty(): boolean {
    return this.#outputs.length === 0;
  }

  take(): Effects {
    const effects = { outputs: this.#outputs, urgent: this.#urgent };
    this.#outputs = [];
    this.#urgent = false;
    return effects;
  }

  /** A call of a handler begins: its outputs are counted from 0. */
  begin(): void {
    this.#count = 0;
  }

  /** Adds one emission of a handler. An emission that does not fit its stream's schema is a bug and throws. */
  emit(
    emission: { readonly to: string; readonly value: unknown; readonly key?: string },
    at: CallContext,
  ): void {
    const output = this.#plan.outputs.get(emission.to);
    if (output === undefined) {
      throw new EngineError(
        'handler-bug',
        `processor '${this.#plan.processor.name}' emits to '${emission.to}', which is not among its outputs`,
      );
    }
    if (emission.value === null && output.stream.kind !== 'table') {
      throw new EngineError(
        'handler-bug',
        `processor '${this.#plan.processor.name}' deletes a key of '${output.stream.topic}', which is no table`,
      );
    }
    try {
      this.#push(output, emission, at);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new EngineError(
        'handler-bug',
        `processor '${this.#plan.processor.name}', output '${emission.to}' at ${at.cause}: ${reason}`,
        { cause: error },
      );
    }
    if (output.urgent) this.#urgent = true;
  }

  /** Adds a dead letter for the record at hand. Its time is the journalled wall time, so that a replay gives the same. */
  deadLetter(record: LogRecord, code: string, reason: string, at: CallContext, wallMs: number): void {
    const letter = deadLetterRecord(this.#deadLetterCodec, record, {
      reader: `processor ${this.#plan.processor.name}`,
      topic: at.topic,
      partition: at.partition,
      code,
      reason,
      failedAtMs: Number.isFinite(wallMs) ? wallMs : record.timestampMs,
      source: this.#source,
    });
    this.#outputs.push({ ...letter, key: letter.key ?? Buffer.alloc(0) });
  }

  #push(
    output: OutputPlan,
    emission: { readonly value: unknown; readonly key?: string },
    at: CallContext,
  ): void {
    const { stream, codec } = output;
    const { value } = emission;
    const timestampMs = value === null ? Math.floor(at.eventTimeMs) : eventTimeMsOf(stream, value as object);
    const key = emission.key ?? keyOf(stream, value as object);
    this.#outputs.push({
      topic: stream.topic,
      key: Buffer.from(key),
      value: value === null ? null : codec.encode(value),
      timestampMs: timestampMs === 0 ? afterEpochMs : timestampMs,
      headers: cloudEventHeaders(this.#nextId(at), this.#source, stream.name, timestampMs),
    });
  }

  /** `<cause>#<n>`: n counts the outputs of one call. */
  #nextId(at: CallContext): string {
    this.#count += 1;
    return `${at.cause}#${this.#count - 1}`;
  }
}
