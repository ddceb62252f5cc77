/** librdkafka, by node-rdkafka, as the tests compare Weir's reading of Kafka with: its reader and its transactions. */
import RdKafka from 'node-rdkafka';
import type { Headers, LogRecord } from '#engine/log/log.ts';

/** Much longer than anything takes: a machine that is slow fails no test. */
const timeoutMs = 120_000;
/** Brokers end a transaction that is left open for longer; a test that wants this names a shorter time. */
const transactionTimeoutMs = 600_000;

/** A record in a form that compares and prints well. */
export interface PlainRecord {
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly timestampMs: number;
  readonly headers: readonly string[];
}

const hex = (bytes: Buffer | string | null | undefined): string | null =>
  bytes === null || bytes === undefined ? null : Buffer.from(bytes).toString('hex');

function plainHeaders(headers: Headers): string[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().map((one) => `${name}=${hex(one as Buffer) ?? ''}`),
  );
}

export const plain = ({ offset, key, value, timestampMs, headers }: LogRecord): PlainRecord => ({
  offset,
  key: hex(key),
  value: hex(value),
  timestampMs,
  headers: plainHeaders(headers),
});

/** Everything of a partition that librdkafka reads before it says that it is at the end. */
export function readWithLibrdkafka(
  bootstrapServers: string,
  topic: string,
  partition: number,
  isolation: 'read_committed' | 'read_uncommitted' = 'read_committed',
): Promise<PlainRecord[]> {
  const consumer = new RdKafka.KafkaConsumer(
    {
      'bootstrap.servers': bootstrapServers,
      'group.id': 'compared',
      'isolation.level': isolation,
      'enable.partition.eof': true,
      'enable.auto.commit': false,
    },
    { 'auto.offset.reset': 'error' },
  );
  // Its loop looks this often whether it shall end, 1 s otherwise, and pauses so long when nothing came, 500 ms otherwise.
  consumer.setDefaultConsumeTimeout(20);
  consumer.setDefaultConsumeLoopTimeoutDelay(5);
  const records: PlainRecord[] = [];
  const read = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`librdkafka did not reach the end of ${topic}-${partition}`));
    }, timeoutMs);
    const end = (error?: unknown): void => {
      clearTimeout(timer);
      if (error === undefined) resolve();
      else reject(error instanceof Error ? error : new Error(JSON.stringify(error)));
    };
    consumer.on('event.error', end);
    consumer.on('partition.eof', () => {
      end();
    });
    consumer.on('data', ({ offset, key, value, timestamp, headers }) => {
      const pairs = (headers ?? []).flatMap((header) => Object.entries(header));
      records.push({
        offset,
        key: hex(key),
        value: hex(value),
        timestampMs: timestamp ?? -1,
        headers: pairs.map(([name, of]) => `${name}=${hex(of as unknown as Buffer) ?? ''}`),
      });
    });
    consumer.connect({ timeout: timeoutMs }, (error: unknown) => {
      if (error !== null && error !== undefined) {
        end(error);
        return;
      }
      consumer.assign([{ topic, partition, offset: 0 }]);
      consumer.consume();
    });
  });
  return read
    .then(() => records)
    .finally(
      () =>
        new Promise<void>((resolve) => {
          consumer.disconnect(() => {
            resolve();
          });
        }),
    );
}

export interface Written {
  readonly topic: string;
  readonly partition: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** That of now without it. */
  readonly timestampMs?: number;
}

/** A producer of librdkafka whose every step is finished when its promise resolves. */
export class TestProducer {
  readonly #producer: RdKafka.Producer;

  private constructor(producer: RdKafka.Producer) {
    this.#producer = producer;
  }

  /** @param settings of librdkafka; with `transactional.id` its transactions are initialised */
  static async connect(
    bootstrapServers: string,
    settings: Readonly<Record<string, string | number | boolean>> = {},
  ): Promise<TestProducer> {
    const producer = new RdKafka.Producer({
      'bootstrap.servers': bootstrapServers,
      'linger.ms': 5,
      ...(settings['transactional.id'] === undefined
        ? {}
        : { 'transaction.timeout.ms': transactionTimeoutMs }),
      ...settings,
    });
    await new Promise<void>((resolve, reject) => {
      producer.connect({ timeout: timeoutMs }, (error: unknown) => {
        if (error === null || error === undefined) resolve();
        else reject(error instanceof Error ? error : new Error(JSON.stringify(error)));
      });
    });
    const made = new TestProducer(producer);
    if (settings['transactional.id'] !== undefined)
      await made.#call((done) => {
        producer.initTransactions(timeoutMs, done);
      });
    return made;
  }

  /**
   * Resolves when the last transaction of an id that was committed or aborted has its markers in the log: a broker answers before it
   * has written them. The producer that has the id can do no more then.
   */
  static async untilDecided(bootstrapServers: string, transactionalId: string): Promise<void> {
    // The coordinator takes no successor before that.
    const successor = await TestProducer.connect(bootstrapServers, { 'transactional.id': transactionalId });
    await successor.close();
  }

  begin(): Promise<void> {
    return this.#call((done) => {
      this.#producer.beginTransaction(done);
    });
  }

  commit(): Promise<void> {
    return this.#call((done) => {
      this.#producer.commitTransaction(timeoutMs, done);
    });
  }

  abort(): Promise<void> {
    return this.#call((done) => {
      this.#producer.abortTransaction(timeoutMs, done);
    });
  }

  /** Resolves when the brokers have the records. */
  async write(records: readonly Written[], headers: readonly Record<string, string>[] = []): Promise<void> {
    for (const { topic, partition, key, value, timestampMs = Date.now() } of records)
      this.#producer.produce(topic, partition, value, key, timestampMs, undefined, [...headers]);
    await this.#call((done) => {
      this.#producer.flush(timeoutMs, done);
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#producer.disconnect(timeoutMs, () => {
        resolve();
      });
    });
  }

  #call(step: (done: (error: unknown) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      step((error) => {
        if (error === null || error === undefined) resolve();
        else reject(error instanceof Error ? error : new Error(JSON.stringify(error)));
      });
    });
  }
}
