/**
 * The proof for the counting app: each item is counted once in its window or told once as late, and the replay gives the same bytes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { kafkajsConfig } from '#engine/kafka/connection.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import type { LogRecord } from '#engine/log/log.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import type { Stream } from '#engine/topology/stream.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import type { Item } from '../integration/folding.fixture.ts';
import { countingApp, windowMs, type Count, type Counting } from './counting.fixture.ts';
import { verdict } from '../support/verdict.ts';
import { connectionTo, proveReplayed, readRecords } from './proof.fixture.ts';

type Cluster = Pick<LocalKafka, 'bootstrapServers'>;

/** The counting app of a name, with its topics. */
export async function countingOn(kafka: Cluster, name: string, partitions = 2): Promise<Counting> {
  const counting = countingApp(name, partitions);
  await ensureTopics(connectionTo(kafka), plannedTopics(counting.app));
  return counting;
}

export interface CountingProof {
  /** Good items in the log. */
  readonly items: readonly Item[];
  /** Those that came late. */
  readonly lates: readonly Item[];
  /** Windows that were closed. */
  readonly counts: readonly Count[];
}

/** Much longer than anything takes: a machine that is slow fails no test. */
const untilMs = 120_000;

/** Resolves when each good item is counted in a window that is closed, or told as late. Rejects after two minutes. */
export async function untilCounted(
  kafka: Cluster,
  counting: Counting,
  isGood: (record: LogRecord) => boolean = () => true,
): Promise<void> {
  const reader = await KafkaReader.connect({ kafka: kafkajsConfig(connectionTo(kafka)) });
  try {
    const codec = eventCodec(counting.counts, new WriterSchemas());
    for (const giveUpAtMs = performance.now() + untilMs; ;) {
      const done = (await readRecords(reader, counting.counts))
        .map(({ record }) => codec.decode(record.value!).count)
        .reduce((sum, count) => sum + count, (await readRecords(reader, counting.lates)).length);
      const inputs = [
        ...(await readRecords(reader, counting.items)),
        ...(await readRecords(reader, counting.others)),
      ];
      const all = inputs.filter(({ record }) => isGood(record)).length;
      if (done >= all) return;
      if (performance.now() > giveUpAtMs)
        throw new Error(`only ${done} of ${all} items are counted or late in ${untilMs / 1_000} s`);
      await sleep(200);
    }
  } finally {
    await reader.close();
  }
}

/**
 * To be called when the workers have stopped and every window is closed.
 *
 * @param isGood of an input record; what is not good must not be counted. All by default.
 */
export const proveCounted = (
  kafka: Cluster,
  counting: Counting,
  isGood: (record: LogRecord) => boolean = () => true,
): Promise<CountingProof> => verdict(() => expectCounted(kafka, counting, isGood));

async function expectCounted(
  kafka: Cluster,
  counting: Counting,
  isGood: (record: LogRecord) => boolean,
): Promise<CountingProof> {
  await proveReplayed(kafka, counting.app);
  const reader = await KafkaReader.connect({ kafka: kafkajsConfig(connectionTo(kafka)) });
  try {
    const read = async <T>(
      stream: Stream<T>,
      isWanted: (record: LogRecord) => boolean = () => true,
    ): Promise<T[]> => {
      const codec = eventCodec(stream, new WriterSchemas());
      const records = await readRecords(reader, stream);
      return records
        .filter(({ record }) => isWanted(record))
        .map(({ record }) => codec.decode(record.value!));
    };
    const items = [...(await read(counting.items, isGood)), ...(await read(counting.others, isGood))];
    const lates = await read(counting.lates);
    const counts = await read(counting.counts);
    expect(new Set(lates.map(({ id }) => id)).size, 'late items that were told twice').toBe(lates.length);
    const late = new Set(lates.map(({ id }) => id));
    const expected = new Map<string, number>();
    for (const { id, thing, at } of items) {
      if (late.delete(id)) continue;
      const window = `${thing} ${Math.floor(at / windowMs) * windowMs + windowMs}`;
      expected.set(window, (expected.get(window) ?? 0) + 1);
    }
    expect([...late], 'late items that are no inputs').toEqual([]);
    const counted = counts.map(({ thing, at, count }) => `${thing} ${at}: ${count}`);
    expect(counted.sort()).toEqual([...expected].map(([window, count]) => `${window}: ${count}`).sort());
    return { items, lates, counts };
  } finally {
    await reader.close();
  }
}
