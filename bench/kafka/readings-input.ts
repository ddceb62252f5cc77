/**
 * The input of the throughput benchmark: readings of sensors whose event time goes on evenly, and the sums that any
 * contender must come to.
 *
 * I1  Times are of the last minutes: brokers keep them, and no reader takes them for the future.
 * I2  The last record of each partition closes every window before it; its own window is in nobody's result.
 */
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { partitionOf } from '#engine/log/murmur2.ts';
import { cloudEventHeaders } from '#engine/task/cloud-events.ts';
import { readingStream } from '../windowed-sum.ts';
import type { BenchCluster } from './bench-cluster.ts';
import { BulkProducer } from './bulk-producer.ts';

export const windowMs = 10_000;
/** Events per millisecond of event time: a key has one event in 200 ms, a full window 50 of them. */
const perMs = 50;

/** What was written. */
export interface ReadingsInput {
  readonly topic: string;
  readonly partitions: number;
  readonly records: number;
  /** The end of each partition. */
  readonly ends: readonly number[];
  /** `<sensor>@<window start>` -> the window's sum. */
  readonly sums: ReadonlyMap<string, number>;
}

/** Writes `records` readings of `keys` sensors. */
export async function writeReadings(
  cluster: BenchCluster,
  size: { readonly records: number; readonly keys: number; readonly partitions: number },
): Promise<ReadingsInput> {
  const { records, keys, partitions } = size;
  const stream = readingStream(partitions);
  const codec = eventCodec(stream, new WriterSchemas());
  await cluster.createTopic(stream.topic, partitions);
  const producer = await BulkProducer.connect(cluster.bootstrapServers, 50);
  const startMs = Math.floor((Date.now() - records / perMs) / windowMs) * windowMs;
  const names = Array.from({ length: keys }, (_, i) => `sensor-${i}`);
  const ends = new Array<number>(partitions).fill(0);
  const sums = new Map<string, number>();
  const write = (sensor: string, at: number, value: number, to?: number): void => {
    const key = Buffer.from(sensor);
    const partition = to ?? partitionOf(key, partitions);
    ends[partition]! += 1;
    const headers = cloudEventHeaders(String(value), '/bench', stream.name, at);
    producer.write({
      topic: stream.topic,
      partition,
      key,
      value: codec.encode({ sensor, at, value }),
      timestampMs: at,
      headers,
    });
  };
  for (let n = 0; n < records; n += 1) {
    const sensor = names[(n * 7919) % keys]!;
    const at = startMs + Math.floor(n / perMs);
    write(sensor, at, n);
    const window = `${sensor}@${at - (at % windowMs)}`;
    sums.set(window, (sums.get(window) ?? 0) + n);
    // Gives way, so that librdkafka's delivery reports do not pile up.
    if (n % 50_000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const closeMs = startMs + Math.ceil(records / perMs / windowMs) * windowMs;
  for (let partition = 0; partition < partitions; partition += 1)
    write(`closer-${partition}`, closeMs, 0, partition);
  await producer.flush();
  await producer.close();
  return { topic: stream.topic, partitions, records, ends, sums };
}
