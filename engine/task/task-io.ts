/** What goes into a task's core and what comes out of it. */
import type { Headers, LogRecord } from '../log/log.ts';

/** A record of one of the task's inputs. `input` counts the processor's inputs in order, then its tables. */
export interface RecordInput {
  readonly kind: 'record';
  readonly input: number;
  readonly partition: number;
  readonly record: LogRecord;
}

/** A tick of the wall clock, and which input partitions had nothing left to read (indices as `TaskCore.sources`). */
export interface TickInput {
  readonly kind: 'tick';
  readonly wallMs: number;
  readonly caughtUp: (source: number) => boolean;
}

export type TaskInput = RecordInput | TickInput;

/** A record that the task wants written. The partition follows from the key. */
export interface OutputRecord {
  readonly topic: string;
  readonly key: Buffer;
  readonly value: Buffer | null;
  readonly timestampMs: number;
  readonly headers: Headers;
}

/** What one step wants done. `urgent` asks for a commit at once. */
export interface Effects {
  readonly outputs: readonly OutputRecord[];
  readonly urgent: boolean;
}

/** One write to the task's compacted changelog; null deletes. */
export interface ChangelogEntry {
  readonly key: Buffer;
  readonly value: Buffer | null;
}

/** The next offset to read of one input partition. */
export interface Position {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** Everything, besides the outputs, that commits together with them. */
export interface Commit {
  readonly changelog: readonly ChangelogEntry[];
  /** An encoded JournalChunk; null when there was no input. */
  readonly journal: Buffer | null;
  /** Of inputs, not of tables: a table's position is part of the task's own state. */
  readonly positions: readonly Position[];
}

/** One input partition of a task. */
export interface Source {
  readonly input: number;
  readonly topic: string;
  readonly partition: number;
  readonly table: boolean;
}

/** Counters since the core was made; for metrics, not part of the state. */
export interface TaskCounters {
  records: number;
  deadLetters: number;
  late: number;
  duplicates: number;
  timersFired: number;
  outputs: number;
}
