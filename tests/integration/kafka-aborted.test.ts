/** Commits that librdkafka's queue and an abort get in the way of: more than the queue takes, and what follows an aborted transaction of which a broker had taken a record without the producer's knowing. */
import { afterAll, expect, it } from 'vitest';
import { OffsetsHandle } from '#engine/kafka/driver/offsets-handle.ts';
import { type PlacedRecord, TransactionalProducer } from '#engine/kafka/driver/transactional-producer.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import { freePorts } from '#local/kafka/free-port.ts';
import { createTopics, kafkaForFile } from './kafka.fixture.ts';
import { readWithLibrdkafka } from './librdkafka.fixture.ts';
import { type LosingProxy, startLosingProxy } from './losing-proxy.fixture.ts';

let proxy: LosingProxy | undefined;
const local = kafkaForFile(async () => {
  await proxy?.close();
  const [port] = await freePorts('127.0.0.1', [], 1);
  proxy = await startLosingProxy(port!);
  return { ports: [port!], properties: { 'advertised.listeners': `PLAINTEXT://${proxy.address}` } };
});
/** Longer than a slow machine takes: neither the producer nor the broker ends a transaction before. */
const longMs = 120_000;
const patient = { transactionTimeoutMs: longMs, commitTimeoutMs: longMs };
const topic = 'aborted';
const { signal } = new AbortController();
let offsets: OffsetsHandle | undefined;

afterAll(async () => {
  await offsets?.close(2_000);
  await proxy?.close();
});

const recordOf = (value: string): PlacedRecord => ({
  topic,
  partition: 0,
  key: null,
  value: Buffer.from(value),
  timestampMs: Date.now(),
  headers: {},
});

it('loses no record of the next transaction', async (context) => {
  const kafka = local.of(context);
  const { address, lose, lost, heal } = proxy!;
  await createTopics(kafka, [{ topic }]);
  const connection = { brokers: [address] };
  offsets = await OffsetsHandle.open(connection, 'aborted', signal);
  const config = { connection, transactionalId: 'aborted', offsets, ...patient };
  const first = await TransactionalProducer.open(config, signal);
  await first.commit({ records: [recordOf('before')], positions: [] });
  lose();
  // The group's coordinator refuses positions of a topic that there is not, which aborts the transaction.
  const refused = [{ topic: 'there-is-none', partition: 0, offset: 1 }];
  await expect(first.commit({ records: [recordOf('aborted')], positions: refused })).rejects.toMatchObject({
    code: 'transaction-aborted',
    retryable: true,
  });
  expect(lost()).toBe(1);
  heal();
  const after = { records: [recordOf('after')], positions: [] };
  // librdkafka would give it the sequence number of the record that was aborted, and the broker would drop it.
  await expect(first.commit(after)).rejects.toMatchObject({ code: 'log-closed' });
  await first.close(2_000);
  const second = await TransactionalProducer.open(config, signal);
  await second.commit(after);
  await second.close(2_000);
  const hex = (value: string): string => Buffer.from(value).toString('hex');
  const committed = async (): Promise<unknown> =>
    (await readWithLibrdkafka(address, topic, 0)).map(({ value }) => value);
  // The coordinator answers before the marker is written.
  await expect.poll(committed, { timeout: longMs }).toEqual(['before', 'after'].map(hex));
  const all = await readWithLibrdkafka(address, topic, 0, 'read_uncommitted');
  expect(all.map(({ value }) => value)).toEqual(['before', 'aborted', 'after'].map(hex));
});

it('commits more than the queue takes at once', async (context) => {
  const kafka = local.of(context);
  const large = 'larger-than-the-queue';
  await createTopics(kafka, [{ topic: large }]);
  const connection = { brokers: [proxy!.address] };
  const handle = await OffsetsHandle.open(connection, large, signal);
  const producer = await TransactionalProducer.open(
    { connection, transactionalId: large, offsets: handle, ...patient },
    signal,
  );
  // The queue takes 256 MiB. The same bytes again and again are nothing once they are compressed.
  const value = Buffer.alloc(900_000, 'x');
  const records = Array.from({ length: 400 }, () => ({ ...recordOf(''), topic: large, value }));
  // More than the topic takes, if it were not compressed.
  records.push({ ...recordOf(''), topic: large, value: Buffer.alloc(3_000_000, 'x') });
  await producer.commit({ records, positions: [] });
  await producer.close(2_000);
  await handle.close(2_000);
  const reader = await KafkaReader.connect({ kafka: connection });
  try {
    // The coordinator answers before the marker is written.
    await expect.poll(() => reader.offsetOf(large, 0, 'end'), { timeout: longMs }).toBe(records.length + 1);
  } finally {
    await reader.close();
  }
});
