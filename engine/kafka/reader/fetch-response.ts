/**
 * The answer to a Fetch request, version 11 (https://kafka.apache.org/protocol#The_Messages_Fetch).
 *
 * I1  A record set keeps at most `maxPinnedRatio` times its own bytes alive, however long it lies with its reader.
 */
import { ByteCursor } from './byte-cursor.ts';
import type { AbortedTransaction } from './read-committed.ts';

export interface FetchedPartition {
  readonly topic: string;
  readonly partition: number;
  /** 0 for none; https://kafka.apache.org/protocol#protocol_error_codes */
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly abortedTransactions: readonly AbortedTransaction[];
  /** Whole batches, and perhaps a part of one at the end. */
  readonly recordSet: Buffer;
}

export interface FetchResponse {
  /** For how long the broker will not answer this connection. */
  readonly throttleTimeMs: number;
  /** Of the request as a whole. */
  readonly errorCode: number;
  readonly partitions: readonly FetchedPartition[];
}

export const fetchVersion = 11;

const readAborted = (cursor: ByteCursor): AbortedTransaction => ({
  producerId: cursor.int64(),
  firstOffset: cursor.long(),
});

/**
 * kafkajs hands over one buffer for the whole answer, and what else it had read by then. A part of it keeps all of it alive: a
 * partition that nobody takes from, and that gets a little in each answer, would pin the answers of all others. A partition that
 * makes up much of its answer is not copied; a copy of a whole one of 4 MiB costs 0.3 ms (measured).
 */
const maxPinnedRatio = 8;

function readRecordSet(cursor: ByteCursor, length: number): Buffer {
  const recordSet = cursor.take(length);
  if (length * maxPinnedRatio >= recordSet.buffer.byteLength) return recordSet;
  const own = Buffer.allocUnsafeSlow(length);
  recordSet.copy(own);
  return own;
}

function readPartition(cursor: ByteCursor, topic: string): FetchedPartition {
  const partition = cursor.int32();
  const errorCode = cursor.int16();
  const highWatermark = cursor.long();
  const lastStableOffset = cursor.long();
  const logStartOffset = cursor.long();
  const abortedTransactions = cursor.array(readAborted);
  cursor.int32(); // preferredReadReplica: asked for by a rack, which we do not name
  const recordSet = readRecordSet(cursor, Math.max(0, cursor.int32()));
  return {
    topic,
    partition,
    errorCode,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    abortedTransactions,
    recordSet,
  };
}

/** @throws RangeError when the bytes end too early */
export function decodeFetchResponse(payload: Buffer): FetchResponse {
  const cursor = new ByteCursor(payload);
  const throttleTimeMs = cursor.int32();
  const errorCode = cursor.int16();
  cursor.int32(); // sessionId: every fetch names all its partitions
  const partitions = cursor.array(() => {
    const topic = cursor.string();
    return cursor.array(() => readPartition(cursor, topic));
  });
  return { throttleTimeMs, errorCode, partitions: partitions.flat() };
}
