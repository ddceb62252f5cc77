/** Topics on a real Kafka, written in transactions, and what the sink must make of them in a real ClickHouse. */
import type { ClickHouseClient } from '@clickhouse/client';
import { expect } from 'vitest';
import { eventCodec, type EventCodec } from '#engine/codec/event-codec.ts';
import { announcementKey, WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { kafkajsConfig, type KafkaConnection } from '#engine/kafka/connection.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import { createCluster } from '#engine/kafka/reader/kafkajs-cluster.ts';
import { deadLetters, schemas } from '#engine/records/generated.ts';
import type { Stream } from '#engine/topology/stream.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { isClean, type TopicAudit } from '#sinks/clickhouse/kafka/audit-topic.ts';
import { auditTopics } from '#sinks/clickhouse/kafka/audit-topics.ts';
import { type KafkaSink, type KafkaSinkConfig, startKafkaSink } from '#sinks/clickhouse/kafka/kafka-sink.ts';
import { groupPositions } from '#sinks/clickhouse/kafka/group-positions.ts';
import { sinkGroup } from '#sinks/clickhouse/kafka/names.ts';
import { prepareTables } from '#sinks/clickhouse/prepare-tables.ts';
import { tableOf, type Table } from '#sinks/clickhouse/tables.ts';
import { verdict } from '../support/verdict.ts';
import { until } from './embedded-clickhouse.fixture.ts';
import { SinkDiary } from './sink-diary.fixture.ts';
import { createTopics } from './kafka.fixture.ts';
import { TestProducer } from './librdkafka.fixture.ts';

export interface Thing {
  readonly id: string;
  readonly at: number;
  readonly count: number;
}

/** Plain data, so that a process can be given it as JSON. */
export const thingsOf = (topic: string, partitions: number): Stream<Thing> => ({
  name: 'test.Thing',
  topic,
  kind: 'stream',
  key: { field: 'id', entity: 'thing' },
  time: { field: 'at', unit: 'millis' },
  partitions,
  clickhouse: { table: topic.replaceAll(/[.-]/g, '_'), orderBy: ['id', 'at'] },
  schema: {
    type: 'record',
    name: 'Thing',
    namespace: 'test',
    fields: [
      { name: 'id', type: 'string' },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
      { name: 'count', type: 'int' },
    ],
  },
});

/** The time of all events: they lie in one part. */
export const eventTimeMs = Date.UTC(2026, 4, 5);

/** A producer that writes things in transactions of random sizes, of which every third is aborted. */
export class ThingWriter {
  readonly #producer: TestProducer;
  readonly #codec: EventCodec<Thing>;
  #transactions = 0;
  #count = 0;
  #isClosed = false;
  #writing: Promise<unknown> = Promise.resolve();
  /** Records that were committed. */
  committed = 0;

  private constructor(producer: TestProducer, codec: EventCodec<Thing>) {
    this.#producer = producer;
    this.#codec = codec;
  }

  static async open(kafka: LocalKafka, id: string): Promise<ThingWriter> {
    const producer = await TestProducer.connect(kafka.bootstrapServers, { 'transactional.id': id });
    return new ThingWriter(producer, eventCodec(thingsOf('any', 1), new WriterSchemas()));
  }

  /** One transaction over all partitions of the streams. */
  async write(streams: readonly Stream<Thing>[], perPartition: number): Promise<void> {
    if (this.#isClosed) throw new Error('the writer is closed');
    const writing = this.#write(streams, perPartition);
    this.#writing = Promise.allSettled([writing]);
    await writing;
  }

  async #write(streams: readonly Stream<Thing>[], perPartition: number): Promise<void> {
    const isAborted = this.#transactions++ % 3 === 2;
    const records = streams.flatMap(({ topic, partitions }) =>
      Array.from({ length: partitions * perPartition }, (_, i) => {
        const id = `thing-${i}`;
        const value = this.#codec.encode({ id, at: eventTimeMs, count: this.#count++ });
        return { topic, partition: i % partitions, key: Buffer.from(id), value };
      }),
    );
    await this.#producer.begin();
    await this.#producer.write(records);
    await (isAborted ? this.#producer.abort() : this.#producer.commit());
    if (!isAborted) this.committed += records.length;
  }

  /** One record that is not an event, in a transaction of its own. */
  async writeRaw(topic: string, partition: number, value: Buffer, timestampMs = Date.now()): Promise<void> {
    await this.#producer.begin();
    await this.#producer.write([{ topic, partition, key: Buffer.from('raw'), value, timestampMs }]);
    await this.#producer.commit();
    this.committed += 1;
  }

  /** After the transaction under way: librdkafka ends the process when it is closed in the midst of one. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#writing;
    await this.#producer.close();
  }
}

export interface SinkScene {
  readonly app: string;
  readonly connection: KafkaConnection;
  readonly client: ClickHouseClient;
  readonly url: string;
  readonly streams: readonly Stream<Thing>[];
  /** All of them, with those of dead letters and schemas. */
  readonly tables: readonly Table[];
  readonly writer: ThingWriter;
  readonly start: (config?: Partial<KafkaSinkConfig>) => Promise<KafkaSink>;
  /** What the table and the topic say, partition by partition, of the group's positions now. */
  readonly audit: () => Promise<readonly TopicAudit[]>;
  /**
   * Waits until the group has come to the end of every partition; then everything must be in once. Gives up after `standstillMs`
   * (60 s by default) without a commit, and at the scene's limit, and tells all that is known.
   */
  readonly expectExactlyOnce: (standstillMs?: number) => Promise<readonly TopicAudit[]>;
  /**
   * Resolves when what was written is decided in its partitions, too: brokers answer a commit before its markers are there, and
   * until then a partition seems to end before it.
   */
  readonly decided: () => Promise<void>;
  readonly rows: <R>(sql: string) => Promise<readonly R[]>;
  readonly close: () => Promise<void>;
}

let scenes = 0;

/** Of a sink within the test's own process, which nobody freezes: a machine that stands still is no fault that a test asks for. */
const sessionTimeoutMs = 60_000;

/** As `weir up` makes topics (planned-topics.ts): what a host whose clock is ahead writes must not be refused. */
const anyTime = { 'message.timestamp.after.max.ms': '9223372036854775807' };

/** Topics and a database of their own. Nothing is waited for longer than `limitMs` from now. */
export async function openScene(
  kafka: LocalKafka,
  url: string,
  partitions: readonly number[],
  limitMs = Infinity,
): Promise<SinkScene> {
  const limitAtMs = performance.now() + limitMs;
  const diary = new SinkDiary();
  const app = `scene${++scenes}`;
  const connection: KafkaConnection = { brokers: kafka.bootstrapServers.split(',') };
  const streams = partitions.map((count, i) => thingsOf(`${app}.things-${i}`, count));
  await createTopics(
    kafka,
    streams.map(({ topic, partitions: count }) => ({ topic, partitions: count, config: anyTime })),
  );
  if (scenes === 1)
    await createTopics(kafka, [
      {
        topic: deadLetters.topic,
        partitions: deadLetters.partitions,
        config: anyTime,
      },
      { topic: schemas.topic, partitions: 1, config: { 'cleanup.policy': 'compact' } },
    ]);
  const client = openClient({ url });
  const tables = [...streams, deadLetters, schemas].map((stream) => tableOf(stream, app));
  await prepareTables(client, tables);
  const writer = await ThingWriter.open(kafka, `${app}-writer`);
  const closing: (() => Promise<unknown>)[] = [() => writer.close(), () => client.close()];
  const reader = await KafkaReader.connect({ kafka: kafkajsConfig(connection), maxWaitMs: 20 });
  const cluster = createCluster(kafkajsConfig(connection));
  await cluster.connect();
  await cluster.refreshMetadata();
  closing.push(
    () => reader.close(),
    () => cluster.disconnect(),
  );
  const places = tables.flatMap((table) =>
    Array.from({ length: table.stream.partitions }, (_, partition) => ({ table, partition })),
  );
  const positions = () =>
    groupPositions(
      cluster,
      sinkGroup(app),
      places.map(({ table, partition }) => ({ topic: table.stream.topic, partition })),
    );
  const audit = async (): Promise<readonly TopicAudit[]> => {
    const { audits, unchecked } = await auditTopics({ connection, client, app, tables });
    expect(unchecked).toEqual([]);
    return audits;
  };
  const decided = async (): Promise<void> => {
    const broker = await cluster.findBroker({ nodeId: kafka.brokers[0]!.id });
    const topics = streams.map(({ topic, partitions: count }) => ({
      topic,
      partitions: Array.from({ length: count }, (_, partition) => ({ partition, timestamp: -1 })),
    }));
    const ends = async (isolationLevel: 0 | 1): Promise<string> =>
      JSON.stringify((await broker.listOffsets({ isolationLevel, topics })).responses);
    await until(async () => (await ends(1)) === (await ends(0)));
  };
  /** What the group has committed, partition by partition, and where it ends; and those that are not at their end. */
  const progress = async (): Promise<{ readonly committed: string; readonly behind: readonly string[] }> => {
    const committed = await positions();
    const behind: string[] = [];
    for (const { table, partition } of places) {
      const place = `${table.stream.topic}/${partition}`;
      const end = await reader.offsetOf(table.stream.topic, partition, 'end');
      const { offset = 0, metadata = '' } = committed.get(place) ?? {};
      if (end > offset || metadata !== '') behind.push(`${place} at ${offset} of ${end} ${metadata}`);
    }
    return { committed: JSON.stringify([...committed]), behind };
  };
  const untilAtEnd = async (standstillMs: number): Promise<void> => {
    let last = '';
    let giveUpAtMs = Infinity;
    for (;;) {
      const { committed, behind } = await progress();
      if (behind.length === 0) return;
      if (committed !== last) giveUpAtMs = performance.now() + standstillMs;
      last = committed;
      if (performance.now() > Math.min(giveUpAtMs, limitAtMs)) {
        const why = performance.now() > giveUpAtMs ? `no commit for ${standstillMs} ms` : 'no time is left';
        const audits = (await audit()).map(
          (one) =>
            `${one.topic}/${one.partition}: ${one.present} rows and ${one.deadLetters} letters of ${one.expected} before ` +
            `${one.position}${isClean(one) ? '' : ` ${JSON.stringify(one)}`}`,
        );
        throw new Error(
          [
            `not at the end, ${why}; ${writer.committed} records`,
            ...behind,
            ...audits,
            ...(await diary.tell()),
          ].join('\n'),
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  return {
    app,
    connection,
    client,
    url,
    streams,
    tables,
    writer,
    start: async (config = {}) => {
      const sink = await startKafkaSink({
        connection,
        client,
        app,
        tables,
        writers: new WriterSchemas(),
        heartbeatMs: 100,
        sessionTimeoutMs,
        ...diary.heeding(config),
        limits: { maxRows: 2_000, flushIntervalMs: 100, ...config.limits },
      });
      diary.follow(sink);
      closing.unshift(() => sink.stop(5_000));
      return sink;
    },
    audit,
    decided,
    expectExactlyOnce: async (standstillMs = 60_000) => {
      await decided();
      await untilAtEnd(standstillMs);
      return verdict(async () => {
        const audits = await audit();
        expect(audits.filter((one) => !isClean(one) || one.inDoubtTo !== null)).toEqual([]);
        const ours = audits.filter(({ topic }) => topic.startsWith(`${app}.`));
        expect(ours.reduce((sum, { expected }) => sum + expected, 0)).toBe(writer.committed);
        expect(ours.reduce((sum, one) => sum + one.present + one.deadLetters, 0)).toBe(writer.committed);
        return audits;
      });
    },
    rows: async <R>(sql: string): Promise<readonly R[]> => {
      const result = await client.query({
        query: sql,
        format: 'JSONEachRow',
        clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
      });
      return result.json<R>();
    },
    close: async () => {
      for (const close of closing) await close();
    },
  };
}

/** Writes to all streams until it is stopped. */
export function startLoad(
  { writer, streams }: Pick<SinkScene, 'writer' | 'streams'>,
  perPartition: number,
): { readonly stop: () => Promise<void> } {
  const ending = new AbortController();
  const run = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      await writer.write(streams, perPartition);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  };
  const running = run();
  // Whoever stops it hears of it.
  void Promise.allSettled([running]);
  return {
    stop: async () => {
      ending.abort();
      await running;
    },
  };
}

/** Has ClickHouse refuse one row in some hundred of the first stream's. */
export async function refuseSome({ client, app, streams }: SinkScene): Promise<void> {
  await client.command({
    query: `ALTER TABLE ${app}.${streams[0]!.clickhouse.table} ADD CONSTRAINT good CHECK count % 701 != 33`,
  });
}

/** `ce_id` of the dead letters on Kafka, of a topic's records. */
export async function letterOrigins({ connection }: SinkScene, topic: string): Promise<readonly string[]> {
  const reader = await KafkaReader.connect({ kafka: kafkajsConfig(connection), maxWaitMs: 20 });
  const { signal } = new AbortController();
  const origins: string[] = [];
  try {
    for (let partition = 0; partition < deadLetters.partitions; partition += 1) {
      const end = await reader.offsetOf(deadLetters.topic, partition, 'end');
      const reading = await reader.assign(
        deadLetters.topic,
        partition,
        await reader.offsetOf(deadLetters.topic, partition, 'start'),
      );
      while (reading.position < end) {
        await reading.settled(signal);
        for (const { headers } of reading.take(1_000)) {
          const id = headers['ce_id']?.toString() ?? '';
          if (id.startsWith(`${topic}/`)) origins.push(id);
        }
      }
    }
  } finally {
    await reader.close();
  }
  return origins;
}

/** There are some, and none twice. */
export async function expectEachLetterOnce(scene: SinkScene): Promise<void> {
  const letters = await letterOrigins(scene, scene.streams[0]!.topic);
  expect(letters.length).toBeGreaterThan(0);
  expect(new Set(letters).size).toBe(letters.length);
}

/** The stream as a later version of a program would have it. */
export const withField = (stream: Stream<Thing>, field: string): Stream<Thing> => ({
  ...stream,
  schema: {
    ...stream.schema,
    fields: [...(stream.schema['fields'] as object[]), { name: field, type: 'int', default: 0 }],
  },
});

/** Publishes the schemas on `weir.schemas`. */
export async function announce(kafka: LocalKafka, writers: WriterSchemas): Promise<void> {
  const producer = await TestProducer.connect(kafka.bootstrapServers);
  const codec = eventCodec(schemas, new WriterSchemas());
  await producer.write(
    writers.announcements(Date.now()).map((announcement) => ({
      topic: schemas.topic,
      partition: 0,
      key: Buffer.from(announcementKey(announcement)),
      value: codec.encode(announcement),
    })),
  );
  await producer.close();
}

/** Commits for a group that has no members, with metadata, as kafkajs's admin client cannot. */
export async function commitAs(
  groupId: string,
  connection: KafkaConnection,
  { topic, offset, metadata }: { readonly topic: string; readonly offset: number; readonly metadata: string },
): Promise<void> {
  const cluster = createCluster(kafkajsConfig(connection));
  await cluster.connect();
  try {
    // The first group of a broker waits for its coordinator.
    await until(async () => {
      try {
        const coordinator = await cluster.findGroupCoordinator({ groupId });
        await coordinator.offsetCommit({
          groupId,
          groupGenerationId: -1,
          memberId: '',
          topics: [{ topic, partitions: [{ partition: 0, offset: String(offset), metadata }] }],
        });
        return true;
      } catch (error) {
        if (!(error instanceof Error && 'retriable' in error && error.retriable === true)) throw error;
        return false;
      }
    });
  } finally {
    await cluster.disconnect();
  }
}
