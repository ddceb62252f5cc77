/**
 * The input of the throughput benchmark: readings of sensors whose event time goes on evenly, and the sums that any
 * contender must come to.
 *
 * I1  Times are of the last minutes: brokers keep them, and no reader takes them for the future.
 * I2  The last record of each partition closes every window before it; its own window is in nobody's result.
 */
import { readingStream } from '../windowed-sum.ts';
import type { BenchCluster } from './bench-cluster.ts';
import { ReadingsWriter } from './readings-writer.ts';

export const windowMs = 10_000;
/** Events per millisecond of event time: a key has one event in 200 ms, a full window 50 of them. */
const perMs = 50;
const lingerMs = 50;

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
  const writer = await ReadingsWriter.open(cluster, stream, lingerMs);
  const startMs = Math.floor((Date.now() - records / perMs) / windowMs) * windowMs;
  const names = Array.from({ length: keys }, (_, i) => `sensor-${i}`);
  const sums = new Map<string, number>();
  for (let n = 0; n < records; n += 1) {
    const sensor = names[(n * 7919) % keys]!;
    const at = startMs + Math.floor(n / perMs);
    writer.write({ sensor, at, value: n });
    const window = `${sensor}@${at - (at % windowMs)}`;
    sums.set(window, (sums.get(window) ?? 0) + n);
  }
  const closeMs = startMs + Math.ceil(records / perMs / windowMs) * windowMs;
  for (let partition = 0; partition < partitions; partition += 1)
    writer.write({ sensor: `closer-${partition}`, at: closeMs, value: 0 }, partition);
  await writer.close();
  return { topic: stream.topic, partitions, records, ends: writer.ends, sums };
}
