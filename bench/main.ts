/**
 * `npm run bench -- <name>`: runs a benchmark's parts one after another, each in a process of its own, and ends with one line
 * of JSON that holds all their figures by name.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { cpus, totalmem, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Figures } from './measure.ts';

interface Benchmark {
  readonly what: string;
  /** Environment variables and options that its parts read, with what each means. */
  readonly settings: Readonly<Record<string, string>>;
  readonly parts: readonly string[];
  /** What is wanted of a figure. */
  readonly aims: Readonly<Record<string, string>>;
}

const besideKafkaStreams = {
  throughputRatio: 'aim 2 or more',
  cpuRatio: 'aim 0.33 or less',
  memoryRatio: 'aim 0.33 or less',
};

const benchmarks: Readonly<Record<string, Benchmark>> = {
  replay: {
    what: "Weir's task core, codecs and embedded run, in memory",
    settings: {},
    parts: ['replay/task-core', 'replay/encoding', 'replay/embedded'],
    aims: {
      taskCoreEventsPerSecond: 'aim 1,000,000 or more on one core',
      embeddedEventsPerSecond: 'aim 200,000 or more',
      peakMegabytesWeir: 'aim under 250',
      peakMegabytesTogether: 'aim under 600',
    },
  },
  kafka: {
    what: 'throughput, CPU and memory beside Apache Kafka Streams',
    settings: { WEIR_BENCH_RECORDS: 'records of a run, 1000000', WEIR_BENCH_ROUNDS: 'rounds, 3' },
    parts: ['kafka/throughput'],
    aims: besideKafkaStreams,
  },
  latency: {
    what: 'from an event to its command, beside Apache Kafka Streams',
    settings: {
      WEIR_BENCH_ROUNDS: 'rounds, 2',
      WEIR_BENCH_PEER_COMMIT_MS:
        "commit interval of Kafka Streams at its best, 10; its default's 100 is measured too",
    },
    parts: ['kafka/latency'],
    aims: { p50Ms: 'aim 8 or less', p99Ms: 'aim 25 or less' },
  },
  restore: {
    what: 'from a start to the first commit with a large state, beside Apache Kafka Streams',
    settings: { WEIR_BENCH_RECORDS: 'keys of the state, 1000000', WEIR_BENCH_ROUNDS: 'rounds, 2' },
    parts: ['kafka/restore'],
    aims: { weirCheckpointMs: 'aim under 3,000' },
  },
  sink: {
    what: "Weir's sink beside ClickHouse's Kafka engine and a hand-written pipeline",
    settings: {
      WEIR_BENCH_RECORDS: 'rows of a run, 1000000; or --rows <number>',
      WEIR_BENCH_ROUNDS: 'rounds, 3; or --rounds <number>',
      '--only <text>': 'only entrants whose name has this text; all',
      '--flush-ms <number>': "how often Weir's sink and the hand-written one insert at least, 1000",
      '--block-rows <number>': "rows of a block of ClickHouse's engine, 65536",
    },
    parts: ['sink/sink'],
    aims: {
      throughputRatio: 'aim 3 or more',
      cpuRatio: 'aim 0.5 or less',
      handWrittenCpuRatio: 'aim 5 or more',
    },
  },
  codecs: {
    what: "bytes per row and scan speed of ClickHouse's codecs",
    settings: {},
    parts: ['codecs/codecs'],
    aims: { sizeRatio: 'of LZ4 everywhere', scanRatio: 'of LZ4 everywhere' },
  },
};

const [name = '', ...options] = process.argv.slice(2);
const benchmark = benchmarks[name];

/** What a part prints before its figures is shown as it comes. */
function runPart(part: string): Promise<Figures> {
  const script = fileURLToPath(new URL(`./${part}.js`, import.meta.url));
  const child = spawn(process.execPath, [script, ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill(signal));
  let last = '';
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (last !== '') print(last);
    last = line;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(last) as Figures);
      else reject(new Error(`${part} ended with exit code ${code ?? 'none'}`));
    });
  });
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Every benchmark with what it can be told. */
function usage(): string {
  const lines = Object.entries(benchmarks).flatMap(([each, { what, settings }]) => [
    `  ${each.padEnd(10)}${what}`,
    ...Object.entries(settings).map(([setting, meaning]) => `    ${setting.padEnd(28)}${meaning}`),
  ]);
  return ['usage: [VARIABLE=value] npm run bench -- <name> [options]', '', ...lines, ''].join('\n');
}

const wantsHelp = [name, ...options].some((word) => word === '--help' || word === '-h');
if (wantsHelp) {
  process.stdout.write(usage());
} else if (benchmark === undefined) {
  process.stderr.write(usage());
  process.exitCode = 2;
} else {
  const [cpu] = cpus();
  print(
    `Node ${process.version}, ${cpus().length} x ${cpu?.model ?? 'unknown CPU'}, ${Math.round(totalmem() / 1e9)} GB, load ${loadavg()[0]?.toFixed(1) ?? '?'}`,
  );
  const all: Record<string, number | string> = {};
  for (const part of benchmark.parts) {
    print(`\n${part}`);
    for (const [figure, value] of Object.entries(await runPart(part))) {
      const wanted = benchmark.aims[figure];
      const aim = wanted === undefined ? '' : `   (${wanted})`;
      print(`  ${figure}: ${typeof value === 'number' ? value.toLocaleString('en') : value}${aim}`);
      all[figure] = value;
    }
  }
  print(`\n${JSON.stringify(all)}`);
}
