/**
 * Kafka as agents and simulators see it: the `Publisher` and `Subscriber` of engine/log/publisher.ts.
 *
 * I1  What is published is delivered as by the client (client.ts); what is subscribed to is heard as by
 *     engine/kafka/edge/kafka-subscriber.ts.
 * I2  `stop` stops listening first, so that what handlers still publish is flushed.
 */
import { kafkajsConfig } from '#engine/kafka/connection.ts';
import { KafkaSubscriber, type KafkaSubscriberConfig } from '#engine/kafka/edge/kafka-subscriber.ts';
import type { PublishOptions, Publisher, Subscriber, Subscription } from '#engine/log/publisher.ts';
import type { Stream } from '#engine/topology/stream.ts';
import { type Client, createClient } from './client.ts';
import type { ClientConfig } from './client-config.ts';
import { connectionOf } from './connection-options.ts';

export interface KafkaEdgeConfig extends Omit<KafkaSubscriberConfig, 'kafka' | 'onTrouble'> {
  /** How to reach Kafka, and how to publish. `onTrouble` of it hears of reading, too. */
  readonly client: Omit<ClientConfig, 'onTrouble'>;
  /** Hears what keeps events from being delivered or read for now. */
  readonly onTrouble?: (error: Error) => void;
}

export class KafkaEdge implements Publisher, Subscriber {
  readonly #client: Client;
  readonly #subscriber: KafkaSubscriber;

  private constructor(client: Client, subscriber: KafkaSubscriber) {
    this.#client = client;
    this.#subscriber = subscriber;
  }

  /** @throws ClientError 'invalid-config'; EngineError as KafkaSubscriber.start */
  static async start({ client: config, onTrouble, ...subscribing }: KafkaEdgeConfig): Promise<KafkaEdge> {
    const telling = onTrouble === undefined ? {} : { onTrouble };
    const client = createClient({ ...config, ...telling });
    const kafka = kafkajsConfig(connectionOf(config));
    try {
      return new KafkaEdge(client, await KafkaSubscriber.start({ ...subscribing, ...telling, kafka }));
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  /** Events that the brokers have acknowledged. */
  get published(): number {
    return this.#client.stats().acknowledged;
  }

  publish<T>(stream: Stream<T>, event: T, options?: PublishOptions): Promise<void> {
    return this.#client.publish(stream, event, options);
  }

  subscribe<T>(stream: Stream<T>, onEvent: (event: T) => Promise<void> | void): Promise<Subscription> {
    return this.#subscriber.subscribe(stream, onEvent);
  }

  /** @throws ClientError 'flush-timeout' when not everything was acknowledged within `timeoutMs`, 30 s by default */
  async stop(timeoutMs?: number): Promise<void> {
    await this.#subscriber.stop();
    await this.#client.close(timeoutMs);
  }
}
