/** The files that a broker starts from: its properties and its logging. */

/** One node of a cluster: broker and controller in one process. */
export interface KafkaNode {
  /** From 1 on. */
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly controllerPort: number;
  /** Holds `server.properties`, `log4j2.properties`, `server.log` and the partitions in `data/`. */
  readonly directory: string;
}

/** The least number of replicas that must have a record: all but one. */
const leastInSync = (nodes: number): number => Math.max(1, nodes - 1);

/**
 * `server.properties` for a small machine: few internal partitions (each costs a start of its own), few threads,
 * no waiting for group members that come later, and no topics that nobody asked for.
 */
export function serverProperties(
  node: KafkaNode,
  nodes: readonly KafkaNode[],
  overrides: Readonly<Record<string, string>>,
): string {
  const replicas = String(nodes.length);
  const inSync = String(leastInSync(nodes.length));
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': String(node.id),
    'controller.quorum.voters': nodes.map((n) => `${n.id}@${n.host}:${n.controllerPort}`).join(','),
    listeners: `PLAINTEXT://${node.host}:${node.port},CONTROLLER://${node.host}:${node.controllerPort}`,
    'advertised.listeners': `PLAINTEXT://${node.host}:${node.port}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': `${node.directory}/data`,
    'auto.create.topics.enable': 'false',
    'default.replication.factor': replicas,
    'min.insync.replicas': inSync,
    'offsets.topic.num.partitions': '4',
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.num.partitions': '4',
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': inSync,
    'share.coordinator.state.topic.num.partitions': '1',
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': inSync,
    'group.initial.rebalance.delay.ms': '0',
    'num.network.threads': '2',
    'num.io.threads': '4',
    'background.threads': '2',
    'log.cleaner.dedupe.buffer.size': '4194304',
    // A killed broker is replaced as leader, and may come back, after this; 9 s otherwise.
    'broker.session.timeout.ms': '2500',
    'broker.heartbeat.interval.ms': '500',
    ...overrides,
  };
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value.replaceAll('\\', '\\\\')}\n`)
    .join('');
}

/** log4j2 settings: everything from INFO on, to the standard output, which goes to `server.log`. */
export const loggingProperties = [
  'status=error',
  'appender.out.type=Console',
  'appender.out.name=out',
  'appender.out.layout.type=PatternLayout',
  'appender.out.layout.pattern=%d %p %m (%c{1})%n%ex',
  'rootLogger.level=info',
  'rootLogger.appenderRef.out.ref=out',
  '',
].join('\n');
