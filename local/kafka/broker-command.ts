/** What a Java virtual machine is told in order to run a broker or to format its directory, wherever it runs. */
import { loggingPath, propertiesPath, type RunOptions } from './kafka-runtime.ts';
import type { KafkaNode } from './node-config.ts';

/** Stops compilation at its first level: what lives for seconds starts a third faster so. */
const shortLived = '-XX:TieredStopAtLevel=1';

/** Arguments of `java` for a broker. @param libs directory of Kafka's jars */
export function brokerArguments(libs: string, node: KafkaNode, options: RunOptions): string[] {
  return [
    `-Xmx${options.heapMib}m`,
    '-XX:+UseSerialGC',
    ...(options.temporary ? [shortLived] : []),
    '-XX:+ExitOnOutOfMemoryError',
    '-Djava.awt.headless=true',
    `-Dlog4j2.configurationFile=${loggingPath(node)}`,
    '-cp',
    `${libs}/*`,
    'kafka.Kafka',
    propertiesPath(node),
  ];
}

/** Arguments of `java` that format the data directory of a node. @param libs directory of Kafka's jars */
export function formatArguments(libs: string, node: KafkaNode, clusterId: string): string[] {
  const tool = [shortLived, '-Xmx128m', '-cp', `${libs}/*`, 'kafka.tools.StorageTool'];
  return [...tool, 'format', '--cluster-id', clusterId, '--config', propertiesPath(node)];
}
