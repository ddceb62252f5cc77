/** End to end, embedded: event -> topic -> windowed sum -> topics -> ClickHouse. Rate, and peak memory of both processes. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deadLetters, schemas } from '#engine/records/generated.ts';
import type { App } from '#engine/topology/app.ts';
import { startStack } from '#cli/stack.ts';
import { peakMegabytes, report } from '../measure.ts';
import { readingStream, sumStream, windowedSum } from '../windowed-sum.ts';

const partitions = 4;
const keys = 10_000;
const warmUpEvents = 200_000;
const events = 2_000_000;
const perMs = 50;

const readings = readingStream(partitions);
const sums = sumStream(partitions);
const app: App = {
  name: 'bench',
  streams: [readings, sums, deadLetters, schemas],
  processors: [windowedSum(readings, sums, 10_000)],
};

const directory = await mkdtemp(join(tmpdir(), 'weir-bench-'));
try {
  const stack = await startStack({
    app,
    dataDir: directory,
    database: 'default',
    onNote: (note) => {
      process.stderr.write(`${note}\n`);
    },
  });
  const startMs = Date.now() - (warmUpEvents + events) / perMs;
  const publish = async (from: number, to: number): Promise<void> => {
    for (let n = from; n < to; n += 1) {
      const sensor = `sensor-${(n * 7919) % keys}`;
      await stack.edge.publish(
        readings,
        { sensor, at: startMs + Math.floor(n / perMs), value: n },
        { source: '/bench', id: String(n) },
      );
      // Gives way as a producer does that reads its events from somewhere.
      if (n % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await stack.runtime.drain(120_000);
    await stack.sink.drain();
  };
  await publish(0, warmUpEvents);
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  await publish(warmUpEvents, warmUpEvents + events);
  const seconds = (performance.now() - start) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  // Before the check: counting two million distinct offsets takes more memory than the run.
  const child = stack.clickHousePid();
  const weirPeak = peakMegabytes(process.pid);
  const clickHousePeak = child === undefined ? 0 : peakMegabytes(child);
  const answer = await stack.client.query({
    query: 'SELECT count() AS rows, uniqExact(_partition, _offset) AS distinct FROM bench_readings',
    format: 'JSONEachRow',
  });
  const [counted] = await answer.json<{ rows: string; distinct: string }>();
  if (
    Number(counted?.rows) !== warmUpEvents + events ||
    Number(counted?.distinct) !== warmUpEvents + events
  ) {
    throw new Error(`${JSON.stringify(counted)} rows where ${warmUpEvents + events} events were published`);
  }
  await stack.stop(10_000);
  report({
    embeddedEventsPerSecond: Math.round(events / seconds),
    embeddedCpuSecondsPerMillion: Number(((cpu.user + cpu.system) / 1e6 / (events / 1e6)).toFixed(2)),
    peakMegabytesWeir: weirPeak,
    peakMegabytesClickHouse: clickHousePeak,
    peakMegabytesTogether: weirPeak + clickHousePeak,
    rowsVerified: warmUpEvents + events,
  });
} finally {
  await rm(directory, { recursive: true, force: true });
}
