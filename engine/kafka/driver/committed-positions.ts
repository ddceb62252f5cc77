/** The positions that a processor's tasks committed in their transactions, for a group that nobody joins. */
import { EngineError } from '../../engine-error.ts';
import type { KafkaCluster } from '../reader/kafkajs-cluster.ts';

/**
 * Positions by partition, of those of `partitions` that have one. To be asked after `initTransactions`: until then an offset in
 * an undecided transaction would not be seen.
 *
 * @throws EngineError `kafka-unreachable`, retryable
 */
export async function committedPositions(
  cluster: KafkaCluster,
  group: string,
  partitions: readonly { readonly topic: string; readonly partition: number }[],
): Promise<ReadonlyMap<string, number>> {
  try {
    const coordinator = await cluster.findGroupCoordinator({ groupId: group });
    const topics = partitions.map(({ topic, partition }) => ({ topic, partitions: [{ partition }] }));
    const { responses } = await coordinator.offsetFetch({ groupId: group, topics });
    const positions = new Map<string, number>();
    for (const { topic, partitions: found } of responses)
      for (const { partition, offset } of found)
        if (Number(offset) >= 0) positions.set(`${topic}/${partition}`, Number(offset));
    return positions;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError('kafka-unreachable', `positions of group ${group}: ${why}`, {
      cause,
      retryable: true,
    });
  }
}
