/**
 * Which batches of a fetch a read_committed reader is given (KIP-98, "Reading transactional data").
 *
 * A fetch with this isolation level ends at the last stable offset, so every transaction in it is decided, and the broker
 * names those aborted ones that reach into it: producer and first offset. A producer's batches are dropped from there
 * to its ABORT marker.
 *
 * I1  The broker's list is in the order of the transactions' ends, not of their beginnings: it is sorted here.
 * I2  Every transaction that begins at or before a batch's end has begun, however many begin in one batch or lie before
 *     the first one of the fetch.
 * I3  Only a control batch is a marker, whatever a record's key looks like.
 * I4  Only transactional batches are dropped; the same producer id may have written others.
 * I5  Nothing is remembered from one fetch to the next: each has its own list.
 *
 * kafkajs 2.2.4 breaks I1, I2 (one transaction begins with each record) and I3 (a key of four zero bytes ends one).
 */
import { controlType, type RecordBatch } from './record-batch.ts';

export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

/** The batches with records for the reader: no control batches, no aborted ones. */
export function committedBatches(
  batches: readonly RecordBatch[],
  abortedTransactions: readonly AbortedTransaction[],
): RecordBatch[] {
  const byStart = abortedTransactions.toSorted((a, b) => a.firstOffset - b.firstOffset);
  const aborted = new Set<bigint>();
  let begun = 0;
  const kept: RecordBatch[] = [];
  for (const batch of batches) {
    for (; begun < byStart.length && byStart[begun]!.firstOffset <= batch.lastOffset; begun++)
      aborted.add(byStart[begun]!.producerId);
    if (batch.isControl) {
      if (controlType(batch) === 'abort') aborted.delete(batch.producerId);
    } else if (!batch.isTransactional || !aborted.has(batch.producerId)) kept.push(batch);
  }
  return kept;
}
