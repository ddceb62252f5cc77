/**
 * A restart with 1,000,000 keys of state: Weir with its local checkpoint and without it (from the changelog), Kafka Streams
 * with its RocksDB store, without it, and with its in-memory store, which always comes from the changelog. All were stopped
 * in order before: after a kill, Kafka Streams would throw its local store away.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandStream } from '../alarms.ts';
import { median, report } from '../measure.ts';
import { readingStream } from '../windowed-sum.ts';
import { BenchCluster } from './bench-cluster.ts';
import { print, printTable } from './print-table.ts';
import { ReadingsWriter } from './readings-writer.ts';
import { restart, type Restart, type RestoreEntrant, seed } from './run-restore.ts';
import { streamsOptions } from './streams-options.ts';
import { buildStreams, type StreamsBuild, streamsProgram } from './streams-program.ts';
import { weirProgram } from './weir-program.ts';

const keys = Number(process.env['WEIR_BENCH_RECORDS'] ?? 1_000_000);
const partitions = 4;
const rounds = Number(process.env['WEIR_BENCH_ROUNDS'] ?? 2);
const commitMs = 100;
const cacheBytes = 64 << 20;
const streamsThreads = 2;
const jvm = ['-Xmx2g', '-XX:+UseParallelGC'];
const readings = readingStream(partitions);

function weirEntrant(cluster: BenchCluster, directory: string): RestoreEntrant {
  const app = 'weir';
  const stateDir = join(directory, app);
  return {
    name: 'Weir',
    app,
    group: `${app}.bench.alarms`,
    stateDir,
    program: weirProgram('Weir', 'alarms', {
      bootstrap: cluster.bootstrapServers,
      app,
      input: readings.topic,
      output: commandStream(partitions, `${app}.commands`).topic,
      partitions,
      'commit-ms': commitMs,
      'state-dir': stateDir,
    }),
  };
}

function streamsEntrant(
  cluster: BenchCluster,
  build: StreamsBuild,
  directory: string,
  store: 'rocksdb' | 'memory',
): RestoreEntrant {
  const app = `streams-${store}`;
  const stateDir = join(directory, app);
  const name = `Kafka Streams, ${store === 'rocksdb' ? 'RocksDB' : 'in memory'}`;
  return {
    name,
    app,
    group: app,
    stateDir,
    program: streamsProgram(build, name, jvm, 'alarms', {
      ...streamsOptions(
        cluster.bootstrapServers,
        app,
        readings,
        commandStream(partitions, `${app}.commands`),
      ),
      store,
      'cache-bytes': cacheBytes,
      threads: streamsThreads,
      'commit-ms': commitMs,
      'state-dir': stateDir,
    }),
  };
}

/** One way to restart. */
interface Case {
  readonly figure: string;
  readonly label: string;
  readonly entrant: RestoreEntrant;
  readonly keep: 'checkpoint' | 'nothing';
  readonly runs: Restart[];
}

function casesOf(cluster: BenchCluster, build: StreamsBuild, directory: string): Case[] {
  const weir = weirEntrant(cluster, directory);
  const onDisk = streamsEntrant(cluster, build, directory, 'rocksdb');
  const inMemory = streamsEntrant(cluster, build, directory, 'memory');
  const of = (figure: string, label: string, entrant: RestoreEntrant, keep: Case['keep']): Case => ({
    figure,
    label: `${entrant.name}, ${label}`,
    entrant,
    keep,
    runs: [],
  });
  return [
    of('weirCheckpoint', 'with its checkpoint', weir, 'checkpoint'),
    of('weirChangelog', 'from the changelog', weir, 'nothing'),
    of('peerCheckpoint', 'with its store', onDisk, 'checkpoint'),
    of('peerChangelog', 'from the changelog', onDisk, 'nothing'),
    of('peerMemory', 'from the changelog', inMemory, 'nothing'),
  ];
}

async function measure(cluster: BenchCluster, cases: readonly Case[]): Promise<void> {
  const writer = await ReadingsWriter.open(cluster, readings, 50);
  try {
    for (let n = 0; n < keys; n += 1) writer.write({ sensor: `sensor-${n}`, at: Date.now(), value: n });
    await writer.flush();
    for (const entrant of new Set(cases.map((one) => one.entrant))) {
      await cluster.createTopics(commandStream(partitions, `${entrant.app}.commands`));
      const seconds = await seed(cluster, entrant, readings.topic, writer);
      process.stderr.write(`${entrant.name}: ${keys.toLocaleString('en')} keys in ${seconds.toFixed(1)} s\n`);
    }
    for (let round = 0; round < rounds; round += 1)
      for (const one of cases) {
        const run = await restart(cluster, one.entrant, readings.topic, writer, one.keep);
        process.stderr.write(`round ${round + 1}, ${one.label}: ${run.firstMs} ms\n`);
        one.runs.push(run);
      }
  } finally {
    await writer.close();
  }
}

const middle = ({ runs }: Case, figure: keyof Restart): number =>
  Math.round(median(runs.map((run) => run[figure])));

const build = await buildStreams();
const directory = await mkdtemp(join(tmpdir(), 'weir-bench-'));
const cluster = await BenchCluster.start();
try {
  const cases = casesOf(cluster, build, directory);
  await measure(cluster, cases);
  print(
    `Kafka Streams ${build.version} (${jvm.join(' ')}, ${streamsThreads} threads), broker ${cluster.version}; ` +
      `${keys.toLocaleString('en')} keys, ${partitions} partitions; median of ${rounds} restarts`,
  );
  printTable([
    ['from the start of the process, ms', 'first record', 'of every partition', 'peak MB'],
    ...cases.map((one) => [
      one.label,
      ...[middle(one, 'firstMs'), middle(one, 'allMs')].map((ms) => ms.toLocaleString('en')),
      String(middle(one, 'peakMegabytes')),
    ]),
  ]);
  report(
    Object.fromEntries(
      cases.flatMap((one) => [
        [`${one.figure}Ms`, middle(one, 'firstMs')],
        [`${one.figure}AllMs`, middle(one, 'allMs')],
      ]),
    ),
  );
} finally {
  await cluster.stop();
  await rm(directory, { recursive: true, force: true });
}
