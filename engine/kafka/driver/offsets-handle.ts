/**
 * Names the group that a transaction commits positions for: librdkafka wants a consumer of that group for it. This one never
 * subscribes, and never reads: which member may write is decided by transactional ids, as in Kafka Streams' first exactly-once
 * mode. One serves all tasks of a processor in a process.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineError } from '../../engine-error.ts';
import { type KafkaConnection, librdkafkaConfig } from '../connection.ts';
import { explainConnecting } from '../connection-librdkafka.ts';
import { called, type KafkaConsumer, loadLibrdkafka } from './librdkafka.ts';
import { within } from './within.ts';

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
        },
        {},
      );
      const handle = new OffsetsHandle(consumer);
      const connecting = called((done) => {
        consumer.connect({ allTopics: false, timeout: connectMs }, done);
      });
      try {
        await explainConnecting(consumer, `group ${group}`, connecting);
        return handle;
      } catch (error) {
        if (!(error as EngineError).retryable) throw error;
        await handle.close(1_000);
        await sleep(retryPauseMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Ends the connection, at the latest after `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    if (!this.consumer.isConnected()) return;
    const disconnected = new Promise<void>((resolve) => {
      this.consumer.disconnect(() => {
        resolve();
      });
    });
    await within(timeoutMs, disconnected);
  }
}
