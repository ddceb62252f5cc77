/**
 * The requests of a transaction, in versions that Apache Kafka 2.4 and newer have (https://kafka.apache.org/protocol, KIP-98).
 * Produce is that of ../producer/requests.ts.
 */
import { ByteCursor } from '#engine/kafka/reader/byte-cursor.ts';
import { ByteWriter } from '../producer/byte-writer.ts';
import type { ProducerIdentity } from '../producer/record-batch.ts';
import type { ProtocolCall } from '../producer/requests.ts';

/** A partition by its name. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
}

const ofTransactions = 1;

/** The broker that coordinates a transactional id. */
export function findCoordinatorCall(
  transactionalId: string,
): ProtocolCall<{ readonly errorCode: number; readonly nodeId: number }> {
  return {
    name: 'FindCoordinator',
    apiKey: 10,
    apiVersion: 2,
    body: new ByteWriter().string(transactionalId).int8(ofTransactions).bytes,
    decode: (payload) => {
      const cursor = new ByteCursor(payload);
      cursor.int32(); // throttleTimeMs
      const errorCode = cursor.int16();
      const messageBytes = cursor.int16();
      if (messageBytes > 0) cursor.skip(messageBytes);
      return { errorCode, nodeId: cursor.int32() };
    },
  };
}

/** Fences every earlier producer with this id, and has what it left open decided: until then the answer is an error. */
export function initTransactionsCall(
  transactionalId: string,
  transactionTimeoutMs: number,
): ProtocolCall<ProducerIdentity & { readonly errorCode: number }> {
  return {
    name: 'InitProducerId',
    apiKey: 22,
    apiVersion: 1,
    body: new ByteWriter().string(transactionalId).int32(transactionTimeoutMs).bytes,
    decode: (payload) => {
      const cursor = new ByteCursor(payload);
      cursor.int32(); // throttleTimeMs
      return { errorCode: cursor.int16(), id: cursor.int64(), epoch: cursor.int16() };
    },
  };
}

/** Takes partitions into the transaction; begins it with the first. The answer is the first error code that is not 0, else 0. */
export function addPartitionsCall(
  transactionalId: string,
  { id, epoch }: ProducerIdentity,
  places: readonly Place[],
): ProtocolCall<number> {
  const body = new ByteWriter().string(transactionalId).int64(id).int16(epoch).int32(places.length);
  for (const { topic, partition } of places) body.string(topic).int32(1).int32(partition);
  return {
    name: 'AddPartitionsToTxn',
    apiKey: 24,
    apiVersion: 1,
    body: body.bytes,
    decode: (payload) => {
      const cursor = new ByteCursor(payload);
      cursor.int32(); // throttleTimeMs
      const codes = cursor.array(() => {
        cursor.string(); // topic
        return cursor.array(() => {
          cursor.int32(); // partition
          return cursor.int16();
        });
      });
      // Of several partitions, one has the reason and the others OPERATION_NOT_ATTEMPTED.
      const failed = codes.flat().filter((code) => code !== 0);
      return failed.find((code) => code !== operationNotAttempted) ?? failed[0] ?? 0;
    },
  };
}

const operationNotAttempted = 55;

/** Commits the transaction, or aborts it. The answer is an error code, 0 for none. */
export function endTransactionCall(
  transactionalId: string,
  { id, epoch }: ProducerIdentity,
  isCommitted: boolean,
): ProtocolCall<number> {
  return {
    name: 'EndTxn',
    apiKey: 26,
    apiVersion: 1,
    body: new ByteWriter()
      .string(transactionalId)
      .int64(id)
      .int16(epoch)
      .int8(isCommitted ? 1 : 0).bytes,
    decode: (payload) => {
      const cursor = new ByteCursor(payload);
      cursor.int32(); // throttleTimeMs
      return cursor.int16();
    },
  };
}
