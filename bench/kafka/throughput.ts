/**
 * Weir and Apache Kafka Streams over the same million records, exactly once, a commit every 100 ms, on one broker.
 * Kafka Streams runs in several configurations; the ratios are to its fastest. Contenders take turns, and the median of
 * their rounds counts, so that a machine that slows down slows all. A round before the first warms the broker up: whoever comes
 * first would pay for the compilation of its code.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median, report } from '../measure.ts';
import { readingStream, sumStream } from '../windowed-sum.ts';
import { BenchCluster } from './bench-cluster.ts';
import { print, printTable } from './print-table.ts';
import { type ReadingsInput, windowMs, writeReadings } from './readings-input.ts';
import { type Entrant, type Run, runThroughput } from './run-throughput.ts';
import { bestJvm, streamsOptions } from './streams-options.ts';
import { buildStreams, type StreamsBuild, streamsProgram } from './streams-program.ts';
import { weirProgram } from './weir-program.ts';

const records = Number(process.env['WEIR_BENCH_RECORDS'] ?? 1_000_000);
const keys = 10_000;
const partitions = 4;
const rounds = Number(process.env['WEIR_BENCH_ROUNDS'] ?? 3);
const commitMs = 100;
const cacheBytes = 64 << 20;

interface Setting {
  readonly name: string;
  readonly emit: 'update' | 'close' | 'suppress';
  readonly cacheBytes: number;
  readonly threads: number;
}

/** `close` has no cache: Kafka Streams switches it off with that emit strategy. */
const settings: readonly Setting[] = [
  { name: 'updates, no cache, 1 thread', emit: 'update', cacheBytes: 0, threads: 1 },
  { name: 'updates, 64 MB cache, 1 thread', emit: 'update', cacheBytes, threads: 1 },
  { name: 'updates, 64 MB cache, 2 threads', emit: 'update', cacheBytes, threads: 2 },
  { name: 'on window close, 1 thread', emit: 'close', cacheBytes: 0, threads: 1 },
  { name: 'on window close, 2 threads', emit: 'close', cacheBytes: 0, threads: 2 },
];

function streamsEntrant(
  cluster: BenchCluster,
  build: StreamsBuild,
  stateDir: string,
  setting: Setting,
): Entrant {
  return {
    name: `Kafka Streams, ${setting.name}`,
    results: setting.emit === 'update' ? 'updates' : 'final',
    group: (app) => app,
    program: ({ app, output }) =>
      streamsProgram(build, app, bestJvm, 'windowed-sum', {
        ...streamsOptions(
          cluster.bootstrapServers,
          app,
          readingStream(partitions),
          sumStream(partitions, output),
        ),
        emit: setting.emit,
        'cache-bytes': setting.cacheBytes,
        threads: setting.threads,
        'commit-ms': commitMs,
        'window-ms': windowMs,
        'state-dir': join(stateDir, app),
      }),
  };
}

function weirEntrant(cluster: BenchCluster, input: ReadingsInput): Entrant {
  return {
    name: 'Weir',
    results: 'final',
    group: (app) => `${app}.bench.windowed-sum`,
    program: ({ app, output }) =>
      weirProgram(app, 'windowed-sum', {
        bootstrap: cluster.bootstrapServers,
        app,
        input: input.topic,
        output,
        partitions,
        'commit-ms': commitMs,
        'window-ms': windowMs,
      }),
  };
}

/** The median of each figure by itself. */
function summary(runs: readonly Run[]): Run {
  const of = (figure: keyof Run): number => median(runs.map((run) => run[figure]));
  return {
    recordsPerSecond: of('recordsPerSecond'),
    seconds: of('seconds'),
    cpuSeconds: of('cpuSeconds'),
    cpuSecondsWithStart: of('cpuSecondsWithStart'),
    brokerCpuSeconds: of('brokerCpuSeconds'),
    peakMegabytes: of('peakMegabytes'),
    startSeconds: of('startSeconds'),
    outputs: of('outputs'),
  };
}

function printResults(results: ReadonlyMap<string, readonly Run[]>): void {
  const rows = [
    [
      '',
      'records/s',
      'lowest',
      'highest',
      'CPU s',
      'with start',
      'broker CPU s',
      'peak MB',
      'start s',
      'results',
    ],
  ];
  for (const [name, runs] of results) {
    const all = summary(runs);
    const rates = runs.map((run) => run.recordsPerSecond);
    rows.push([
      name,
      ...[all.recordsPerSecond, Math.min(...rates), Math.max(...rates)].map((rate) =>
        rate.toLocaleString('en'),
      ),
      ...[all.cpuSeconds, all.cpuSecondsWithStart, all.brokerCpuSeconds].map((seconds) => seconds.toFixed(1)),
      String(all.peakMegabytes),
      all.startSeconds.toFixed(1),
      all.outputs.toLocaleString('en'),
    ]);
  }
  printTable(rows);
}

async function compete(
  cluster: BenchCluster,
  entrants: readonly Entrant[],
  input: ReadingsInput,
): Promise<Map<string, Run[]>> {
  const results = new Map<string, Run[]>(entrants.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round += 1)
    for (const [i, entrant] of entrants.entries()) {
      const run = await runThroughput(cluster, input, entrant, `run${round}x${i}`);
      process.stderr.write(
        `${round === 0 ? 'warm-up' : `round ${round}`}, ${entrant.name}: ${run.recordsPerSecond.toLocaleString('en')} records/s\n`,
      );
      if (round > 0) results.get(entrant.name)!.push(run);
    }
  return results;
}

const build = await buildStreams();
const stateDir = await mkdtemp(join(tmpdir(), 'weir-bench-'));
const cluster = await BenchCluster.start();
try {
  const input = await writeReadings(cluster, { records, keys, partitions });
  const weir = weirEntrant(cluster, input);
  const peers = settings.map((setting) => streamsEntrant(cluster, build, stateDir, setting));
  const results = await compete(cluster, [weir, ...peers], input);
  print(
    `Kafka Streams ${build.version} (${bestJvm.join(' ')}), broker ${cluster.version}; ${records.toLocaleString('en')} ` +
      `records, ${keys.toLocaleString('en')} keys, ${partitions} partitions; median of ${rounds} rounds; sums checked`,
  );
  printResults(results);
  const ours = summary(results.get(weir.name)!);
  const best = peers
    .map(({ name }) => ({ name, ...summary(results.get(name)!) }))
    .reduce((a, b) => (b.recordsPerSecond > a.recordsPerSecond ? b : a));
  const ratio = (figure: 'recordsPerSecond' | 'cpuSeconds' | 'peakMegabytes'): number =>
    Number((ours[figure] / best[figure]).toFixed(2));
  report({
    weirRecordsPerSecond: ours.recordsPerSecond,
    weirCpuSeconds: Number(ours.cpuSeconds.toFixed(1)),
    weirPeakMegabytes: ours.peakMegabytes,
    peer: best.name,
    peerRecordsPerSecond: best.recordsPerSecond,
    peerCpuSeconds: Number(best.cpuSeconds.toFixed(1)),
    peerPeakMegabytes: best.peakMegabytes,
    throughputRatio: ratio('recordsPerSecond'),
    cpuRatio: ratio('cpuSeconds'),
    memoryRatio: ratio('peakMegabytes'),
  });
} finally {
  await cluster.stop();
  await rm(stateDir, { recursive: true, force: true });
}
