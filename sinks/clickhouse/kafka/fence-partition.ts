/**
 * Ends whatever an earlier owner of a partition may still have under way with its transactional id: what `initTransactions` of
 * a producer does, without a producer. Most partitions never have a dead letter, so they need none.
 *
 * Kafka's InitProducerId raises the id's epoch, which fences every earlier producer for good, and answers with an error that
 * asks to wait until the transaction that was open is decided, down to the offsets in it (KIP-98, "Producer fencing").
 */
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { EngineError } from '#engine/engine-error.ts';
import { kafkaFailure } from '#engine/kafka/connection-failure.ts';
import type { KafkaCluster } from '#engine/kafka/reader/kafkajs-cluster.ts';

const pauseMs = 50;
/** As long as the producer's transactions may last, so that the limit of the id does not change. */
export const transactionTimeoutMs = 10_000;
const ofTransactions = 1;

/** What brokers answer while a transaction is being decided, or its coordinator moves. */
const passing: ReadonlySet<unknown> = new Set([
  'CONCURRENT_TRANSACTIONS',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'GROUP_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'NOT_COORDINATOR_FOR_GROUP',
]);

/**
 * Resolves when no earlier producer with this id can commit anything any more, and what one had under way is decided.
 *
 * @throws EngineError `kafka-unreachable` (retryable), `kafka-refused`; `log-closed` once `signal` aborts
 */
export async function fencePartition(
  cluster: KafkaCluster,
  transactionalId: string,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const coordinator = await cluster.findGroupCoordinator({
        groupId: transactionalId,
        coordinatorType: ofTransactions,
      });
      await coordinator.initProducerId({ transactionalId, transactionTimeout: transactionTimeoutMs });
      return;
    } catch (error) {
      const mayPass = error instanceof Error && 'type' in error && passing.has(error.type);
      if (!mayPass) throw fencingFailure(transactionalId, error);
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
  throw new EngineError('log-closed', `transactional id ${transactionalId}: stopped`);
}

/** What brokers refuse by an error of the protocol that does not pass would be refused each time. */
export function fencingFailure(transactionalId: string, error: unknown): EngineError {
  const place = `transactional id ${transactionalId}`;
  const failure = kafkaFailure(place, error);
  // UNKNOWN: a broker that does not know itself what failed.
  const isFinal =
    error instanceof kafkajs.KafkaJSProtocolError && !error.retriable && error.type !== 'UNKNOWN';
  if (failure.code === 'kafka-refused' || !isFinal) return failure;
  const remedy =
    error.type === 'INVALID_TRANSACTION_TIMEOUT'
      ? `: let the brokers' transaction.max.timeout.ms be ${transactionTimeoutMs} or more`
      : '';
  return new EngineError('kafka-refused', `${place}: ${error.message} (${error.type})${remedy}`, {
    cause: error,
  });
}
