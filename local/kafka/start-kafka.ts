/**
 * A real Apache Kafka on this machine: one node or three, each broker and controller in one process (KRaft).
 *
 * I1  When `startKafka` resolves, every broker answers and knows all others; when it rejects, nothing of it is left.
 * I2  Without `dataDir` the data is temporary: `stop` kills the brokers and removes it.
 * I3  A data directory is used by one broker at a time: two would destroy it, though Kafka locks a part of it.
 * I4  `stop` is bounded by `stopTimeoutMs`, and may be called twice.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { LocalError } from '../local-error.ts';
import { chooseRuntime, type RuntimeChoice } from './choose-runtime.ts';
import { clusterIn, formatOnce, type NodeCount } from './cluster.ts';
import { refuseIfOwned } from './directory-owner.ts';
import { freePorts } from './free-port.ts';
import { type KafkaRuntime, type KafkaRuntimeName, loggingPath, propertiesPath } from './kafka-runtime.ts';
import { BrokerHandle, type LocalBroker } from './local-broker.ts';
import { type KafkaNode, loggingProperties, serverProperties } from './node-config.ts';
import { pinnedVersion } from './pinned-artifacts.ts';

export interface LocalKafkaConfig {
  /** Those of the data directory, else 1, by default. */
  readonly nodes?: NodeCount;
  /** Kept after `stop`, and taken up again. A temporary directory by default. */
  readonly dataDir?: string;
  /** Of Apache Kafka; the pinned one by default. */
  readonly version?: string;
  /** What runs the brokers; `java` by default. */
  readonly runtime?: RuntimeChoice;
  /** 127.0.0.1 by default. */
  readonly host?: string;
  /** Ports of the brokers; free ones by default. */
  readonly ports?: readonly number[];
  /** Ports of the brokers if all of them are free. */
  readonly preferredPorts?: readonly number[];
  /** Broker properties that replace ours. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Heap of each broker, 512 MiB by default. */
  readonly heapMib?: number;
  /** How long a start may take, without the download; 60 s by default. */
  readonly startTimeoutMs?: number;
  /** How long an orderly stop of a broker may take; 10 s by default. */
  readonly stopTimeoutMs?: number;
  /** Whether the brokers end when this process ends, however it ends; true by default. */
  readonly endWithParent?: boolean;
  /** Told of what takes long, in words, as it begins. */
  readonly onStep?: (step: string) => void;
  /** Gives up a start, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface LocalKafka {
  /** `host:port` of every broker, separated by commas. */
  readonly bootstrapServers: string;
  readonly brokers: readonly LocalBroker[];
  readonly version: string;
  /** What runs the brokers. */
  readonly runtime: KafkaRuntimeName;
  /** Stop all brokers; remove the data if it is temporary. */
  stop(): Promise<void>;
}

type Optional = 'dataDir' | 'nodes' | 'signal';
type Settings = Required<Omit<LocalKafkaConfig, Optional>> & Pick<LocalKafkaConfig, Optional>;

/** Starts with ports of our own choice that another program took meanwhile. */
const maxPortTries = 3;

function withDefaults(config: LocalKafkaConfig): Settings {
  return {
    ...config,
    version: config.version ?? pinnedVersion,
    runtime: config.runtime ?? 'java',
    host: config.host ?? '127.0.0.1',
    ports: config.ports ?? [],
    preferredPorts: config.preferredPorts ?? [],
    properties: config.properties ?? {},
    heapMib: config.heapMib ?? 512,
    startTimeoutMs: config.startTimeoutMs ?? 60_000,
    stopTimeoutMs: config.stopTimeoutMs ?? 10_000,
    endWithParent: config.endWithParent ?? true,
    onStep: config.onStep ?? (() => undefined),
  };
}

const nodeDirectory = (root: string, id: number): string => join(root, `node-${id}`);

/** Ports of the brokers, then of the controllers. */
async function portsFor({ host, ports, preferredPorts }: Settings, count: number): Promise<number[]> {
  if (ports.length === 0 && preferredPorts.length > 0) {
    try {
      return await freePorts(host, preferredPorts.slice(0, count), count * 2);
    } catch (error) {
      if (!(error instanceof LocalError && error.code === 'port-in-use')) throw error;
    }
  }
  return freePorts(host, ports.slice(0, count), count * 2);
}

