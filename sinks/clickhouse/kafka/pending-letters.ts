/**
 * Dead letters of the sink's that are on their topic and that it has not come to there: their records have neither a row nor a
 * row of their letter. They are found by their headers, so letters of any version are known.
 *
 * I1  Letters are written in the transaction that moves the position past their records. So whoever reads the positions first,
 *     those of the letters' partitions among them, and then the letters behind these, misses none that is not in its table.
 * I2  Memory is bounded: what is not read is counted.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '#engine/engine-error.ts';
import { answered } from '#engine/kafka/answered.ts';
import type { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import type { Committed } from '#engine/log/log.ts';
import { deadLetters } from '#engine/records/generated.ts';
import { recordHeaderText } from '#engine/task/cloud-events.ts';
import type { FormerLetters } from './former-letters.ts';

export interface PendingLetters {
  /** `<topic>/<partition>/<offset>` of the records. */
  readonly origins: ReadonlySet<string>;
  /** Offsets of the letters' topic that were not read: there are too many. */
  readonly unread: number;
}

export interface PendingConfig {
  readonly reader: KafkaReader;
  /** The group's, by `<topic>/<partition>`. */
  readonly positions: ReadonlyMap<string, Committed>;
  /** Letters that do not count. */
  readonly formerLetters: FormerLetters;
  /** How long brokers may take for an answer, in milliseconds. */
  readonly answerMs: number;
  readonly signal: AbortSignal;
}

const sinkSource = '/weir/sink/clickhouse';
const chunk = 1_000;
/** How soon, and how long, an end that lies too far back is looked at again: that of a leader just elected (KIP-207). */
const endPollMs = 50;
const endWaitMs = 5_000;
/** Some 60 MB of them. */
const maxLetters = 500_000;

/** Reads them up to the end that the topic has now. Without that topic there are none. @throws EngineError as KafkaReader */
export async function pendingLetters(config: PendingConfig): Promise<PendingLetters> {
  const origins = new Set<string>();
  let unread = 0;
  try {
    for (let partition = 0; partition < deadLetters.partitions; partition += 1)
      unread += await readPartition(config, partition, origins);
  } catch (error) {
    if (!(error instanceof EngineError && error.code === 'unknown-topic')) throw error;
  }
  return { origins, unread };
}

/** Of `<topic>/<partition>/<offset>`. */
const topicOf = (origin: string): string => origin.replace(/\/\d+\/\d+$/, '');

/** How many offsets are left unread. */
async function readPartition(
  { reader, positions, formerLetters, answerMs, signal }: PendingConfig,
  partition: number,
  origins: Set<string>,
): Promise<number> {
  const { topic } = deadLetters;
  const place = `${topic}/${partition}`;
  const ask = <T>(work: Promise<T>): Promise<T> =>
    answered(work, { what: place, timeoutMs: answerMs, signal });
  const start = await ask(reader.offsetOf(topic, partition, 'start'));
  const end = await ask(reader.offsetOf(topic, partition, 'end'));
  const from = Math.max(start, positions.get(place)?.offset ?? 0);
  if (from >= end) return 0;
  const reading = await ask(reader.assign(topic, partition, from));
  try {
    let foundAtMs = performance.now();
    while (reading.position < end && origins.size < maxLetters) {
      await ask(reading.settled(signal));
      const records = reading.take(chunk);
      for (const record of records) {
        const origin = recordHeaderText(record, 'ce_id');
        if (origin === undefined || recordHeaderText(record, 'ce_source') !== sinkSource) continue;
        const formerEnd = formerLetters.get(topicOf(origin))?.[partition] ?? 0;
        if (record.offset >= formerEnd) origins.add(origin);
      }
      if (records.length > 0) foundAtMs = performance.now();
      else if (performance.now() - foundAtMs > endWaitMs) break;
      else await sleep(endPollMs, undefined, { signal });
    }
    return Math.max(0, end - reading.position);
  } finally {
    reader.unassign(reading);
  }
}
