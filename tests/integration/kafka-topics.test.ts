/** Topics created and checked on real brokers. */
import { ConfigResourceTypes } from 'kafkajs';
import { describe, expect, it, type TestContext } from 'vitest';
import { weirApp } from '#cli/app.ts';
import type { EngineError } from '#engine/engine-error.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import type { PlannedTopic } from '#engine/kafka/topics/planned-topic.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { clientOf, createTopics, kafkaForFile } from './kafka.fixture.ts';
import { TestProducer } from './librdkafka.fixture.ts';

const local = kafkaForFile({
  properties: {
    // Not what Weir needs: whatever it creates must say so itself.
    'log.message.timestamp.type': 'LogAppendTime',
    'log.retention.bytes': '1000000000',
    'log.cleanup.policy': 'compact,delete',
    'min.insync.replicas': '2',
  },
});
const planned = plannedTopics(weirApp);
const connectionTo = ({ bootstrapServers }: LocalKafka) => ({ brokers: bootstrapServers.split(',') });

async function withAdmin<T>(kafka: LocalKafka, use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = clientOf(kafka).admin();
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}
type Admin = ReturnType<ReturnType<typeof clientOf>['admin']>;

const settingsOf = (kafka: LocalKafka, topic: string): Promise<Record<string, string>> =>
  withAdmin(kafka, async (admin) => {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
    });
    const entries = resources[0]!.configEntries;
    return Object.fromEntries(entries.map(({ configName, configValue }) => [configName, configValue]));
  });

/** Plans under names of one test's own. */
const renamed = (prefix: string, plans: readonly PlannedTopic[] = planned): PlannedTopic[] =>
  plans.map((one) => ({ ...one, topic: `${prefix}.${one.topic}` }));
const one = (prefix: string, topic: string): PlannedTopic =>
  renamed(
    prefix,
    planned.filter((plan) => plan.topic === topic),
  )[0]!;

const refusal = async (kafka: LocalKafka, plans: readonly PlannedTopic[]): Promise<EngineError> => {
  const error: unknown = await ensureTopics(connectionTo(kafka), plans).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ name: 'EngineError', code: 'topics-differ', retryable: false });
  return error as EngineError;
};

