/**
 * The input of the sink benchmark: samples of devices' I/O, as `weir host` measures them, in Confluent's framing, so that
 * any reader with a schema registry reads the same topic.
 *
 * I1  All events are of one day, yesterday: brokers keep them, and each insert makes one part.
 */
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { partitionOf } from '#engine/log/murmur2.ts';
import { deadLetters, schemas } from '#engine/records/generated.ts';
import { cloudEventHeaders } from '#engine/task/cloud-events.ts';
import { eventTimeMsOf, keyOf, type Stream } from '#engine/topology/stream.ts';
import { createClient } from '#client/client.ts';
import { ioSamples, type IoSample } from '#schemas/failover/generated.ts';
import { deviceModel } from '../codecs/sample-rows.ts';
import type { BenchCluster } from '../kafka/bench-cluster.ts';
import { BulkProducer } from '../kafka/bulk-producer.ts';

const dayMs = 86_400_000;
/** Samples of a device are a second apart. */
const mostSecondsOfDay = 86_000;
const lingerMs = 50;

/** Writes `rows` samples of `devices`. @returns the stream that they are of */
export async function writeSamples(
  cluster: BenchCluster,
  size: { readonly rows: number; readonly devices: number },
  confluentId: number,
): Promise<Stream<IoSample>> {
  const { rows, devices } = size;
  if (rows / devices > mostSecondsOfDay)
    throw new RangeError(`${rows} rows of ${devices} devices are more than a day`);
  const stream = ioSamples;
  await cluster.createTopics(stream, deadLetters, schemas);
  await announce(cluster, stream, confluentId);
  const codec = eventCodec(stream, new WriterSchemas(), { confluentId });
  const producer = await BulkProducer.connect(cluster.bootstrapServers, lingerMs);
  const startMs = Math.floor(Date.now() / dayMs - 1) * dayMs;
  const models = Array.from({ length: devices }, (_, i) => deviceModel(i, startMs));
  for (let n = 0; n < rows; n += 1) {
    const event = models[n % devices]!(Math.floor(n / devices));
    const key = Buffer.from(keyOf(stream, event));
    const timestampMs = eventTimeMsOf(stream, event);
    producer.write({
      topic: stream.topic,
      partition: partitionOf(key, stream.partitions),
      key,
      value: codec.encode(event),
      timestampMs,
      headers: cloudEventHeaders(`${n}`, `/bench/${event.host}`, stream.name, timestampMs),
    });
  }
  await producer.flush();
  await producer.close();
  return stream;
}

/** Weir's sink learns ids of a registry from `weir.schemas`, and asks no registry. */
async function announce(cluster: BenchCluster, stream: Stream<unknown>, confluentId: number): Promise<void> {
  const client = createClient({ brokers: [cluster.bootstrapServers], source: '/bench' });
  await client.announce(stream, confluentId);
  await client.close();
}
