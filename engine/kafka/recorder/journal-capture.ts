/**
 * Takes a task's journal over, and says which records of its inputs the chunks name.
 *
 * I1  The chunks are those from the state's number on, one after the other: a gap is an error, for what lies in it could
 *     not be replayed.
 */
import { avroType } from '../../codec/avro-type.ts';
import { EngineError } from '../../engine-error.ts';
import type { LogRecord } from '../../log/log.ts';
import { journalChunkSchema, type JournalChunk } from '../../records/generated.ts';
import type { Parameters } from '../../topology/processor.ts';
import { journalParameters } from '../journal-parameters.ts';
import type { TaskStart } from './window-start.ts';

const journalType = avroType(journalChunkSchema.schema);

export interface JournalEvents {
  readonly onChunk: (encoded: Buffer) => void;
  /** The window needs the records before `end` of an input, numbered as the journal does it; the first is at `from`. */
  readonly onNeed: (input: number, partition: number, from: number, end: number) => void;
  readonly onParameters: (parameters: Parameters, place: string) => void;
}

export class JournalCapture {
  readonly #task: TaskStart;
  readonly #topic: string;
  readonly #events: JournalEvents;
  #chunks = 0;

  constructor(task: TaskStart, topic: string, events: JournalEvents) {
    this.#task = task;
    this.#topic = topic;
    this.#events = events;
  }

  /** Chunks of the window so far. */
  get chunks(): number {
    return this.#chunks;
  }

  /** @throws EngineError `recording` */
  take(records: readonly LogRecord[]): void {
    for (const record of records) this.#takeOne(record);
  }

  #takeOne({ offset, value, headers }: LogRecord): void {
    const place = `${this.#topic}/${this.#task.partition} offset ${offset}`;
    if (value === null) throw new EngineError('recording', `${place} is no journal chunk: it has no value`);
    const { seq, entries } = journalType.fromBuffer(value) as JournalChunk;
    const due = this.#task.seq + this.#chunks;
    if (this.#chunks === 0 && seq < due) return; // It is in the state that the window begins with.
    if (seq !== due) throw new EngineError('recording', this.#gap(place, seq, due));
    this.#chunks += 1;
    const inForce = journalParameters(headers, place);
    if (inForce !== undefined) this.#events.onParameters(inForce, place);
    this.#events.onChunk(value);
    for (const { kind, input, partition, offset: from, count } of entries)
      if (kind === 'records') this.#events.onNeed(input, partition, from, from + count);
  }

  #gap(place: string, seq: number, due: number): string {
    const { processor, partition } = this.#task;
    return (
      `task ${processor.name}-${partition}: its journal has chunk ${seq} at ${place} where chunk ${due} is due. ` +
      'Retention removed chunks, or the changelog and the journal are not of the same run: a window from now on can be recorded ' +
      'once the task has committed again'
    );
  }
}
