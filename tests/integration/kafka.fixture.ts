/** A real Kafka for the tests of one file, and clients of it. Without Java the tests are skipped, but not in CI. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, type TestContext } from 'vitest';
import { LocalError } from '#local/local-error.ts';
import { type LocalKafka, type LocalKafkaConfig, startKafka } from '#local/kafka/start-kafka.ts';

export interface FileKafka {
  /** The cluster of this file; skips the test where none can be started. */
  of(context: TestContext): LocalKafka;
}

/** Long enough for the first download of the artifacts. */
const hookMs = 300_000;
/** Of brokers, also of those that are started again: much longer than it takes, so that a slow machine fails no test. */
const startTimeoutMs = 180_000;

/**
 * Many events of tests are years old, and brokers remove what is older than a week: half a minute after their start for the
 * first time, in the middle of a slow test.
 */
const keepOldEvents = { 'log.initial.task.delay.ms': '86400000' };

const maxPortTries = 3;

/** Another program may take a port that `makeConfig` names before the broker has it: then it is asked for others. */
async function startWith(makeConfig: () => Promise<LocalKafkaConfig>): Promise<LocalKafka> {
  for (let tries = 1; ; tries++) {
    const config = await makeConfig();
    try {
      return await startKafka({
        startTimeoutMs,
        ...config,
        properties: { ...keepOldEvents, ...config.properties },
      });
    } catch (error) {
      const lostPort = error instanceof LocalError && error.code === 'port-in-use';
      if (!lostPort || tries === maxPortTries) throw error;
    }
  }
}

/**
 * Start Kafka before the tests of the calling file, stop it after them.
 *
 * @param config a function where it names ports, which may be lost
 */
export function kafkaForFile(config: LocalKafkaConfig | (() => Promise<LocalKafkaConfig>) = {}): FileKafka {
  let kafka: LocalKafka | undefined;
  let missing = 'Kafka was not started';
  beforeAll(async () => {
    try {
      kafka = await startWith(typeof config === 'function' ? config : () => Promise.resolve(config));
    } catch (error) {
      const nothingToRun =
        error instanceof LocalError && (error.code === 'no-java' || error.code === 'no-maven');
      if (!nothingToRun || process.env['CI'] === 'true') throw error;
      missing = error.message;
    }
  }, hookMs);
  afterAll(async () => {
    await kafka?.stop();
  });
  return {
    of(context) {
      if (kafka === undefined) context.skip(missing);
      return kafka!;
    },
  };
}

/** A kafkajs client that writes no log. */
export function clientOf({ bootstrapServers }: Pick<LocalKafka, 'bootstrapServers'>): Kafka {
  return new Kafka({ brokers: bootstrapServers.split(','), logLevel: logLevel.NOTHING });
}

/** Create topics and wait until they have leaders. */
export async function createTopics(
  kafka: Pick<LocalKafka, 'bootstrapServers'>,
  topics: readonly {
    readonly topic: string;
    readonly partitions?: number;
    readonly config?: Readonly<Record<string, string>>;
  }[],
): Promise<void> {
  const admin = clientOf(kafka).admin();
  await admin.connect();
  try {
    // Waiting is ours: kafkajs's own fails at a broker that has not heard of a topic yet.
    await admin.createTopics({
      waitForLeaders: false,
      // A controller may take longer than the 5 s that kafkajs gives it.
      timeout: 25_000,
      topics: topics.map(({ topic, partitions = 1, config = {} }) => ({
        topic,
        numPartitions: partitions,
        configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
      })),
    });
    await untilLed(
      admin,
      topics.map(({ topic }) => topic),
    );
  } finally {
    await admin.disconnect();
  }
}

/** Resolves when every partition has a leader, as one broker knows it. */
async function untilLed(admin: Admin, topics: string[]): Promise<void> {
  for (const giveUpAtMs = performance.now() + 60_000; ;) {
    // It fails while one of them is unknown or without a leader.
    const metadata = await admin.fetchTopicMetadata({ topics }).catch((error: unknown) => {
      if (performance.now() > giveUpAtMs) throw error;
      return undefined;
    });
    if (metadata !== undefined) return;
    await sleep(50);
  }
}
