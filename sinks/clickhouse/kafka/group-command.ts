/** Commands of Kafka's own tool that change the positions of a group, for messages that tell an operator what to do. */
import type { KafkaConnection } from '#engine/kafka/connection.ts';

/** The command, to be run while no sink of the group runs: `change` is what follows the group's name. */
export function groupCommand({ brokers, tls, sasl }: KafkaConnection, group: string, change: string): string {
  const secured = tls === undefined && sasl === undefined ? '' : ' --command-config <file>';
  return `kafka-consumer-groups --bootstrap-server ${brokers.join(',')}${secured} --group ${group} ${change}`;
}

export interface PositionToSet {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** The command that sets positions: of several by a file, which it writes. */
export function setPositionsCommand(
  connection: KafkaConnection,
  group: string,
  positions: readonly PositionToSet[],
): string {
  const [first] = positions;
  if (first !== undefined && positions.length === 1) {
    const { topic, partition, offset } = first;
    const change = `--topic ${topic}:${partition} --reset-offsets --to-offset ${offset} --execute`;
    return groupCommand(connection, group, change);
  }
  const lines = positions.map(({ topic, partition, offset }) => `${topic},${partition},${offset}`);
  const reset = groupCommand(connection, group, '--reset-offsets --from-file positions.csv --execute');
  return `printf '%s\\n' ${lines.join(' ')} > positions.csv && ${reset}`;
}

/** The command that sets the positions of partitions to the first record that Kafka has. */
export function toEarliestCommand(
  connection: KafkaConnection,
  group: string,
  places: readonly { readonly topic: string; readonly partition: number }[],
): string {
  const topics = [...new Set(places.map(({ topic }) => topic))].map((topic) => {
    const partitions = places.filter((place) => place.topic === topic).map(({ partition }) => partition);
    return `--topic ${topic}:${partitions.join(',')}`;
  });
  return groupCommand(connection, group, `${topics.join(' ')} --reset-offsets --to-earliest --execute`);
}
