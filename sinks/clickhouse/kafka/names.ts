/** The names that the sink of an app has in Kafka. */

/** Its consumer group: members share the partitions of all topics, and commit positions and promises. */
export const sinkGroup = (app: string): string => `${app}.clickhouse-sink`;

/** Of the producer that writes a partition's dead letters and commits its position with them. */
export const letterTransactionalId = (app: string, topic: string, partition: number): string =>
  `${app}-clickhouse-sink-${topic}-${partition}`;
