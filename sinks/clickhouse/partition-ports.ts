/** What a partition's sink works with: its limits, and what others do for it. */
import type { PartitionSource } from '#engine/log/log.ts';
import type { Batch, BatchLimits } from './batch.ts';
import type { SinkError } from './error.ts';
import type { BlockEncoder } from './native/block-encoder.ts';
import type { ReadRow, Rejected } from './row-reader.ts';
import type { Judgement } from './token-memory.ts';

export interface PartitionLimits extends BatchLimits {
  /** A batch is inserted at the latest so long after its first record was read. */
  readonly flushIntervalMs: number;
  /** So long the sink waits for the schema of a record before the record goes to the dead letters. */
  readonly schemaWaitMs: number;
}

/**
 * What became of an insert. `in`: ClickHouse says that it has the block, from now or, where the insert `isRepeated`, perhaps
 * only by its memory of the token. `too-large`: it touches too many
 * table partitions; a smaller one may go in. `refused`: some row of it is bad; the others may go in. `kept-back`: a repetition that is not
 * to be sent, or not once more.
 */
export type InsertOutcome =
  | { readonly kind: 'in'; readonly isRepeated: boolean }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'refused'; readonly error: SinkError }
  | { readonly kind: 'kept-back'; readonly judgement: Judgement };

export interface InsertOptions {
  /** Instead of the promise's own, for what is inserted beside the promise. */
  readonly token?: string;
  /**
   * For a batch whose rows are all in the table, which is sent for the targets of views: what its promise says is remembered. It is
   * judged before each attempt, for each may be late.
   */
  readonly memory?: string;
}

export interface Replicas {
  /** Whether `present` asks all of them now: else one that is down may have the rows. */
  doAllAnswer(stop: AbortSignal): Promise<boolean>;
}

/** What a partition's sink needs done by others. All wait out transient failures, and reject with `stopped` on abort. */
export interface PartitionPorts {
  readonly source: PartitionSource;
  readonly readRow: ReadRow;
  /** Of the log: see intent.ts, I3. */
  readonly incarnation: string;
  /** Of a table that has replicas, of which one may have rows that the others do not have yet. */
  readonly replicas?: Replicas;
  insert(batch: Batch, stop: AbortSignal, options?: InsertOptions): Promise<InsertOutcome>;
  /** What is remembered of tokens, for a promise (token-memory.ts). */
  mark(stop: AbortSignal): Promise<string>;
  /** Whether [from, to), promised with this mark, may be sent again although its rows are in the table. */
  judge(from: number, to: number, mark: string, stop: AbortSignal): Promise<Judgement>;
  /** Hears what somebody has to look at although the partition goes on. */
  onTrouble(error: SinkError): void;
  /** Rows of this partition in the table with offsets in [from, to). */
  present(from: number, to: number, stop: AbortSignal): Promise<number>;
  /** The offsets that are in the table, of those in [from, to). */
  presentOffsets(from: number, to: number, stop: AbortSignal): Promise<ReadonlySet<number>>;
  commit(offset: number, metadata: string, stop: AbortSignal): Promise<void>;
  /** Writes dead letters of the rejected records and commits `offset`, best in one transaction. */
  finish(offset: number, rejected: readonly Rejected[], stop: AbortSignal): Promise<void>;
  /** Resolves when it is the turn of a batch that was begun at that time; others' work goes on meanwhile. */
  turn(startedAtMs: number): Promise<void>;
  takeEncoder(): BlockEncoder;
  returnEncoder(encoder: BlockEncoder): void;
  /** Accounts for the memory of a batch; false when there is no room for it to grow any further. */
  resize(fromBytes: number, toBytes: number): boolean;
}
