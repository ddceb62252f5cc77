import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { TaskCore } from '#engine/task/task-core.ts';
import { readingStream, sumStream, windowedSum } from './windowed-sum.ts';

const keys = 10_000;
const records = 2_000_000;
const readings = readingStream(1);
const writers = new WriterSchemas();
const codec = eventCodec(readings, writers);
const block = 20_000;
const input = [];
for (let i = 0; i < block; i += 1) {
  const sensor = `sensor-${(i * 7919) % keys}`;
  input.push({ key: Buffer.from(sensor), sensor });
}
const core = new TaskCore({ processor: windowedSum(readings, sumStream(1), 10_000), partition: 0, writers });
core.step({ kind: 'tick', wallMs: 1e12, caughtUp: () => false });
let outputs = 0;
let offset = 0;
let cpu = 0;
let cpuS = 0;
for (let r = 0; r < records / block; r += 1) {
  const batch = input.map(({ key, sensor }, i) => {
    const at = 1e11 + Math.floor((r * block + i) / 50);
    return {
      offset: offset++,
      key,
      value: codec.encode({ sensor, at, value: i }),
      timestampMs: at,
      headers: {},
    };
  });
  const start = performance.now();
  const cpuStart = process.cpuUsage();
  for (let i = 0; i < batch.length; i += 1) {
    outputs += core.step({ kind: 'record', input: 0, partition: 0, record: batch[i]! }).outputs.length;
    if (i % 50_000 === 49_999) {
      core.prepare();
      core.committed();
    }
  }
  const ms = performance.now() - start;
  cpu += ms;
  const used = process.cpuUsage(cpuStart);
  cpuS += (used.user + used.system) / 1e6;
  console.log(r, Math.round(block / ms) + 'k/s', outputs);
}
console.log('cpu', Math.round(records / cpuS / 1000), 'k/cpu-s; total', Math.round(records / cpu), 'k/s');
