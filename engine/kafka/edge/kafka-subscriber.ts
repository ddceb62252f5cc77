/**
 * Events of Kafka for programs at the edge (engine/log/publisher.ts): actuators hear commands.
 *
 * Each subscription is a member of the consumer group `<group>.<topic>`; the processes that name the same group share its
 * partitions. A second subscription to a topic in one process has a group of its own (`-2`): each hears every event.
 *
 * I1  At least once, one event at a time within a partition, and so within a key (partition-lane.ts).
 * I2  An event whose schema is announced later waits for it, up to `schemaWaitMs`; then it is reported and passed.
 * I3  A partition that comes back while its last event is still being handled waits for it.
 */
import type { KafkaConfig } from 'kafkajs';
import { CodecError } from '../../codec/codec-error.ts';
import { type EventCodec, eventCodec } from '../../codec/event-codec.ts';
import { WriterSchemas } from '../../codec/writer-schemas.ts';
import type { EngineError } from '../../engine-error.ts';
import { systemClock } from '../../log/clock.ts';
import type { Subscriber, Subscription } from '../../log/publisher.ts';
import type { Stream } from '../../topology/stream.ts';
import { SchemasFollower } from '../driver/schemas-follower.ts';
import { GroupMember } from '../reader/group-member.ts';
import { KafkaReader } from '../reader/kafka-reader.ts';
import { Signal } from '../reader/signal.ts';
import { PartitionLane, stopped } from './partition-lane.ts';

export interface KafkaSubscriberConfig {
  /** Brokers, SASL and TLS, as kafkajs takes them. */
  readonly kafka: KafkaConfig;
  /** Names what is done with the events: `actuator`. It must stay the same, for it names the committed positions. */
  readonly group: string;
  /** Where a group begins that has committed nothing: at the first event that is kept (the default), or at the next one. */
  readonly from?: 'start' | 'end';
  /** 100 ms by default. */
  readonly commitIntervalMs?: number;
  /** 10 s by default. */
  readonly schemaWaitMs?: number;
  /** 10 s by default. A handler that takes longer than twice as long keeps others of the group waiting. */
  readonly sessionTimeoutMs?: number;
  /** Hears of records that cannot be read and of handlers that failed, with `<topic>/<partition>/<offset>`. */
  readonly onFailure: (place: string, error: unknown) => void;
  /** Hears what keeps events from being read for now. */
  readonly onTrouble?: (error: EngineError) => void;
}

interface Parts {
  readonly reader: KafkaReader;
  readonly writers: WriterSchemas;
  /** Set when a schema became known. */
  readonly news: Signal;
  readonly follower: SchemasFollower;
}

export class KafkaSubscriber implements Subscriber {
  readonly #config: Required<KafkaSubscriberConfig>;
  readonly #parts: Parts;
  readonly #subscriptions = new Set<Subscription>();
  /** Subscriptions so far, by topic. */
  readonly #counts = new Map<string, number>();

  private constructor(config: Required<KafkaSubscriberConfig>, parts: Parts) {
    this.#config = config;
    this.#parts = parts;
  }

  /** @throws EngineError `kafka-unreachable`, `kafka-refused`, or `unknown-topic` where there is no `weir.schemas` */
  static async start(config: KafkaSubscriberConfig): Promise<KafkaSubscriber> {
    const resolved = {
      from: 'start' as const,
      commitIntervalMs: 100,
      schemaWaitMs: 10_000,
      sessionTimeoutMs: 10_000,
      onTrouble: (): void => undefined,
      ...config,
    };
    const { kafka, onTrouble } = resolved;
    const reader = await KafkaReader.connect({ kafka, maxWaitMs: 50, onTrouble });
    const writers = new WriterSchemas();
    const news = new Signal();
    const onNews = (): void => {
      news.set();
    };
    try {
      const follower = await SchemasFollower.start(reader, writers, onNews, onTrouble);
      return new KafkaSubscriber(resolved, { reader, writers, news, follower });
    } catch (error) {
      await reader.close();
      throw error;
    }
  }

