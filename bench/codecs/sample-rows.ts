/**
 * Rows as the largest streams have them: samples of devices' I/O, and what the real processor predicts from them.
 *
 * Seeded. Rates are bursts over a slow curve, sizes multiples of 4 KiB, times a second apart with some milliseconds of
 * jitter, as `weir host` measures them; ids as its agent gives them.
 */
import type { LogRecord } from '#engine/log/log.ts';
import { partitionOf } from '#engine/log/murmur2.ts';
import { replayEvents } from '#engine/replay/replay-events.ts';
import { eventTimeMsOf, keyOf, type Stream } from '#engine/topology/stream.ts';
import { ioPrediction } from '#pipelines/failover/io-prediction.ts';
import { evaluations, ioSamples, predictions, type IoSample } from '#schemas/failover/generated.ts';
import type { TableRow } from '#sinks/clickhouse/native/block-encoder.ts';

const defaultStartMs = Date.UTC(2099, 0, 1);

/** The rows of one stream, by partition, with rising offsets. */
export interface StreamRows {
  readonly stream: Stream<unknown>;
  readonly partitions: readonly (readonly TableRow[])[];
}

/** `seconds` samples of each of `devices`, and their predictions and evaluations. */
export function sampleRows(devices: number, seconds: number): readonly StreamRows[] {
  const samples: IoSample[] = [];
  const models = Array.from({ length: devices }, (_, i) => deviceModel(i));
  for (let second = 0; second < seconds; second += 1) {
    for (const model of models) samples.push(model(second));
  }
  const events = samples.map((event) => ({ topic: ioSamples.topic, event }));
  const emitted = replayEvents({ processor: ioPrediction, events, tickMs: 1_000 });
  const emittedOn = (stream: Stream<unknown>): readonly object[] =>
    emitted
      .filter(({ topic }) => topic === stream.topic)
      .map(({ value }) => value as object)
      .sort((a, b) => eventTimeMsOf(stream, a) - eventTimeMsOf(stream, b));
  return [
    rowsOf(
      ioSamples,
      samples,
      (event, n) => `${defaultStartMs}/${Math.floor(n / devices)}/${keyOf(ioSamples, event)}`,
    ),
    ...[predictions, evaluations].map((stream) =>
      rowsOf(stream, emittedOn(stream), (_, n) => `${n % 4}/${n >> 2}/0`),
    ),
  ];
}

function rowsOf(
  stream: Stream<unknown>,
  events: readonly object[],
  id: (event: object, n: number) => string,
): StreamRows {
  const partitions = Array.from({ length: stream.partitions }, (): TableRow[] => []);
  const delay = seeded(0);
  for (const [n, event] of events.entries()) {
    const key = Buffer.from(keyOf(stream, event));
    const rows = partitions[partitionOf(key, stream.partitions)]!;
    const record: LogRecord = {
      offset: rows.length,
      key,
      value: Buffer.alloc(0),
      timestampMs: eventTimeMsOf(stream, event) + 3 + Math.floor(delay() * 7),
      headers: { ce_source: `/bench/${stream.topic}`, ce_id: id(event, n) },
    };
    rows.push({ event: event as Readonly<Record<string, unknown>>, record, deleted: false });
  }
  return { stream, partitions };
}

/** Samples of one device, second by second. Every fourth is an application's share, which knows no operations. */
export function deviceModel(index: number, startMs = defaultStartMs): (second: number) => IoSample {
  const random = seeded(index + 1);
  const host = `edge-${index >> 2}`;
  const device = `nvme${index % 4}n1`;
  const isShare = index % 4 === 3;
  const base = 2 ** (8 + random() * 6);
  let total = Math.floor(random() * 1e12);
  let burst = 0;
  return (second) => {
    if (random() < 0.01) burst = 5 + random() * 20;
    burst *= 0.9;
    const idle = random() < 0.1;
    const pages = idle
      ? 0
      : Math.round(base * (1 + 0.5 * Math.sin(second / 600) + burst) * (0.7 + 0.6 * random()) * 0.25);
    total += pages * 4096;
    const jitterMs = Math.floor(random() * 4);
    return {
      device_id: isShare ? `${host}/${device}/db` : `${host}/${device}`,
      app: isShare ? 'db' : host,
      host,
      device,
      source: isShare ? 'cgroup' : 'diskstats',
      read_ops: Math.round((pages * random()) / 4),
      write_ops: Math.round(pages / (1 + 3 * random())),
      read_bytes: Math.round(pages * random()) * 4096,
      write_bytes: pages * 4096,
      unique_bytes: null,
      write_bytes_total: total,
      interval_ms: 999 + Math.floor(random() * 3),
      counter_reset: false,
      sampled_at: startMs + second * 1000 + jitterMs,
    };
  };
}

/** mulberry32: uniform in [0, 1). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
