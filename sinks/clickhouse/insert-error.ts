/**
 * What a failed request to ClickHouse means for the batch.
 * Codes: ClickHouse src/Common/ErrorCodes.cpp; each was classed by trying it (docs/exactly-once.md).
 */
import { ClickHouseError } from '@clickhouse/client';
import { SinkError, reasonOf } from './error.ts';

/**
 * - `transient`: the same request may succeed later
 * - `data`: some row of the block is refused; the others may go in
 * - `partitions`: the block touches too many table partitions; a smaller one may go in
 * - `permanent`: no block would go in
 */
export type InsertFailure = 'transient' | 'data' | 'partitions' | 'permanent';

/**
 * Overload, time-outs, memory (173, 241), a full disk, names and replicas that are away, a lock beside an ALTER, shutting down. 201: a
 * quota, which counts anew with its next interval. 244: Keeper gave an answer that fits no state of the insert, as after a lost
 * session; the token settles whether it counted. 286: with insert_quorum, the insert before has not reached its replicas yet.
 * 499: the store of objects that the disk is. 1000: Poco, ClickHouse's library for sockets and HTTP.
 */
const TRANSIENT = new Set([
  3, 107, 159, 173, 198, 201, 202, 203, 209, 210, 225, 236, 241, 242, 243, 244, 279, 285, 286, 319, 394, 425,
  439, 473, 499, 745, 999, 1000,
]);

/** Values that a constraint, a conversion or a materialized view's expression refuses. */
const DATA = new Set([6, 27, 38, 41, 69, 72, 117, 128, 131, 153, 321, 349, 407, 469]);

/** A disk that fills up during a write, which a server reports under the code of the write (75 and others). */
const NO_SPACE = /No space left on device/;

const TOO_MANY_PARTS = 252;

/** Classes an error of the ClickHouse client, or of the log. */
export function classify(error: unknown): InsertFailure {
  const code = codeOf(error);
  if (code !== undefined) return ofCode(code, reasonOf(error));
  // Weir's own errors say it themselves.
  if (error instanceof Error && 'retryable' in error)
    return error.retryable === true ? 'transient' : 'permanent';
  // What is no answer of ClickHouse is a connection refused, reset, timed out, or a proxy's answer; bugs are not retried.
  return error instanceof TypeError || error instanceof RangeError ? 'permanent' : 'transient';
}

/** ClickHouse's code in an error; undefined in one that is no answer of ClickHouse. */
function codeOf(error: unknown): number | undefined {
  if (error instanceof ClickHouseError) return Number(error.code);
  // The client leaves an answer that does not end as it expects as bare text.
  const text = error instanceof Error ? /^Code: (\d+)\. DB::/.exec(error.message)?.[1] : undefined;
  return text === undefined ? undefined : Number(text);
}

/** Whether ClickHouse itself answered with what is described by an error of `describeFailure`: it is not away then. */
export const isAnswer = (described: SinkError): boolean => codeOf(described.cause) !== undefined;

function ofCode(code: number, message: string): InsertFailure {
  // One code, two meanings: merges lag behind (wait), or one block spans too many partitions (waiting never helps).
  if (code === TOO_MANY_PARTS) return /too many partitions/i.test(message) ? 'partitions' : 'transient';
  if (TRANSIENT.has(code) || NO_SPACE.test(message)) return 'transient';
  return DATA.has(code) ? 'data' : 'permanent';
}

/** An error of the client as a SinkError whose message names the place. */
export function describeFailure(error: unknown, failure: InsertFailure, place: string): SinkError {
  const number = codeOf(error);
  const code = number === undefined ? '' : ` (ClickHouse code ${number})`;
  const sinkCode =
    failure === 'permanent'
      ? 'clickhouse-permanent'
      : failure === 'transient'
        ? 'clickhouse-transient'
        : 'clickhouse-data';
  return new SinkError(sinkCode, `${place}: ${reasonOf(error).trimEnd()}${code}`, { cause: error });
}
