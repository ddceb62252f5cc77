/**
 * The one place that reaches into kafkajs (pinned at 2.2.4, no longer developed): its connections, authentication and
 * metadata, without its consumer. Its reading of fetched bytes is replaced by ours; see read-committed.ts for why.
 *
 * Further faults of kafkajs's own fetch that this avoids: when a fetch brings nothing but a batch that compaction emptied,
 * it asks for the same offset again for ever; it takes a header named `constructor` for one that was there before.
 */
import { createRequire } from 'node:module';
import { type KafkaConfig, type Logger, logLevel, type PartitionAssigner } from 'kafkajs';
import { EngineError } from '../../engine-error.ts';
import '../kafkajs-idle.ts';
import { decodeFetchResponse, type FetchResponse, fetchVersion } from './fetch-response.ts';

/** Part of kafkajs's `Broker`. */
export interface KafkaBroker {
  readonly connectionPool: { send(request: ProtocolRequest): Promise<unknown> };
  lookupRequest(apiKey: number, definition: unknown): (parameters: object) => ProtocolRequest;
  offsetCommit(parameters: object): Promise<unknown>;
  offsetFetch(parameters: object): Promise<{
    readonly responses: readonly {
      readonly topic: string;
      readonly partitions: readonly {
        readonly partition: number;
        readonly offset: string;
        readonly metadata: string | null;
      }[];
    }[];
  }>;
  initProducerId(parameters: {
    readonly transactionalId: string;
    readonly transactionTimeout: number;
  }): Promise<unknown>;
  listOffsets(parameters: object): Promise<{
    readonly responses: readonly {
      readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
    }[];
  }>;
}

/** kafkajs's public `Cluster`, the part of its own that assigners may use. */
type AssignersCluster = Parameters<PartitionAssigner>[0]['cluster'];

interface ProtocolRequest {
  readonly request: { readonly apiVersion: number };
  readonly response: unknown;
  readonly requestTimeout?: number;
  readonly logResponseError?: boolean;
}

/** Part of kafkajs's `Cluster`. */
export interface KafkaCluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  refreshMetadata(): Promise<void>;
  /** @param of `coordinatorType` 1: `groupId` is a transactional id */
  findGroupCoordinator(of: {
    readonly groupId: string;
    readonly coordinatorType?: 0 | 1;
  }): Promise<KafkaBroker>;
  findBroker(of: { readonly nodeId: number }): Promise<KafkaBroker>;
  findTopicPartitionMetadata(
    topic: string,
  ): readonly { readonly partitionId: number; readonly leader: number }[];
}

/** What to fetch from one partition. */
export interface FetchPosition {
  readonly topic: string;
  readonly partition: number;
  readonly fetchOffset: number;
  readonly maxBytes: number;
}

export interface FetchLimits {
  /** How long the broker may wait for data before it answers. */
  readonly maxWaitMs: number;
  /** Of the whole answer; a batch that is larger by itself comes whole. */
  readonly maxBytes: number;
}

/** Part of kafkajs's `ConsumerGroup`: membership, without its fetching and its record of offsets. */
export interface KafkaGroup {
  readonly generationId: number | null;
  readonly memberId: string | null;
  coordinator: KafkaBroker | null;
  joinAndSync(): Promise<void>;
  leave(): Promise<void>;
  heartbeat(of: { readonly interval: number }): Promise<void>;
  assigned(): readonly { readonly topic: string; readonly partitions: readonly number[] }[];
}

export interface KafkaGroupConfig {
  readonly groupId: string;
  readonly topics: readonly string[];
  readonly assigner: PartitionAssigner;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
}

const require = createRequire(import.meta.url);
const Cluster = require('kafkajs/src/cluster') as new (options: object) => KafkaCluster;
const ConsumerGroup = require('kafkajs/src/consumer/consumerGroup') as new (options: object) => KafkaGroup;
const loggers = require('kafkajs/src/loggers') as { createLogger(options: object): unknown };
const consoleLogger: unknown = require('kafkajs/src/loggers/console');
const createSocketFactory = require('kafkajs/src/network/socketFactory') as () => unknown;
const requests = require('kafkajs/src/protocol/requests') as { readonly requests: Record<string, unknown> };
const apiKeys = require('kafkajs/src/protocol/requests/apiKeys') as Record<string, number>;

