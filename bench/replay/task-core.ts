/** Task-core events per second: a tumbling windowed sum over 10,000 keys, decoding and state encoding at commit included. */
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import type { LogRecord } from '#engine/log/log.ts';
import { TaskCore } from '#engine/task/task-core.ts';
import { median, report } from '../measure.ts';
import { readingStream, sumStream, windowedSum } from '../windowed-sum.ts';

const keys = 10_000;
const rounds = 15;
const roundRecords = 200_000;
const commitEvery = 50_000;
const windowMs = 10_000;
/** Events per millisecond of event time: a key has one event in 200 ms, a window 50 of them. */
const perMs = 50;

const readings = readingStream(1);
const writers = new WriterSchemas();
const codec = eventCodec(readings, writers);
const core = new TaskCore({
  processor: windowedSum(readings, sumStream(1), windowMs),
  partition: 0,
  writers,
});
core.step({ kind: 'tick', wallMs: 1e12, caughtUp: () => false });

const names = Array.from({ length: keys }, (_, i) => `sensor-${i}`);
const rates: number[] = [];
const cpuRates: number[] = [];
let outputs = 0;
for (let round = 0; round < rounds; round += 1) {
  const records = recordsOf(round);
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  for (let i = 0; i < records.length; i += 1) {
    outputs += core.step({ kind: 'record', input: 0, partition: 0, record: records[i]! }).outputs.length;
    if ((i + 1) % commitEvery === 0) {
      core.prepare();
      core.committed();
    }
  }
  const seconds = (performance.now() - start) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  // The first rounds are the compiler's.
  if (round >= 3) {
    rates.push(roundRecords / seconds);
    cpuRates.push(roundRecords / ((cpu.user + cpu.system) / 1e6));
  }
}

function recordsOf(round: number): LogRecord[] {
  return Array.from({ length: roundRecords }, (_, i) => {
    const n = round * roundRecords + i;
    const sensor = names[(n * 7919) % keys]!;
    const at = 1e11 + Math.floor(n / perMs);
    return {
      offset: n,
      key: Buffer.from(sensor),
      value: codec.encode({ sensor, at, value: i }),
      timestampMs: at,
      headers: {},
    };
  });
}

report({
  taskCoreEventsPerSecond: Math.round(median(rates)),
  taskCoreEventsPerCpuSecond: Math.round(median(cpuRates)),
  taskCoreBestEventsPerSecond: Math.round(Math.max(...rates)),
  keys,
  windowResults: outputs,
});
