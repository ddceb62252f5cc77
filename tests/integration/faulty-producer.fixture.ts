/** The client's producer on a real broker, whose requests and answers a test can hold back, lose or change. */
import { connector } from '#client/producer/broker-connection.ts';
import { IdempotentProducer, type Trouble } from '#client/producer/idempotent-producer.ts';
import type { ProtocolCall } from '#client/producer/requests.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';

/** Stands between the producer and a broker: `call` carries the request out. */
export type Fault = (request: ProtocolCall<unknown>, call: () => Promise<unknown>) => Promise<unknown>;

export interface FaultyProducer {
  readonly producer: IdempotentProducer;
  /** What it told, with the beginning that it gave at that time. */
  readonly troubles: readonly Trouble[];
  /** @param ageMs for how long the record has waited already; 0 by default */
  readonly send: (topic: string, key: string, value: string, ageMs?: number) => Promise<void>;
}

/** Much longer than anything takes: a machine that is slow is no trouble, nor sends it anything twice. */
const longMs = 60_000;

/** Attempts wait for 50 ms, then twice as long and so on, up to 1 s. */
export function faultyProducer(kafka: LocalKafka, fault: Fault, deliveryTimeoutMs: number): FaultyProducer {
  const connect = connector({
    kafka: { brokers: kafka.bootstrapServers.split(',') },
    connectTimeoutMs: longMs,
    requestTimeoutMs: longMs,
    keepsProcess: true,
  });
  const troubles: Trouble[] = [];
  const producer: IdempotentProducer = new IdempotentProducer({
    connect: async (address) => {
      const connection = await connect(address);
      return {
        ...connection,
        call: <T>(call: ProtocolCall<T>) => fault(call, () => connection.call(call)) as Promise<T>,
      };
    },
    lingerMs: 5,
    maxBatchBytes: 2_000,
    deliveryTimeoutMs,
    firstPauseMs: 50,
    longestPauseMs: 1_000,
    compression: 'none',
    replicaTimeoutMs: 5_000,
    maxRequestBytes: 1 << 20,
    metadataAgeMs: 300_000,
    onTrouble: () => troubles.push(producer.trouble!),
  });
  return {
    producer,
    troubles,
    send: (topic, key, value, ageMs = 0) =>
      new Promise((resolve, reject) => {
        producer.send(topic, {
          key: Buffer.from(key),
          value: Buffer.from(value),
          headers: {},
          timestampMs: Date.now(),
          bytes: 60,
          queuedAtMs: performance.now() - ageMs,
          acknowledge: () => {
            resolve();
          },
          reject,
        });
      }),
  };
}
