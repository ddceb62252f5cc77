/** Samples of one device, and the results of processors over them. */
import { replayEvents, type TopicEvent } from '#engine/replay/replay-events.ts';
import type { Parameters, Processor } from '#engine/topology/processor.ts';
import type { Stream } from '#engine/topology/stream.ts';
import type { IoSample } from '#schemas/failover/generated.ts';

/** 2026-01-01T00:00:00Z: a whole number of bins of any length used here. */
export const startMs = 1_767_225_600_000;

/** A sample that ends `endMs` after the start. By default: 1 s, 1,000 bytes written. */
export function sample(endMs: number, fields: Partial<IoSample> = {}): IoSample {
  return {
    device_id: 'edge-1/sda',
    app: 'edge-1',
    host: 'edge-1',
    device: 'sda',
    source: 'diskstats',
    read_ops: 0,
    write_ops: 1,
    read_bytes: 0,
    write_bytes: 1000,
    unique_bytes: null,
    write_bytes_total: null,
    interval_ms: 1000,
    counter_reset: false,
    ...fields,
    sampled_at: startMs + endMs,
  };
}

/** One sample a second with these bytes; null leaves the sample out. */
export function everySecond(bytes: readonly (number | null)[]): IoSample[] {
  return bytes.flatMap((written, i) =>
    written === null ? [] : [sample((i + 1) * 1000, { write_bytes: written })],
  );
}

/** What a processor emits on a stream for these samples. */
export function resultsOf<T>(
  processor: Processor,
  stream: Stream<T>,
  samples: readonly IoSample[],
  parameters: Parameters = {},
  settleMs = 0,
): readonly T[] {
  const events = samples.map((event): TopicEvent => ({ topic: 'failover.io-samples', event }));
  return replayEvents({ processor, partitions: 1, events, parameters, settleMs })
    .filter((emitted) => emitted.topic === stream.topic)
    .map((emitted) => emitted.value as T);
}
