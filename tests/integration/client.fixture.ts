/** What tests of the client publish, and everything that then lies in a topic. */
import { setTimeout as sleep } from 'node:timers/promises';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import type { LogRecord } from '#engine/log/log.ts';
import { schemas } from '#engine/records/generated.ts';
import type { RecordSchema } from '#engine/topology/stream.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { type LinkState, linkStates } from '#schemas/migration/generated.ts';
import { createTopics } from './kafka.fixture.ts';

/** A stream like `linkStates` on a topic of its own. */
export const linksOn = (topic: string): typeof linkStates => ({ ...linkStates, topic });

/** The `n`th report of a device; `path_epoch` is `n`. */
export function linkState(device: string, n: number): LinkState {
  return {
    device_id: device,
    vm_id: `vm-of-${device}`,
    mac: '52:54:00:00:00:01',
    host: 'host-a',
    interface: 'primary',
    attached: true,
    link_up: n % 2 === 0,
    path_epoch: n,
    observed_at: 1_700_000_000_000 + n,
  };
}

export interface PlacedRecord extends LogRecord {
  readonly partition: number;
}

/** Every committed record of a topic, by partition and offset. */
export async function recordsOf(kafka: LocalKafka, topic: string): Promise<PlacedRecord[]> {
  const reader = await KafkaReader.connect({ kafka: { brokers: kafka.bootstrapServers.split(',') } });
  try {
    const records: PlacedRecord[] = [];
    const partitions = await reader.partitionCount(topic);
    for (let partition = 0; partition < partitions; partition++) {
      const end = await reader.offsetOf(topic, partition, 'end');
      const reading = await reader.assign(topic, partition, 0);
      const giveUpAtMs = performance.now() + 60_000;
      while (reading.position < end) {
        for (const { offset, key, value, timestampMs, headers } of reading.take(1000))
          records.push({ offset, key, value, timestampMs, headers, partition });
        if (performance.now() > giveUpAtMs)
          throw new Error(`at ${reading.position} of ${end} in ${topic}-${partition}`);
        if (reading.available === 0 && reading.position < end) await sleep(2);
      }
      reader.unassign(reading);
    }
    return records;
  } finally {
    await reader.close();
  }
}

/** The schemas that were announced, and no others. */
export async function announcedSchemas(kafka: LocalKafka): Promise<WriterSchemas> {
  const announced = new WriterSchemas();
  const codec = eventCodec(schemas, new WriterSchemas());
  for (const { value } of await recordsOf(kafka, schemas.topic))
    if (value !== null) announced.addAnnouncement(codec.decode(value));
  return announced;
}

/** The events of a topic, resolved by what was announced alone. */
export async function eventsOf<T>(
  kafka: LocalKafka,
  topic: string,
  schema: RecordSchema<T>,
): Promise<readonly (PlacedRecord & { readonly event: T })[]> {
  const codec = eventCodec(schema, await announcedSchemas(kafka));
  return (await recordsOf(kafka, topic)).map((record) => ({ ...record, event: codec.decode(record.value!) }));
}

/** Topics for link states, and `weir.schemas`. */
export async function createClientTopics(
  kafka: LocalKafka,
  topics: readonly {
    readonly topic: string;
    readonly partitions?: number;
    readonly config?: Readonly<Record<string, string>>;
  }[],
): Promise<void> {
  await createTopics(kafka, [...topics, { topic: schemas.topic, config: { 'cleanup.policy': 'compact' } }]);
}
