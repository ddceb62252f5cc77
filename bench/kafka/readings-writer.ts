/** Writes readings to a topic, with CloudEvents headers as every producer of Weir's writes them, and counts them. */
import { type EventCodec, eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { partitionOf } from '#engine/log/murmur2.ts';
import { cloudEventHeaders } from '#engine/task/cloud-events.ts';
import type { Stream } from '#engine/topology/stream.ts';
import type { Reading } from '../windowed-sum.ts';
import type { BenchCluster } from './bench-cluster.ts';
import { BulkProducer } from './bulk-producer.ts';

export class ReadingsWriter {
  /** The end of each partition. */
  readonly ends: number[];
  readonly #stream: Stream<Reading>;
  readonly #codec: EventCodec<Reading>;
  readonly #producer: BulkProducer;
  #written = 0;

  private constructor(stream: Stream<Reading>, producer: BulkProducer) {
    this.#stream = stream;
    this.#codec = eventCodec(stream, new WriterSchemas());
    this.#producer = producer;
    this.ends = new Array<number>(stream.partitions).fill(0);
  }

  /** Creates the stream's topic. `lingerMs`: how long a reading may wait for others; 0 for measuring latency. */
  static async open(
    cluster: BenchCluster,
    stream: Stream<Reading>,
    lingerMs: number,
  ): Promise<ReadingsWriter> {
    await cluster.createTopics(stream);
    return new ReadingsWriter(stream, await BulkProducer.connect(cluster.bootstrapServers, lingerMs));
  }

  /** To `partition`, or where the sensor belongs. */
  write(reading: Reading, partition?: number): void {
    const { topic, name, partitions } = this.#stream;
    const key = Buffer.from(reading.sensor);
    const to = partition ?? partitionOf(key, partitions);
    this.ends[to]! += 1;
    this.#written += 1;
    this.#producer.write({
      topic,
      partition: to,
      key,
      value: this.#codec.encode(reading),
      timestampMs: reading.at,
      headers: cloudEventHeaders(String(this.#written), '/bench', name, reading.at),
    });
  }

  /** Resolves when the broker has everything. */
  flush(): Promise<void> {
    return this.#producer.flush();
  }

  async close(): Promise<void> {
    await this.#producer.flush();
    await this.#producer.close();
  }
}
