/** What a group has committed, with the metadata, asked by somebody who is no member of it. */
import { kafkaFailure } from '#engine/kafka/connection-failure.ts';
import { patiently } from '#engine/kafka/patiently.ts';
import type { KafkaCluster } from '#engine/kafka/reader/kafkajs-cluster.ts';
import type { Committed } from '#engine/log/log.ts';
import type { Table } from '../tables.ts';

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

/** A group's coordinator may be moving, or have just begun to exist. */
const coordinatorMs = 20_000;

/** The same of all partitions of the tables' topics; waits for a coordinator that does not answer yet. */
export function positionsOfTables(
  cluster: KafkaCluster,
  group: string,
  tables: readonly Table[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Committed>> {
  const partitions = tables.flatMap(({ stream: { topic, partitions: count } }) =>
    Array.from({ length: count }, (_, partition) => ({ topic, partition })),
  );
  return patiently(() => groupPositions(cluster, group, partitions), { timeoutMs: coordinatorMs, signal });
}
