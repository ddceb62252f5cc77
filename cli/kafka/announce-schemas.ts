/**
 * The schemas of this build, announced on `weir.schemas` before anything is written with them: readers of other builds resolve
 * every version by what stands there.
 *
 * I1  What stands there already is left alone: a start does not make the topic longer.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { eventCodec, type EventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { kafkajsConfig, type KafkaConnection } from '#engine/kafka/connection.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import type { PartitionReader } from '#engine/kafka/reader/partition-reader.ts';
import type { Publisher } from '#engine/log/publisher.ts';
import { schemas, type SchemaAnnouncement } from '#engine/records/generated.ts';
import type { App } from '#engine/topology/app.ts';

const batch = 1_000;
const idlePauseMs = 5;

/**
 * Fingerprints of the schemas that stand on `weir.schemas`, as 16 hexadecimal digits.
 *
 * @throws EngineError as KafkaReader; the signal's reason
 */
export async function announcedSchemas(
  connection: KafkaConnection,
  signal: AbortSignal,
): Promise<Set<string>> {
  const reader = await KafkaReader.connect({ kafka: kafkajsConfig(connection), maxWaitMs: 100 });
  try {
    const end = await reader.offsetOf(schemas.topic, 0, 'end');
    const partition = await reader.assign(schemas.topic, 0, await reader.offsetOf(schemas.topic, 0, 'start'));
    return await fingerprintsUpTo(partition, end, signal);
  } finally {
    await reader.close();
  }
}

/** Fingerprints in what the partition has before `end`, an offset. @throws EngineError as `take`; the signal's reason */
export async function fingerprintsUpTo(
  partition: PartitionReader,
  end: number,
  signal: AbortSignal,
): Promise<Set<string>> {
  const found = new Set<string>();
  const codec = eventCodec(schemas, new WriterSchemas());
  while (partition.position < end) {
    await partition.settled(signal);
    signal.throwIfAborted();
    const records = partition.take(batch);
    for (const { value } of records) {
      const fingerprint = value === null ? undefined : fingerprintIn(value, codec);
      if (fingerprint !== undefined) found.add(fingerprint);
    }
    // A leader that was just elected may not know yet how far its predecessor had come.
    if (records.length === 0) await sleep(idlePauseMs);
  }
  return found;
}

/** An announcement that cannot be read is none; those who follow the topic say so. */
function fingerprintIn(value: Buffer, codec: EventCodec<SchemaAnnouncement>): string | undefined {
  try {
    return codec.decode(value).fingerprint;
  } catch {
    return undefined;
  }
}

/** Publishes what is not in `announced` yet, and adds it there. Resolves to how many it were. */
export async function announceSchemas(
  app: App,
  publisher: Publisher,
  announced: Set<string>,
): Promise<number> {
  const own = new WriterSchemas();
  for (const stream of app.streams) eventCodec(stream, own);
  const missing = own.announcements(Date.now()).filter(({ fingerprint }) => !announced.has(fingerprint));
  // First, for a publisher that looks there announces an announcement's own schema too.
  for (const { fingerprint } of missing) announced.add(fingerprint);
  await Promise.all(missing.map((announcement) => publisher.publish(schemas, announcement)));
  return missing.length;
}