  /** @throws EngineError `kafka-unreachable`, `unknown-topic` or `group-refused` */
  async subscribe<T>(stream: Stream<T>, onEvent: (event: T) => Promise<void> | void): Promise<Subscription> {
    const { topic } = stream;
    const count = (this.#counts.get(topic) ?? 0) + 1;
    this.#counts.set(topic, count);
    const lanes = new Lanes(this.#laneOf(topic, eventCodec(stream, this.#parts.writers), onEvent));
    const member = await GroupMember.join({
      kafka: this.#config.kafka,
      groupId: `${this.#config.group}.${topic}${count === 1 ? '' : `-${count}`}`,
      topics: [topic],
      sessionTimeoutMs: this.#config.sessionTimeoutMs,
      rebalanceTimeoutMs: 2 * this.#config.sessionTimeoutMs,
      onAssigned: (assignment) => {
        lanes.assigned(assignment.get(topic) ?? []);
      },
      beforeRebalance: () => lanes.stop(),
      onLost: () => {
        lanes.lose();
      },
      onTrouble: this.#config.onTrouble,
    });
    lanes.begin(member);
    const subscription = {
      stop: async (): Promise<void> => {
        this.#subscriptions.delete(subscription);
        await lanes.close();
        await member.leave();
      },
    };
    this.#subscriptions.add(subscription);
    return subscription;
  }

  /** Stops all subscriptions and ends the connections. May be called twice. */
  async stop(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.stop()));
    await this.#parts.follower.stop();
    await this.#parts.reader.close();
  }

  #laneOf<T>(topic: string, codec: EventCodec<T>, onEvent: (event: T) => Promise<void> | void): LaneOf {
    const { from, commitIntervalMs, onFailure, onTrouble } = this.#config;
    const { reader } = this.#parts;
    return (partition, member, after) =>
      new PartitionLane(
        {
          ...{ reader, member, topic, partition, from, commitIntervalMs, onFailure, onTrouble },
          handle: async ({ value }, signal) => {
            await onEvent(await this.#decode(codec, value!, signal));
          },
        },
        after,
      );
  }

  /** Waits for a schema that is not known yet (I2). */
  async #decode<T>(codec: EventCodec<T>, bytes: Buffer, signal: AbortSignal): Promise<T> {
    const giveUpAtMs = performance.now() + this.#config.schemaWaitMs;
    for (;;) {
      const news = this.#parts.news.next();
      try {
        return codec.decode(bytes);
      } catch (error) {
        const leftMs = giveUpAtMs - performance.now();
        if (!(error instanceof CodecError && error.retryable) || leftMs <= 0) throw error;
        await waitFor(news, leftMs, signal);
        if (signal.aborted) throw stopped;
      }
    }
  }
}

async function waitFor(news: Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  await Promise.race([news, systemClock.sleep(ms, AbortSignal.any([signal, over.signal]))]);
  over.abort();
}

type LaneOf = (partition: number, member: GroupMember, after: Promise<void>) => PartitionLane;

/** The lanes of a subscription, as its membership gives and takes partitions. */
class Lanes {
  readonly #laneOf: LaneOf;
  readonly #running = new Map<number, PartitionLane>();
  /** Of lanes that were lost, and may still handle their last event (I3). */
  readonly #ending = new Map<number, Promise<void>>();
  #member: GroupMember | undefined;
  /** Assigned before `begin`. */
  #early: readonly number[] = [];
  #isClosed = false;

  constructor(laneOf: LaneOf) {
    this.#laneOf = laneOf;
  }

  /** The member exists from now on: it commits. */
  begin(member: GroupMember): void {
    this.#member = member;
    this.assigned(this.#early);
  }

  assigned(partitions: readonly number[]): void {
    if (this.#member === undefined) {
      this.#early = partitions;
      return;
    }
    if (this.#isClosed) return;
    for (const partition of partitions) {
      const before = this.#ending.get(partition) ?? Promise.resolve();
      this.#ending.delete(partition);
      this.#running.set(partition, this.#laneOf(partition, this.#member, before));
    }
  }

  async stop(): Promise<void> {
    const lanes = [...this.#running];
    this.#running.clear();
    for (const [partition, lane] of lanes) this.#ending.set(partition, lane.ended);
    await Promise.all(lanes.map(([, lane]) => lane.stop()));
  }

  lose(): void {
    this.#early = [];
    for (const [partition, lane] of this.#running) {
      lane.lose();
      this.#ending.set(partition, lane.ended);
    }
    this.#running.clear();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.stop();
    await Promise.all(this.#ending.values());
  }
}
