/**
 * What has been redriven, and when: the compacted topic `weir.redriven`, a mark for each origin, written in the transaction that
 * writes the record.
 *
 * The key is the origin alone. A record that two readers could not process has two letters; written once, it is read by both.
 *
 * I1  A mark is never removed: the topic is compacted, and has one partition, so one look reads all of them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { answered } from '#engine/kafka/answered.ts';
import type { PlacedRecord } from '#engine/kafka/driver/transactional-producer.ts';
import type { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import type { PlannedTopic } from '#engine/kafka/topics/planned-topic.ts';
import type { LogRecord } from '#engine/log/log.ts';
import type { Letter } from './letter.ts';

export const redrivenTopic: PlannedTopic = {
  topic: 'weir.redriven',
  what: 'table of what was redriven',
  partitions: 1,
  settings: { 'cleanup.policy': 'compact' },
  requirements: [
    {
      setting: 'cleanup.policy',
      equals: 'compact',
      because: 'a dead letter whose mark is deleted would be redriven a second time',
    },
  ],
};

const chunk = 1_000;
/** Leaders may move meanwhile; nobody is kept waiting for a broker that stands still. */
const standstillMs = 30_000;
/** A leader that was just elected may not know yet how far its predecessor had come. */
const idlePauseMs = 5;

/** The mark of a letter that is redriven now. */
export function markOf({ origin, readers }: Letter, atMs: number): PlacedRecord {
  return {
    topic: redrivenTopic.topic,
    partition: 0,
    key: Buffer.from(origin),
    value: Buffer.from(JSON.stringify({ origin, readers, redriven_at: new Date(atMs).toISOString() })),
    timestampMs: atMs,
    headers: {},
  };
}

/**
 * The origins that have been redriven, with the time of it in milliseconds. The topic must be there.
 *
 * @throws EngineError `kafka-unreachable` when nothing comes for 30 s, and as KafkaReader; the signal's reason
 */
export async function redrivenOrigins(
  reader: KafkaReader,
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const { topic } = redrivenTopic;
  const end = await reader.offsetOf(topic, 0, 'end');
  const reading = await reader.assign(topic, 0, await reader.offsetOf(topic, 0, 'start'));
  const found = new Map<string, number>();
  const note = ({ key, timestampMs }: LogRecord): void => {
    if (key !== null) found.set(key.toString(), timestampMs);
  };
  try {
    while (reading.position < end) {
      await answered(reading.settled(signal), { what: `${topic}/0`, timeoutMs: standstillMs, signal });
      signal.throwIfAborted();
      const records = reading.take(chunk);
      records.forEach(note);
      if (records.length === 0) await sleep(idlePauseMs);
    }
  } finally {
    reader.unassign(reading);
  }
  return found;
}
