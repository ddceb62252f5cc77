/** The one broker of a benchmark: its topics, how far a group has committed, and what was written, read committed. */
import { type Admin, Kafka, logLevel } from 'kafkajs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LogRecord } from '#engine/log/log.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import type { Stream } from '#engine/topology/stream.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import { type LocalKafka, startKafka } from '#local/kafka/start-kafka.ts';
import { type Usage, usageOf } from './process-usage.ts';

const pollMs = 20;
const brokerHeapMib = 1024;
const restMs = 500;
const restShare = 0.05;
const restTimeoutMs = 15_000;

export class BenchCluster {
  readonly #kafka: LocalKafka;
  readonly #admin: Admin;

  private constructor(kafka: LocalKafka, admin: Admin) {
    this.#kafka = kafka;
    this.#admin = admin;
  }

  /** @param properties of the broker, in place of the local one's */
  static async start(properties: Readonly<Record<string, string>> = {}): Promise<BenchCluster> {
    const kafka = await startKafka({ heapMib: brokerHeapMib, properties });
    const client = new Kafka({ brokers: [kafka.bootstrapServers], logLevel: logLevel.NOTHING });
    const admin = client.admin();
    await admin.connect();
    return new BenchCluster(kafka, admin);
  }

  get bootstrapServers(): string {
    return this.#kafka.bootstrapServers;
  }

  get version(): string {
    return this.#kafka.version;
  }

  brokerUsage(): Usage {
    return usageOf(this.#kafka.brokers[0]!.pid);
  }

  /** Waits, for some seconds at most, until the broker has done what a run left it to do: deleting its topics, cleaning logs. */
  async rest(): Promise<void> {
    const giveUpAtMs = performance.now() + restTimeoutMs;
    for (let before = this.brokerUsage().cpuSeconds; performance.now() < giveUpAtMs;) {
      await sleep(restMs);
      const now = this.brokerUsage().cpuSeconds;
      if ((now - before) * 1000 < restMs * restShare) return;
      before = now;
    }
  }

  /** Creates the topics of streams, as Weir wants them. */
  async createTopics(...streams: readonly Stream<unknown>[]): Promise<void> {
    const connection = { brokers: [this.bootstrapServers] };
    await ensureTopics(connection, plannedTopics({ name: 'bench', streams, processors: [] }));
  }

  /** Deletes every topic whose name begins with `prefix`: a run's outputs, changelogs and journals. */
  async deleteTopics(prefix: string): Promise<void> {
    const topics = (await this.#admin.listTopics()).filter((topic) => topic.startsWith(prefix));
    if (topics.length > 0) await this.#admin.deleteTopics({ topics });
  }

  /**
   * Waits until a group has committed `ends[partition]` of every partition of a topic; outputs of the same transactions
   * are then visible. @returns when that was seen, within 20 ms
   */
  async committed(
    group: string,
    topic: string,
    ends: readonly number[],
    watch: { readonly timeoutMs: number; readonly check: () => void },
  ): Promise<number> {
    const giveUpAtMs = Date.now() + watch.timeoutMs;
    for (;;) {
      // A coordinator that is loading its groups has no answer yet.
      const [answer] = await this.#admin.fetchOffsets({ groupId: group, topics: [topic] }).catch(() => []);
      const now = Date.now();
      const offsets = new Map(answer?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
      if (ends.every((end, partition) => (offsets.get(partition) ?? -1) >= end)) return now;
      watch.check();
      if (now > giveUpAtMs) {
        const reached = ends.map((end, partition) => `${offsets.get(partition) ?? 'none'} of ${end}`);
        throw new Error(`group ${group} has not committed ${topic} to its end: ${reached.join(', ')}`);
      }
      await sleep(pollMs);
    }
  }

  /** Waits until a group has members, all of which know their share. @returns when that was seen, within 20 ms */
  async settled(group: string, timeoutMs: number): Promise<number> {
    const giveUpAtMs = Date.now() + timeoutMs;
    for (;;) {
      const { groups } = await this.#admin.describeGroups([group]);
      const now = Date.now();
      if (groups[0]?.state === 'Stable') return now;
      if (now > giveUpAtMs)
        throw new Error(`group ${group} is ${groups[0]?.state ?? 'unknown'} after ${timeoutMs} ms`);
      await sleep(pollMs);
    }
  }

  /** All committed records of a topic. */
  async readAll(topic: string, partitions: number, take: (record: LogRecord) => void): Promise<void> {
    const reader = await KafkaReader.connect({ kafka: { brokers: [this.bootstrapServers] } });
    try {
      for (let partition = 0; partition < partitions; partition += 1) {
        const source = await reader.assign(topic, partition, 0);
        while (!source.isAtEnd) {
          for (const record of source.take(10_000)) take(record);
          await source.settled(AbortSignal.timeout(30_000));
        }
        reader.unassign(source);
      }
    } finally {
      await reader.close();
    }
  }

  async stop(): Promise<void> {
    await this.#admin.disconnect();
    await this.#kafka.stop();
  }
}
