/**
 * The record that a letter is of. The letter has its bytes, except where they were too large for it: then, and where the record
 * had no value, it is read again from its place.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import { headersOf, type Letter, type Original } from './letter.ts';

/** The record, or why there is none to be had. */
export type Found = { readonly original: Original } | { readonly missing: string };

/** A leader that was just elected may not know yet how far its predecessor had come. */
const idlePauseMs = 5;

/** A letter has no key also where it was too large for it. */
const mayBeOf = (letterKey: Buffer | null, key: Buffer | null): boolean =>
  letterKey === null || (key !== null && letterKey.equals(key));

/** @throws EngineError as KafkaReader */
export async function originalOf(reader: KafkaReader, letter: Letter, signal: AbortSignal): Promise<Found> {
  const { partition, offset, value, key, recordTimestampMs } = letter;
  if (partition === null || offset === null)
    return { missing: 'it never was on a topic: mend the line and give it to weir produce' };
  if (value !== null)
    return {
      original: { key, value, headers: headersOf(letter), timestampMs: recordTimestampMs ?? Date.now() },
    };
  return readAgain(reader, { ...letter, partition, offset }, signal);
}

type Placed = Letter & { readonly partition: number; readonly offset: number };

async function readAgain(
  reader: KafkaReader,
  { topic, partition, offset, key, recordTimestampMs }: Placed,
  signal: AbortSignal,
): Promise<Found> {
  const missing = {
    missing: `its letter has no value, and ${topic}/${partition} does not have the record any more`,
  };
  const start = await reader.offsetOf(topic, partition, 'start');
  const end = await reader.offsetOf(topic, partition, 'end');
  if (offset < start || offset >= end) return missing;
  const reading = await reader.assign(topic, partition, offset);
  try {
    while (reading.position <= offset && reading.position < end) {
      await reading.settled(signal);
      signal.throwIfAborted();
      const [record] = reading.take(1);
      if (record === undefined) {
        await sleep(idlePauseMs);
        continue;
      }
      // A letter has no timestamp where its record's was none: such a record gets that of now.
      const { value, headers } = record;
      const timestampMs = recordTimestampMs ?? Date.now();
      const isTimeOf = recordTimestampMs === null || record.timestampMs === recordTimestampMs;
      if (record.offset !== offset || !mayBeOf(key, record.key) || !isTimeOf) return missing;
      return { original: { key: record.key, value, headers, timestampMs } };
    }
    return missing;
  } finally {
    reader.unassign(reading);
  }
}
