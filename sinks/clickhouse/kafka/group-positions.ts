/** What a group has committed, with the metadata, asked by somebody who is no member of it. */
import { kafkaFailure } from '#engine/kafka/connection-failure.ts';
import type { KafkaCluster } from '#engine/kafka/reader/kafkajs-cluster.ts';
import type { Committed } from '#engine/log/log.ts';

/**
 * Positions by `<topic>/<partition>`, of those partitions that have one.
 *
 * @throws EngineError `kafka-unreachable`, `kafka-refused`
 */
export async function groupPositions(
  cluster: KafkaCluster,
  group: string,
  partitions: readonly { readonly topic: string; readonly partition: number }[],
): Promise<ReadonlyMap<string, Committed>> {
  try {
    const coordinator = await cluster.findGroupCoordinator({ groupId: group });
    const topics = partitions.map(({ topic, partition }) => ({ topic, partitions: [{ partition }] }));
    const { responses } = await coordinator.offsetFetch({ groupId: group, topics });
    const positions = new Map<string, Committed>();
    for (const { topic, partitions: found } of responses)
      for (const { partition, offset, metadata } of found)
        if (Number(offset) >= 0)
          positions.set(`${topic}/${partition}`, { offset: Number(offset), metadata: metadata ?? '' });
    return positions;
  } catch (error) {
    throw kafkaFailure(`positions of group ${group}`, error);
  }
}
