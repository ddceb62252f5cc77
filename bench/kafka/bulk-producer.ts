/** Writes the benchmarks' inputs: librdkafka, idempotent. */
import RdKafka from 'node-rdkafka';
import type { NewRecord } from '#engine/log/log.ts';

const timeoutMs = 120_000;
/** Larger than any benchmark's input: producing never waits. */
const maxQueuedRecords = 4_000_000;

export class BulkProducer {
  readonly #producer: RdKafka.Producer;

  private constructor(producer: RdKafka.Producer) {
    this.#producer = producer;
  }

  /** @param lingerMs how long a record may wait for others; 0 for measuring latency */
  static async connect(bootstrapServers: string, lingerMs: number): Promise<BulkProducer> {
    const producer = new RdKafka.Producer({
      'bootstrap.servers': bootstrapServers,
      'enable.idempotence': true,
      'linger.ms': lingerMs,
      'queue.buffering.max.messages': maxQueuedRecords,
      'queue.buffering.max.kbytes': 2_000_000,
    });
    await settled((done) => producer.connect({ timeout: timeoutMs }, done));
    return new BulkProducer(producer);
  }

  /** Takes a record for sending. */
  write({
    topic,
    partition,
    key,
    value,
    timestampMs,
    headers,
  }: NewRecord & { readonly partition: number }): void {
    const pairs = Object.entries(headers).map(([name, text]) => ({ [name]: text as string }));
    this.#producer.produce(topic, partition, value, key, timestampMs, undefined, pairs);
  }

  /** Resolves when the broker has everything. */
  async flush(): Promise<void> {
    await settled((done) => this.#producer.flush(timeoutMs, done));
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#producer.disconnect(timeoutMs, () => {
        resolve();
      });
    });
  }
}

function settled(step: (done: (error: unknown) => void) => unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    step((error) => {
      if (error === null || error === undefined) resolve();
      else reject(error instanceof Error ? error : new Error(JSON.stringify(error)));
    });
  });
}
