/** The offsets of a partition's committed records, read from Kafka: what an audit holds against what became of them. */
import { EngineError } from '../../engine-error.ts';
import { systemClock } from '../../log/clock.ts';
import type { KafkaReader } from './kafka-reader.ts';

export interface OffsetsFound {
  /** Ascending. */
  readonly found: readonly number[];
  /** They are all that there are from the end of the one before (or the start) to here. */
  readonly to: number;
  readonly isLast: boolean;
}

export interface PartitionRange {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  /** At most the partition's end (`KafkaReader.offsetOf`). */
  readonly to: number;
}

/** Leaders may move meanwhile; who reads on is not kept waiting for a broker that stands still. */
const standstillMs = 30_000;
/**
 * How soon, and how long, an end before the range's is looked at again: a leader that was just elected may not know for a moment how
 * far its predecessor had come (KIP-207). Then it is believed: the topic was made anew.
 */
const endPollMs = 50;
const endWaitMs = 5_000;

/**
 * The offsets in a range, about `chunk` at a time; the last one may be empty.
 *
 * @throws the signal's reason; EngineError `kafka-unreachable` when nothing comes for 30 s, and as `KafkaReader.assign` and `PartitionReader.take`
 */
export async function* committedOffsets(
  reader: Pick<KafkaReader, 'assign' | 'unassign'>,
  { topic, partition, from, to }: PartitionRange,
  chunk: number,
  signal: AbortSignal,
): AsyncGenerator<OffsetsFound> {
  const reading = await reader.assign(topic, partition, from);
  const stuck = new AbortController();
  const timer = setTimeout(() => {
    stuck.abort(
      new EngineError(
        'kafka-unreachable',
        `${topic}/${partition}, offset ${reading.position}: nothing came for ${standstillMs / 1_000} s`,
        { retryable: true },
      ),
    );
  }, standstillMs);
  const ended = AbortSignal.any([signal, stuck.signal]);
  try {
    let found: number[] = [];
    let believeEndAtMs = Infinity;
    while (reading.position < to) {
      timer.refresh();
      await reading.settled(ended);
      ended.throwIfAborted();
      for (const { offset } of reading.take(chunk)) if (offset < to) found.push(offset);
      if (found.length >= chunk) {
        yield { found, to: reading.position, isLast: reading.position >= to };
        if (reading.position >= to) return;
        found = [];
      }
      if (!reading.isAtEnd || reading.position >= to) {
        believeEndAtMs = Infinity;
        continue;
      }
      if (believeEndAtMs === Infinity) believeEndAtMs = performance.now() + endWaitMs;
      if (performance.now() > believeEndAtMs) break;
      await systemClock.sleep(endPollMs, ended);
    }
    yield { found, to, isLast: true };
  } finally {
    clearTimeout(timer);
    reader.unassign(reading);
  }
}
