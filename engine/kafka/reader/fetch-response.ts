/** The answer to a Fetch request, version 11 (https://kafka.apache.org/protocol#The_Messages_Fetch). */
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

function readPartition(cursor: ByteCursor, topic: string): FetchedPartition {
  const partition = cursor.int32();
  const errorCode = cursor.int16();
  const highWatermark = cursor.long();
  const lastStableOffset = cursor.long();
  const logStartOffset = cursor.long();
  const abortedTransactions = cursor.array(readAborted);
  cursor.int32(); // preferredReadReplica: asked for by a rack, which we do not name
  const recordSet = cursor.take(Math.max(0, cursor.int32()));
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
