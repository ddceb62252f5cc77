/**
 * Creates the topics that are missing, and refuses to start on those that are not as they must be.
 *
 * I1  A topic that exists is never altered: its partitions place keys and their states, and its settings are its owner's.
 * I2  Several processes may do this at once: who comes second finds the topic there.
 * I3  When it resolves, every partition has a leader and every topic meets its requirements.
 */
import kafkajs, { type Admin, Kafka } from 'kafkajs';
import { EngineError } from '../../engine-error.ts';
import { systemClock } from '../../log/clock.ts';
import { type KafkaConnection, kafkajsConfig } from '../connection.ts';
import { kafkaFailure } from '../connection-failure.ts';
import type { PlannedTopic } from './planned-topic.ts';
import { type ExistingTopic, topicDifferences } from './topic-differences.ts';

export interface EnsureTopicsOptions {
  /** Called with each topic that was missing, when it is there. */
  readonly onCreated?: (topic: string) => void;
  /** How long brokers may take until all partitions have leaders; 30 s by default. */
  readonly timeoutMs?: number;
}

const usualReplication = 3;
const pauseMs = 100;
/** Answers that another broker, or the same one a little later, would not give. */
const passing: ReadonlySet<string> = new Set([
  'TOPIC_ALREADY_EXISTS',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_CONTROLLER',
  'REQUEST_TIMED_OUT',
]);

/** The names of the protocol's errors in an error of kafkajs, which wraps them in several ways. */
function typesOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const { type, errors, cause } = error as { type?: unknown; errors?: unknown; cause?: unknown };
  const inner = Array.isArray(errors) ? errors : [cause];
  return [...(typeof type === 'string' ? [type] : []), ...inner.flatMap(typesOf)];
}

/** kafkajs keeps what brokers say about single topics in a list. */
function reasonsOf(error: unknown): string {
  const { errors } = error as { errors?: unknown };
  if (!Array.isArray(errors)) return error instanceof Error ? error.message : String(error);
  return errors
    .map((one: { topic?: string; type?: string; message?: string }) =>
      [one.topic, one.type, one.message].filter((part) => part !== undefined).join(': '),
    )
    .join('; ');
}

/** Repeat what fails for a moment only, until `giveUpAtMs`. */
async function patiently<T>(what: string, giveUpAtMs: number, attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const failure = kafkaFailure(what, error);
      if (failure.code === 'kafka-refused') throw failure;
      const types = typesOf(error);
      const isPassing = types.every((type) => passing.has(type)) && failure.retryable;
      if (!isPassing)
        throw new EngineError('topics-differ', `${what}: ${reasonsOf(error)}`, { cause: error });
      if (performance.now() > giveUpAtMs) throw failure;
    }
    await systemClock.sleep(pauseMs);
  }
}

async function createMissing(
  admin: Admin,
  planned: readonly PlannedTopic[],
  brokers: number,
): Promise<string[]> {
  const existing = new Set(await admin.listTopics());
  const missing = planned.filter(({ topic }) => !existing.has(topic));
  if (missing.length === 0) return [];
  await admin.createTopics({
    waitForLeaders: false,
    topics: missing.map(({ topic, partitions, replication, settings }) => {
      const replicas = replication ?? Math.min(usualReplication, brokers);
      // All but one: a broker may go without stopping writers, and what is acknowledged is on two at least where there are three.
      const all = { 'min.insync.replicas': String(Math.max(1, replicas - 1)), ...settings };
      return {
        topic,
        numPartitions: partitions,
        replicationFactor: replicas,
        configEntries: Object.entries(all).map(([name, value]) => ({ name, value })),
      };
    }),
  });
  return missing.map(({ topic }) => topic);
}

/** Partition counts. Rejects while a partition has no leader, or a broker has not heard of a topic. */
async function partitionCounts(
  admin: Admin,
  topics: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const metadata = await admin.fetchTopicMetadata({ topics: [...topics] });
  for (const { name, partitions } of metadata.topics)
    for (const { partitionId, leader } of partitions)
      if (leader < 0) throw new Error(`partition ${partitionId} of ${name} has no leader`);
  return new Map(metadata.topics.map(({ name, partitions }) => [name, partitions.length]));
}

async function settingsOf(
  admin: Admin,
  planned: readonly PlannedTopic[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: planned.map(({ topic, requirements }) => ({
      type: kafkajs.ConfigResourceTypes.TOPIC,
      name: topic,
      configNames: requirements.map(({ setting }) => setting),
    })),
  });
  return new Map(
    resources.map(({ resourceName, configEntries }) => [
      resourceName,
      new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
    ]),
  );
}

async function existingTopics(
  admin: Admin,
  planned: readonly PlannedTopic[],
  giveUpAtMs: number,
): Promise<ReadonlyMap<string, ExistingTopic>> {
  const topics = planned.map(({ topic }) => topic);
  const counts = await patiently('leaders of the topics are awaited', giveUpAtMs, () =>
    partitionCounts(admin, topics),
  );
  const settings = await patiently('settings of the topics cannot be read', giveUpAtMs, () =>
    settingsOf(admin, planned),
  );
  return new Map(
    topics.map((topic) => [
      topic,
      { topic, partitions: counts.get(topic) ?? 0, settings: settings.get(topic) ?? new Map() },
    ]),
  );
}

/**
 * See above.
 *
 * @throws EngineError `topics-differ` with every difference and its remedy, or when a topic cannot be created;
 *   `kafka-refused`, `kafka-unreachable`
 */
export async function ensureTopics(
  connection: KafkaConnection,
  planned: readonly PlannedTopic[],
  { onCreated, timeoutMs = 30_000 }: EnsureTopicsOptions = {},
): Promise<void> {
  if (planned.length === 0) return;
  const giveUpAtMs = performance.now() + timeoutMs;
  const retry = { retries: 3, initialRetryTime: 100, maxRetryTime: 1_000 };
  const admin = new Kafka({ ...kafkajsConfig(connection), retry }).admin();
  try {
    await admin.connect().catch((error: unknown) => {
      throw kafkaFailure('the topics cannot be looked up', error);
    });
    const created = await patiently('the topics cannot be created', giveUpAtMs, async () => {
      const { brokers } = await admin.describeCluster();
      return createMissing(admin, planned, brokers.length);
    });
    const existing = await existingTopics(admin, planned, giveUpAtMs);
    for (const topic of created) onCreated?.(topic);
    const bootstrap = connection.brokers.join(',');
    const differences = planned
      .map((one) => topicDifferences(one, existing.get(one.topic)!, bootstrap))
      .filter((text) => text !== undefined);
    if (differences.length > 0)
      throw new EngineError(
        'topics-differ',
        `topics in Kafka are not as they must be, and are left as they are:\n${differences.join('\n')}`,
      );
  } finally {
    await admin.disconnect();
  }
}