async function layOut(root: string, count: NodeCount, settings: Settings): Promise<KafkaNode[]> {
  for (let id = 1; id <= count; id++) await refuseIfOwned(nodeDirectory(root, id));
  const ports = await portsFor(settings, count);
  const nodes = Array.from({ length: count }, (_, i): KafkaNode => {
    const id = i + 1;
    return {
      id,
      host: settings.host,
      port: ports[i]!,
      controllerPort: ports[count + i]!,
      directory: nodeDirectory(root, id),
    };
  });
  for (const node of nodes) {
    await mkdir(node.directory, { recursive: true });
    await writeFile(propertiesPath(node), serverProperties(node, nodes, settings.properties));
    await writeFile(loggingPath(node), loggingProperties);
  }
  return nodes;
}

/** Format what is not formatted, start every node, wait for all. */
async function bringUp(root: string, settings: Settings, runtime: KafkaRuntime): Promise<BrokerHandle[]> {
  const { signal, onStep } = settings;
  const cluster = await clusterIn(root, settings.nodes);
  const nodes = await layOut(root, cluster.nodes, settings);
  await Promise.all(nodes.map((node) => formatOnce(runtime, node, cluster.id, signal)));
  onStep(cluster.nodes === 1 ? 'starting Kafka' : `starting Kafka's ${cluster.nodes} brokers`);
  const temporary = settings.dataDir === undefined;
  const brokers = nodes.map((node) => new BrokerHandle(node, runtime, { ...settings, temporary }));
  const ids = brokers.map(({ id }) => id);
  try {
    // All of them, also when one fails: what was launched is to be killed.
    await allOf(brokers.map((broker) => broker.launch()));
    await Promise.all(brokers.map((broker) => broker.ready(ids, signal)));
    return brokers;
  } catch (error) {
    await Promise.all(brokers.map((broker) => broker.kill()));
    throw error;
  }
}

async function allOf(work: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(work);
  await Promise.all(work);
}

async function bringUpOnFreePorts(
  root: string,
  settings: Settings,
  runtime: KafkaRuntime,
): Promise<BrokerHandle[]> {
  for (let tries = 1; ; tries++) {
    try {
      return await bringUp(root, settings, runtime);
    } catch (error) {
      const lostPort = error instanceof LocalError && error.code === 'port-in-use';
      if (!lostPort || settings.ports.length > 0 || tries === maxPortTries) throw error;
    }
  }
}

/**
 * Start Apache Kafka, fetching it on the first use.
 *
 * @throws LocalError `no-java`, `no-maven`, `no-docker`, `download`, `checksum`, `port-in-use`, `data-dir-in-use`,
 *   `data-dir-mismatch`, `disk-full`, `format`, `start` or `start-timeout`; the signal's reason
 */
export async function startKafka(config: LocalKafkaConfig = {}): Promise<LocalKafka> {
  const settings = withDefaults(config);
  const { version, onStep, signal } = settings;
  const runtime = await chooseRuntime(settings.runtime, version, { onStep, signal });
  const temporary = settings.dataDir === undefined;
  const root =
    settings.dataDir === undefined ? await mkdtemp(join(tmpdir(), 'weir-kafka-')) : resolve(settings.dataDir);
  const discard = async (): Promise<void> => {
    if (temporary) await rm(root, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    await mkdir(root, { recursive: true });
    const brokers = await bringUpOnFreePorts(root, settings, runtime);
    return {
      bootstrapServers: brokers.map(({ host, port }) => `${host}:${port}`).join(','),
      brokers,
      version,
      runtime: runtime.name,
      async stop() {
        // Nobody will read temporary data again: there is nothing to close in order.
        await Promise.all(brokers.map((broker) => (temporary ? broker.kill() : broker.stop())));
        await discard();
      },
    };
  } catch (error) {
    await discard();
    throw error;
  }
}
