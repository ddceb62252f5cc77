/**
 * The seam between a cluster and what runs its brokers: a Java virtual machine of this user (`java-runtime.ts`)
 * or one in a container (`docker-runtime.ts`).
 */
import type { KafkaNode } from './node-config.ts';

/** One run of a broker, from its start to its end. */
export interface BrokerRun {
  /** Of the Java virtual machine; of the program `docker` that is attached to it, for a container. */
  readonly pid: number;
  /** Name of the container, where the broker is in one. */
  readonly container?: string;
  /** Resolves when the process has ended, with how. Never rejects. */
  readonly ended: Promise<string>;
  /** Whether it has ended. */
  hasEnded(): boolean;
  /** Nothing happens when it has ended. */
  signal(signal: NodeJS.Signals): void;
}

export interface RunOptions {
  /** Maximum heap, in MiB. */
  readonly heapMib: number;
  /** Whether the broker is killed when this process ends, however it ends. */
  readonly endWithParent: boolean;
  /** Whether the node's directory goes with it then. */
  readonly temporary: boolean;
}

export type KafkaRuntimeName = 'java' | 'docker';

export interface KafkaRuntime {
  readonly name: KafkaRuntimeName;
  /** Prepare the data directory of a node, whose properties are written. @throws LocalError `format` */
  format(node: KafkaNode, clusterId: string, signal?: AbortSignal): Promise<void>;
  /** Start the broker; its output is appended to `logPath(node)`. @throws LocalError `start` */
  start(node: KafkaNode, options: RunOptions): Promise<BrokerRun>;
}

export const propertiesPath = (node: KafkaNode): string => `${node.directory}/server.properties`;
export const loggingPath = (node: KafkaNode): string => `${node.directory}/log4j2.properties`;
export const logPath = (node: KafkaNode): string => `${node.directory}/server.log`;
