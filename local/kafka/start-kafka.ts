/**
 * A real Apache Kafka on this machine: one node or three, each broker and controller in one process (KRaft).
 *
 * I1  When `startKafka` resolves, every broker answers and knows all others; when it rejects, nothing of it is left.
 * I2  Without `dataDir` the data is temporary: `stop` kills the brokers and removes it.
 * I3  A data directory is used by one broker at a time: two would destroy it, though Kafka locks a part of it.
 * I4  `stop` is bounded by `stopTimeoutMs`, and may be called twice.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { LocalError } from '../local-error.ts';
import { resolveKafka } from './artifacts.ts';
import { refuseIfOwned } from './directory-owner.ts';
import { freePorts } from './free-port.ts';
import { findJava } from './java.ts';
import { javaRuntime } from './java-runtime.ts';
import { type KafkaRuntime, loggingPath, propertiesPath } from './kafka-runtime.ts';
import { BrokerHandle, type LocalBroker } from './local-broker.ts';
import { type KafkaNode, loggingProperties, serverProperties } from './node-config.ts';
import { pinnedVersion } from './pinned-artifacts.ts';

export interface LocalKafkaConfig {
  /** 1 by default. */
  readonly nodes?: 1 | 3;
  /** Kept after `stop`, and taken up again. A temporary directory by default. */
  readonly dataDir?: string;
  /** Of Apache Kafka; the pinned one by default. */
  readonly version?: string;
  /** 127.0.0.1 by default. */
  readonly host?: string;
  /** Ports of the brokers; free ones by default. */
  readonly ports?: readonly number[];
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
}

export interface LocalKafka {
  /** `host:port` of every broker, separated by commas. */
  readonly bootstrapServers: string;
  readonly brokers: readonly LocalBroker[];
  readonly version: string;
  /** Stop all brokers; remove the data if it is temporary. */
  stop(): Promise<void>;
}

type Settings = Required<Omit<LocalKafkaConfig, 'dataDir'>> & { readonly dataDir: string | undefined };

/** Starts with ports of our own choice that another program took meanwhile. */
const maxPortTries = 3;

function withDefaults(config: LocalKafkaConfig): Settings {
  return {
    nodes: config.nodes ?? 1,
    dataDir: config.dataDir,
    version: config.version ?? pinnedVersion,
    host: config.host ?? '127.0.0.1',
    ports: config.ports ?? [],
    properties: config.properties ?? {},
    heapMib: config.heapMib ?? 512,
    startTimeoutMs: config.startTimeoutMs ?? 60_000,
    stopTimeoutMs: config.stopTimeoutMs ?? 10_000,
    endWithParent: config.endWithParent ?? true,
  };
}

/** 16 random bytes as Kafka writes them; one that begins with "-" would be taken for an option. */
function newClusterId(): string {
  for (;;) {
    const id = randomBytes(16).toString('base64url');
    if (!id.startsWith('-')) return id;
  }
}

const nodeDirectory = (root: string, id: number): string => join(root, `node-${id}`);

async function layOut(root: string, settings: Settings): Promise<KafkaNode[]> {
  for (let id = 1; id <= settings.nodes; id++) await refuseIfOwned(nodeDirectory(root, id));
  const { host, nodes: count } = settings;
  const ports = await freePorts(host, settings.ports.slice(0, count), count * 2);
  const nodes = Array.from({ length: count }, (_, i): KafkaNode => {
    const id = i + 1;
    return {
      id,
      host,
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
  const nodes = await layOut(root, settings);
  const clusterId = newClusterId();
  const isNew = (node: KafkaNode): boolean => !existsSync(join(node.directory, 'data', 'meta.properties'));
  await Promise.all(nodes.filter(isNew).map((node) => runtime.format(node, clusterId)));
  const temporary = settings.dataDir === undefined;
  const brokers = nodes.map((node) => new BrokerHandle(node, runtime, { ...settings, temporary }));
  const ids = brokers.map(({ id }) => id);
  try {
    await Promise.all(brokers.map((broker) => broker.launch()));
    await Promise.all(brokers.map((broker) => broker.ready(ids)));
    return brokers;
  } catch (error) {
    await Promise.all(brokers.map((broker) => broker.kill()));
    throw error;
  }
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
 * @throws LocalError `no-java`, `no-maven`, `download`, `checksum`, `port-in-use`, `data-dir-in-use`, `format`, `start` or `start-timeout`
 */
export async function startKafka(config: LocalKafkaConfig = {}): Promise<LocalKafka> {
  const settings = withDefaults(config);
  const java = await findJava();
  const runtime = javaRuntime(java, await resolveKafka(settings.version));
  const temporary = settings.dataDir === undefined;
  const root =
    settings.dataDir === undefined ? await mkdtemp(join(tmpdir(), 'weir-kafka-')) : resolve(settings.dataDir);
  const discard = async (): Promise<void> => {
    if (temporary) await rm(root, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    const brokers = await bringUpOnFreePorts(root, settings, runtime);
    return {
      bootstrapServers: brokers.map(({ host, port }) => `${host}:${port}`).join(','),
      brokers,
      version: settings.version,
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
