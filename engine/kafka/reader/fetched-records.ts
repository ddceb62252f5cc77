/**
 * The committed records in a fetch's answer, decoded once for all who read the partition.
 *
 * I1  `records` are all that are committed from `fetchOffset` to before `nextOffset`; a reader that stands in between takes
 *     those from its own offset on.
 * I2  What cannot be read is told after what comes before it: `failure` is of the bytes at `nextOffset`.
 */
import { EngineError } from '../../engine-error.ts';
import type { LogRecord } from '../../log/log.ts';
import type { FetchedPartition } from './fetch-response.ts';
import { committedBatches } from './read-committed.ts';
import { readRecords, splitBatches } from './record-batch.ts';

export interface FetchedRecords {
  /** Where the fetch began. */
  readonly fetchOffset: number;
  /** Where the next one is to begin: after the last whole batch, or at the one that cannot be read. */
  readonly nextOffset: number;
  readonly records: readonly LogRecord[];
  readonly failure: EngineError | undefined;
}

/** Decode what was fetched from `fetchOffset` on. Nothing when the answer is an error. */
export function fetchedRecords(
  fetched: FetchedPartition,
  fetchOffset: number,
  checkCrcs = false,
): FetchedRecords {
  const place = `${fetched.topic}-${fetched.partition}`;
  const { batches, failure } = splitBatches(fetched.recordSet, place, checkCrcs);
  // Since Fetch version 3 the first batch comes whole, however large.
  const isCutShort = batches.length === 0 && fetched.recordSet.length > 0;
  const message = `${place}: a fetch from offset ${fetchOffset} has no whole batch`;
  const records: LogRecord[] = [];
  let nextOffset = fetchOffset;
  const kept = new Set(committedBatches(batches, fetched.abortedTransactions));
  for (const batch of batches) {
    // A broker sends the batch that the offset lies in, and with compressed ones others before it.
    if (batch.lastOffset < fetchOffset) continue;
    if (kept.has(batch)) {
      const broken = readRecords(batch, fetchOffset, records, place);
      if (broken !== undefined) return { fetchOffset, nextOffset, records, failure: broken };
    }
    nextOffset = batch.lastOffset + 1;
  }
  return {
    fetchOffset,
    nextOffset,
    records,
    failure: failure ?? (isCutShort ? new EngineError('corrupt-batch', message) : undefined),
  };
}
