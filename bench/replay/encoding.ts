/** Column encoding: rows per second, and CPU per million rows, of the widest event among the streams. */
import { weirApp } from '#cli/app.ts';
import type { Stream } from '#engine/topology/stream.ts';
import { columnsOf } from '#sinks/clickhouse/columns.ts';
import { BlockEncoder } from '#sinks/clickhouse/native/block-encoder.ts';
import { median, report } from '../measure.ts';
import { sampleEvent } from '../sample-event.ts';

const rows = 50_000;
const warmUpRounds = 3;
const rounds = 14;

const width = (stream: Stream<unknown>): number => columnsOf(stream).fields.length;
const widest = weirApp.streams.reduce((best, stream) => (width(stream) > width(best) ? stream : best));
const batch = Array.from({ length: rows }, (_, offset) => ({
  event: sampleEvent(widest, offset),
  record: {
    offset,
    key: Buffer.from('key'),
    value: Buffer.from('value'),
    timestampMs: 1_795_000_000_000 + offset,
    headers: { ce_source: '/bench', ce_id: String(offset) },
  },
  deleted: false,
}));

const encoder = new BlockEncoder(columnsOf(widest));
const rates: number[] = [];
const cpuSeconds: number[] = [];
let blockBytes = 0;
for (let round = 0; round < warmUpRounds + rounds; round += 1) {
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  const refused = encoder.append(batch);
  blockBytes = encoder.encode(widest.topic, 0).length;
  encoder.clear();
  const seconds = (performance.now() - start) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  if (refused.length > 0) throw refused[0]!.error;
  if (round < warmUpRounds) continue;
  rates.push(rows / seconds);
  cpuSeconds.push(((cpu.user + cpu.system) / 1e6 / rows) * 1e6);
}

report({
  encodedEvent: widest.name,
  encodedColumns: width(widest),
  encodedRowsPerSecond: Math.round(median(rates)),
  encodingCpuSecondsPerMillionRows: Number(median(cpuSeconds).toFixed(3)),
  encodedBytesPerRow: Math.round(blockBytes / rows),
});
