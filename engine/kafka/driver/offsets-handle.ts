/**
 * Names the group that a transaction commits positions for: librdkafka wants a consumer of that group for it. This one never
 * subscribes, and never reads: which member may write is decided by transactional ids, as in Kafka Streams' first exactly-once
 * mode. One serves all tasks of a processor in a process.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineError } from '../../engine-error.ts';
import { type KafkaConnection, librdkafkaConfig } from '../connection.ts';
import { kafkaFailure } from '../connection-failure.ts';
import { called, type KafkaConsumer, loadLibrdkafka } from './librdkafka.ts';

const connectMs = 10_000;
const retryPauseMs = 200;

export class OffsetsHandle {
  readonly consumer: KafkaConsumer;

  private constructor(consumer: KafkaConsumer) {
    this.consumer = consumer;
  }

  /**
   * Goes on trying until `signal` aborts.
   *
   * @throws EngineError `kafka-refused` or `no-librdkafka`
   */
  static async open(connection: KafkaConnection, group: string, signal: AbortSignal): Promise<OffsetsHandle> {
    const { KafkaConsumer } = loadLibrdkafka();
    for (;;) {
      signal.throwIfAborted();
      const consumer = new KafkaConsumer(
        {
          ...librdkafkaConfig(connection),
          'group.id': group,
          'enable.auto.commit': false,
          log_level: 0,
        },
        {},
      );
      const handle = new OffsetsHandle(consumer);
      let refusal: EngineError | undefined;
      consumer.on('event.error', (error) => {
        const heard = kafkaFailure(`group ${group}`, error);
        if (heard.code === 'kafka-refused') refusal = heard;
      });
      try {
        await called((done) => {
          consumer.connect({ allTopics: false, timeout: connectMs }, done);
        });
        return handle;
      } catch (error) {
        await handle.close(1_000);
        const failure = refusal ?? kafkaFailure(`group ${group}`, error);
        if (failure.code === 'kafka-refused') throw failure;
        await sleep(retryPauseMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Ends the connection, at the latest after `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    if (!this.consumer.isConnected()) return;
    const abort = new AbortController();
    const disconnected = new Promise<void>((resolve) => {
      this.consumer.disconnect(() => {
        resolve();
      });
    });
    await Promise.race([
      disconnected,
      sleep(timeoutMs, undefined, { signal: abort.signal }).catch(() => undefined),
    ]);
    abort.abort();
  }
}