const readCommitted = 1;
/** The broker answers within maxWaitMs; a machine or a network may be slow on top of that. */
const fetchGraceMs = 30_000;

const loggerOf = (config: KafkaConfig): unknown =>
  loggers.createLogger({
    level: config.logLevel ?? logLevel.NOTHING,
    logCreator: config.logCreator ?? consoleLogger,
  });

/** Part of what kafkajs decodes from an answer to a Metadata request. */
interface DecodedMetadata {
  readonly topicMetadata: readonly {
    readonly topic: string;
    readonly topicErrorCode: number;
    readonly partitionMetadata: readonly { readonly partitionErrorCode: number }[];
  }[];
}

interface MetadataResponse {
  readonly decode: (payload: Buffer) => Promise<DecodedMetadata>;
  readonly parse: (decoded: DecodedMetadata) => Promise<unknown>;
}

/**
 * A partition without a leader has the leader -1, and nothing more. kafkajs takes it for a failure of the whole answer: so one
 * partition whose brokers are down would keep all others from being looked up. So would a topic that was there before and is
 * deleted, or no longer ours to see: it is left out. One that was never seen is an error, for it may be misspelt.
 */
async function lenientMetadata(
  broker: MetadataBroker,
  topics: readonly string[],
  seen: Set<string>,
): Promise<unknown> {
  const { request, response } = broker.lookupRequest(
    apiKeys['Metadata']!,
    requests.requests['Metadata'],
  )({ topics, allowAutoTopicCreation: false });
  const { decode, parse } = response as MetadataResponse;
  const withoutErrors = (decoded: DecodedMetadata): DecodedMetadata => ({
    ...decoded,
    topicMetadata: decoded.topicMetadata
      .filter(({ topic, topicErrorCode }) => topicErrorCode === 0 || !seen.has(topic))
      .map((topic) => ({
        ...topic,
        partitionMetadata: topic.partitionMetadata.map((one) => ({ ...one, partitionErrorCode: 0 })),
      })),
  });
  const remember = (decoded: DecodedMetadata): DecodedMetadata => {
    for (const { topic, topicErrorCode } of decoded.topicMetadata) if (topicErrorCode === 0) seen.add(topic);
    return decoded;
  };
  try {
    return await broker.connectionPool.send({
      request,
      response: { decode, parse: (decoded: DecodedMetadata) => parse(withoutErrors(remember(decoded))) },
    });
  } catch (error) {
    // As kafkajs's own does it.
    if (error instanceof Error && error.name === 'KafkaJSConnectionClosedError') await broker.disconnect();
    throw error;
  }
}

interface MetadataBroker extends KafkaBroker {
  metadata(topics: readonly string[]): Promise<unknown>;
  disconnect(): Promise<void>;
}

interface BrokerPool {
  createBroker: (options: object) => MetadataBroker;
}

/** Connections to the cluster of a kafkajs configuration. Retries are the caller's: it knows what waits. */
export function createCluster(config: KafkaConfig): KafkaCluster {
  const cluster = newCluster(config);
  const { brokerPool } = cluster as unknown as { readonly brokerPool: BrokerPool };
  const { createBroker } = brokerPool;
  const seen = new Set<string>();
  brokerPool.createBroker = (options) => {
    const broker = createBroker(options);
    broker.metadata = (topics) => lenientMetadata(broker, topics, seen);
    return broker;
  };
  return cluster;
}

function newCluster(config: KafkaConfig): KafkaCluster {
  return new Cluster({
    connectionTimeout: 3_000,
    requestTimeout: 30_000,
    enforceRequestTimeout: true,
    socketFactory: createSocketFactory(),
    ...config,
    logger: loggerOf(config),
    metadataMaxAge: 300_000,
    allowAutoTopicCreation: false,
    isolationLevel: readCommitted,
    retry: config.retry ?? { retries: 2, initialRetryTime: 50, maxRetryTime: 500 },
  });
}

