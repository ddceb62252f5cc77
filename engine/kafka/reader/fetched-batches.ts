/**
 * The committed batches in a fetch's answer, for all who read the partition. Their records are decoded by the reader that
 * takes them, batch by batch: records that wait as objects outlive the young generation and cost more than all the rest.
 *
 * I1  `batches` hold all records that are committed from `fetchOffset` to before `nextOffset`; a reader that stands in between
 *     takes those from its own offset on.
 * I2  What cannot be read is told after what comes before it: `failure` is of the bytes at `nextOffset`.
 */
import { EngineError } from '../../engine-error.ts';
import type { FetchedPartition } from './fetch-response.ts';
import { committedBatches } from './read-committed.ts';
import { type RecordBatch, splitBatches } from './record-batch.ts';

export interface FetchedBatches {
  /** Where the fetch began. */
  readonly fetchOffset: number;
  /** Where the next one is to begin: after the last whole batch, or at the one that cannot be read. */
  readonly nextOffset: number;
  readonly batches: readonly RecordBatch[];
  readonly failure: EngineError | undefined;
}

/** Look through what was fetched from `fetchOffset` on. Nothing when the answer is an error. */
export function fetchedBatches(
  fetched: FetchedPartition,
  fetchOffset: number,
  checkCrcs = false,
): FetchedBatches {
  const place = `${fetched.topic}-${fetched.partition}`;
  const { batches, failure } = splitBatches(fetched.recordSet, place, checkCrcs);
  // Since Fetch version 3 the first batch comes whole, however large.
  const isCutShort = batches.length === 0 && fetched.recordSet.length > 0;
  const message = `${place}: a fetch from offset ${fetchOffset} has no whole batch`;
  return {
    fetchOffset,
    nextOffset: Math.max(fetchOffset, (batches.at(-1)?.lastOffset ?? -1) + 1),
    // A broker sends the batch that the offset lies in, and with compressed ones others before it.
    batches: committedBatches(batches, fetched.abortedTransactions).filter(
      ({ lastOffset, recordCount }) => lastOffset >= fetchOffset && recordCount > 0,
    ),
    failure: failure ?? (isCutShort ? new EngineError('corrupt-batch', message) : undefined),
  };
}