describe('topics', () => {
  it('are all created at the first start, and found at the second', async (context: TestContext) => {
    const kafka = local.of(context);
    const created: string[] = [];
    const onCreated = (topic: string): number => created.push(topic);
    await ensureTopics(connectionTo(kafka), planned, { onCreated });
    expect(created.toSorted()).toEqual(planned.map(({ topic }) => topic).toSorted());
    await ensureTopics(connectionTo(kafka), planned, { onCreated });
    expect(created).toHaveLength(planned.length);

    const { topics } = await withAdmin(kafka, (admin) => admin.fetchTopicMetadata());
    const counts = new Map(topics.map(({ name, partitions }) => [name, partitions.length]));
    for (const { topic, partitions } of planned)
      expect([topic, counts.get(topic)]).toEqual([topic, partitions]);
    const journal = planned.find(({ what }) => what.startsWith('journal'))!;
    expect(await settingsOf(kafka, journal.topic)).toMatchObject({
      ...journal.settings,
      'min.insync.replicas': '1',
    });
    expect(await settingsOf(kafka, 'weir.schemas')).toMatchObject({ 'cleanup.policy': 'compact' });
  });

  it('are created once by processes that start at the same time', async (context: TestContext) => {
    const kafka = local.of(context);
    const plans = renamed('together');
    await Promise.all(Array.from({ length: 6 }, () => ensureTopics(connectionTo(kafka), plans)));
  });

  it('take records whose event time is far ahead, which brokers refuse by default', async (context: TestContext) => {
    const kafka = local.of(context);
    const plan = planned.find(({ what }) => what === 'stream')!;
    const ahead = String(Date.now() + 30 * 86_400_000);
    await ensureTopics(connectionTo(kafka), renamed('ahead', [plan]));
    await createTopics(kafka, [
      {
        topic: 'by-default',
        config: {
          'cleanup.policy': 'delete',
          'message.timestamp.type': 'CreateTime',
          'min.insync.replicas': '1',
        },
      },
    ]);
    const producer = clientOf(kafka).producer();
    await producer.connect();
    try {
      const messages = [{ value: 'later', timestamp: ahead, partition: 0 }];
      await producer.send({ topic: `ahead.${plan.topic}`, messages });
      await expect(producer.send({ topic: 'by-default', messages })).rejects.toThrow(/timestamp/);
    } finally {
      await producer.disconnect();
    }
  });

  it('that differ are all named with what to do, and none is altered', async (context: TestContext) => {
    const kafka = local.of(context);
    const [table, stream] = [one('differ', 'weir.schemas'), one('differ', 'weir.dead-letters')];
    const input = renamed('differ', [
      planned.find(
        (plan) =>
          plan.requirements.some(({ setting }) => setting === 'message.timestamp.type') &&
          plan.what === 'stream',
      )!,
    ])[0]!;
    const [changelog, journal] = ['changelog', 'journal'].map(
      (what) => renamed('differ', [planned.find((plan) => plan.what.startsWith(what))!])[0]!,
    ) as [PlannedTopic, PlannedTopic];
    const made = (plan: PlannedTopic, config: Record<string, string>, partitions = plan.partitions) => ({
      topic: plan.topic,
      partitions,
      config: { ...plan.settings, ...config },
    });
    await createTopics(kafka, [
      made(table, { 'cleanup.policy': 'compact,delete' }),
      made(stream, { 'cleanup.policy': 'compact' }, stream.partitions + 1),
      made(input, { 'message.timestamp.type': 'LogAppendTime' }),
      made(changelog, { 'min.compaction.lag.ms': '0', 'delete.retention.ms': '86400000' }),
      made(journal, { 'retention.ms': '3600000', 'retention.bytes': '1000000' }, 1),
    ]);
    const before = await settingsOf(kafka, changelog.topic);
    const { message } = await refusal(kafka, [table, stream, input, changelog, journal]);
    const brokers = kafka.bootstrapServers;
    for (const part of [
      `topic ${table.topic} (table)\n  - its cleanup.policy is compact,delete, it must be compact:`,
      `topic ${stream.topic} (stream)\n  - it has ${stream.partitions + 1} partitions, it must have ${stream.partitions}: let its schema say`,
      'its cleanup.policy is compact, it must be delete:',
      'its message.timestamp.type is LogAppendTime, it must be CreateTime:',
      'its min.compaction.lag.ms is 0, it must be 600000 or more:',
      'its delete.retention.ms is 86400000, it must be 604800000 or more:',
      `topic ${journal.topic} (${journal.what})\n  - it has 1 partitions, it must have ${journal.partitions}:`,
      'its retention.ms is 3600000, it must be 604800000 or more:',
      'its retention.bytes is 1000000, it must be -1:',
      `kafka-configs --bootstrap-server ${brokers} --alter --entity-type topics --entity-name ${changelog.topic} ` +
        '--add-config min.compaction.lag.ms=600000,delete.retention.ms=604800000',
    ])
      expect(message).toContain(part);
    expect(await settingsOf(kafka, changelog.topic)).toEqual(before);
  });

  it('that brokers do not create are named, with the reason', async (context: TestContext) => {
    const kafka = local.of(context);
    const plans = renamed('replicated', [{ ...planned[0]!, replication: 3 }]);
    const { message } = await refusal(kafka, plans);
    expect(message).toContain(`${plans[0]!.topic}: INVALID_REPLICATION_FACTOR`);
  });

  it('are not awaited for ever where no broker is', async () => {
    const beganAtMs = performance.now();
    await expect(ensureTopics({ brokers: ['127.0.0.1:1'] }, planned)).rejects.toMatchObject({
      code: 'kafka-unreachable',
      retryable: true,
    });
    expect(performance.now() - beganAtMs).toBeLessThan(30_000);
  });
});

describe('topics on three brokers', () => {
  const three = kafkaForFile({ nodes: 3 });
  it('have three replicas, one of which may be missing when a record is acknowledged', async (context: TestContext) => {
    const kafka = three.of(context);
    const plans = renamed('three', planned.slice(0, 3));
    await ensureTopics(connectionTo(kafka), plans);
    const { topics } = await withAdmin(kafka, (admin) =>
      admin.fetchTopicMetadata({ topics: plans.map(({ topic }) => topic) }),
    );
    for (const { partitions } of topics)
      for (const { replicas } of partitions) expect(replicas.toSorted()).toEqual([1, 2, 3]);
    expect(await settingsOf(kafka, plans[0]!.topic)).toMatchObject({ 'min.insync.replicas': '2' });
    await kafka.brokers[2]!.kill();
    const producer = await TestProducer.connect(kafka.bootstrapServers, { acks: -1 });
    await producer.write([{ topic: plans[0]!.topic, partition: 0, key: null, value: Buffer.from('kept') }]);
    await producer.close();
    await ensureTopics(connectionTo(kafka), plans);
  });
});