/** One fetch of committed records. Rejects when the broker is not reached; errors of partitions are in the answer. */
export async function fetchCommitted(
  broker: KafkaBroker,
  positions: readonly FetchPosition[],
  { maxWaitMs, maxBytes }: FetchLimits,
): Promise<FetchResponse> {
  const topics = positions.map(({ topic, ...partition }) => ({ topic, partitions: [partition] }));
  const protocolRequest = broker.lookupRequest(
    apiKeys['Fetch']!,
    requests.requests['Fetch'],
  )({ isolationLevel: readCommitted, maxWaitTime: maxWaitMs, minBytes: 1, maxBytes, topics });
  if (protocolRequest.request.apiVersion !== fetchVersion)
    throw new EngineError(
      'unsupported-broker',
      `the broker's newest Fetch is version ${protocolRequest.request.apiVersion}, Weir needs ` +
        `${fetchVersion}: use Apache Kafka 2.3 or newer`,
    );
  const response = await broker.connectionPool.send({
    request: protocolRequest.request,
    response: {
      decode: (payload: Buffer) => {
        const decoded = decodeFetchResponse(payload);
        return Promise.resolve({ ...decoded, clientSideThrottleTime: decoded.throttleTimeMs });
      },
      parse: (decoded: FetchResponse) => Promise.resolve(decoded),
    },
    requestTimeout: maxWaitMs + fetchGraceMs,
    logResponseError: false,
  });
  return response as FetchResponse;
}

/** Kafka's special timestamps of a ListOffsets request. */
const timestamps = { end: -1, start: -2 } as const;

/** The last stable offset (`end`) or the first offset that is kept (`start`) of a partition. */
export async function listOffset(
  broker: KafkaBroker,
  topic: string,
  partition: number,
  which: 'start' | 'end',
): Promise<number> {
  const { responses } = await broker.listOffsets({
    isolationLevel: readCommitted,
    topics: [{ topic, partitions: [{ partition, timestamp: timestamps[which] }] }],
  });
  return Number(responses[0]!.partitions[0]!.offset);
}

/** What Kafka answers about a topic that is not for us: it is not there, or not ours to see. */
const absent: ReadonlySet<unknown> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'INVALID_TOPIC_EXCEPTION',
  'TOPIC_AUTHORIZATION_FAILED',
]);

/**
 * The partitions of topics that an assigner's own member does not subscribe to. Those that are not there have none; they do
 * not become targets of the cluster, which looks nothing up any more once one of its targets is gone.
 *
 * @throws kafkajs's own errors when no broker answers
 */
export async function partitionsOfForeign(
  cluster: AssignersCluster,
  own: readonly string[],
  foreign: readonly string[],
): Promise<{ topic: string; partition: number }[]> {
  // kafkajs's types know no argument.
  const lookup = cluster as unknown as {
    metadata(of: { readonly topics: readonly string[] }): ReturnType<AssignersCluster['metadata']>;
  };
  const found: { topic: string; partition: number }[] = [];
  for (const topic of foreign) {
    try {
      // It keeps what it looks up and forgets everything else: so the member's own are looked up again with it.
      const { topicMetadata } = await lookup.metadata({ topics: [...own, topic] });
      for (const { topic: name, partitionMetadata } of topicMetadata)
        if (name === topic)
          for (const { partitionId } of partitionMetadata) found.push({ topic, partition: partitionId });
    } catch (error) {
      if (!(error instanceof Error && 'type' in error && absent.has(error.type))) throw error;
    }
  }
  return found;
}

/** Membership in a consumer group, over the connections of a cluster. It does not join yet. */
export function createGroup(cluster: KafkaCluster, config: KafkaConfig, group: KafkaGroupConfig): KafkaGroup {
  const { groupId, topics } = group;
  const logger = loggerOf(config) as Logger;
  const ofAssigner = {
    cluster: cluster as unknown as AssignersCluster,
    groupId,
    logger,
  };
  return new ConsumerGroup({
    logger,
    cluster,
    groupId,
    topics: [...topics],
    topicConfigurations: Object.fromEntries(topics.map((topic) => [topic, { fromBeginning: true }])),
    assigners: [group.assigner(ofAssigner)],
    sessionTimeout: group.sessionTimeoutMs,
    rebalanceTimeout: group.rebalanceTimeoutMs,
    retry: { retries: 2, initialRetryTime: 50, maxRetryTime: 500 },
    instrumentationEmitter: { emit: () => undefined },
    autoCommit: false,
    isolationLevel: readCommitted,
  });
}
