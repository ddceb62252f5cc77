/**
 * Weir's sink, ClickHouse's own Kafka table engine, and a pipeline written by hand, catching up on the same topic into the same
 * tables of the same embedded engine. They take turns, and the median of the rounds counts; the ratios are to the faster
 * configuration of ClickHouse's engine.
 *
 * `--rows`, `--rounds` and `--only=<part of a name>` make it shorter. Where less than 50,000 rows of a partition come in a second, as
 * on a busy machine, `--flush-ms` keeps the batches of all whole.
 */
import { parseArgs } from 'node:util';
import { ioSamples } from '#schemas/failover/generated.ts';
import { BenchCluster } from '../kafka/bench-cluster.ts';
import { print, printTable } from '../kafka/print-table.ts';
import { median, report } from '../measure.ts';
import { BenchEngine } from './bench-engine.ts';
import { type Entrant, handWritten, kafkaEngine, weir } from './entrants.ts';
import { type Arena, type Run, runSink } from './run-sink.ts';
import { writeSamples } from './samples-input.ts';
import { startSchemaRegistry } from './schema-registry.ts';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: process.env['WEIR_BENCH_RECORDS'] ?? '1000000' },
    rounds: { type: 'string', default: process.env['WEIR_BENCH_ROUNDS'] ?? '3' },
    only: { type: 'string', default: '' },
    'flush-ms': { type: 'string', default: '1000' },
    'block-rows': { type: 'string', default: '65536' },
  },
});
const rows = Number(values.rows);
const rounds = Number(values.rounds);
const devices = 500;
/** So that consumers of one process join at once, and none of them waits for a second rebalance. */
const rebalanceDelayMs = 1_000;

const engines = [1, 2].map((consumers) =>
  kafkaEngine({ consumers, maxBlockRows: Number(values['block-rows']) }),
);

async function compete(arena: Arena, entrants: readonly Entrant[]): Promise<Map<string, Run[]>> {
  const results = new Map<string, Run[]>(entrants.map(({ name }) => [name, []]));
  let rowsOfAll: string | undefined;
  for (let round = 0; round < rounds; round += 1)
    for (const [i, entrant] of entrants.entries()) {
      const { run, fingerprint } = await runSink(arena, entrant, `run${round}x${i}`);
      process.stderr.write(
        `round ${round + 1}, ${entrant.name}: ${run.rowsPerSecond.toLocaleString('en')} rows/s, ` +
          `${run.ownCpuSeconds.toFixed(1)} + ${run.engineCpuSeconds.toFixed(1)} CPU s\n`,
      );
      rowsOfAll ??= fingerprint;
      if (fingerprint !== rowsOfAll)
        throw new Error(
          `${entrant.name}: its table has other rows (${fingerprint}) than the first (${rowsOfAll})`,
        );
      results.get(entrant.name)!.push(run);
    }
  return results;
}

/** The median of each figure by itself, CPU by million rows. */
function summary(runs: readonly Run[]): Run {
  const of = (figure: keyof Run): number => median(runs.map((run) => run[figure]));
  const perMillion = (figure: keyof Run): number => (of(figure) * 1e6) / rows;
  return {
    rowsPerSecond: of('rowsPerSecond'),
    seconds: of('seconds'),
    ownCpuSeconds: perMillion('ownCpuSeconds'),
    engineCpuSeconds: perMillion('engineCpuSeconds'),
    cpuSeconds: perMillion('cpuSeconds'),
    brokerCpuSeconds: perMillion('brokerCpuSeconds'),
    ownPeakMegabytes: of('ownPeakMegabytes'),
    enginePeakMegabytes: of('enginePeakMegabytes'),
    parts: of('parts'),
  };
}

function printResults(results: ReadonlyMap<string, readonly Run[]>): void {
  const lines = [
    [
      '',
      'rows/s',
      'lowest',
      'highest',
      'all in s',
      'CPU s/M',
      'own',
      "ClickHouse's",
      "broker's",
      'peak MB',
      "ClickHouse's",
    ],
  ];
  for (const [name, runs] of results) {
    const all = summary(runs);
    const rates = runs.map((run) => run.rowsPerSecond);
    lines.push([
      name,
      ...[all.rowsPerSecond, Math.min(...rates), Math.max(...rates)].map((rate) =>
        Math.round(rate).toLocaleString('en'),
      ),
      ...[all.seconds, all.cpuSeconds, all.ownCpuSeconds, all.engineCpuSeconds, all.brokerCpuSeconds].map(
        (seconds) => seconds.toFixed(1),
      ),
      String(all.ownPeakMegabytes),
      String(all.enginePeakMegabytes),
    ]);
  }
  printTable(lines);
}

function reportRatios(results: ReadonlyMap<string, readonly Run[]>): void {
  const ours = summary(results.get(weir.name)!);
  const byHand = summary(results.get(handWritten.name)!);
  const peer = engines
    .map(({ name }) => ({ name, ...summary(results.get(name)!) }))
    .reduce((a, b) => (b.rowsPerSecond > a.rowsPerSecond ? b : a));
  const round = (value: number): number => Number(value.toFixed(2));
  report({
    rows,
    weirRowsPerSecond: Math.round(ours.rowsPerSecond),
    weirCpuSecondsPerMillion: round(ours.cpuSeconds),
    weirOwnCpuSecondsPerMillion: round(ours.ownCpuSeconds),
    weirPeakMegabytes: ours.ownPeakMegabytes,
    peer: peer.name,
    peerRowsPerSecond: Math.round(peer.rowsPerSecond),
    peerCpuSecondsPerMillion: round(peer.cpuSeconds),
    handWrittenRowsPerSecond: Math.round(byHand.rowsPerSecond),
    handWrittenCpuSecondsPerMillion: round(byHand.cpuSeconds),
    handWrittenOwnCpuSecondsPerMillion: round(byHand.ownCpuSeconds),
    handWrittenPeakMegabytes: byHand.ownPeakMegabytes,
    throughputRatio: round(ours.rowsPerSecond / peer.rowsPerSecond),
    cpuRatio: round(ours.cpuSeconds / peer.cpuSeconds),
    throughputRatioToOneConsumer: round(
      ours.rowsPerSecond / summary(results.get(engines[0]!.name)!).rowsPerSecond,
    ),
    handWrittenCpuRatio: round(byHand.cpuSeconds / ours.cpuSeconds),
  });
}

const cluster = await BenchCluster.start({ 'group.initial.rebalance.delay.ms': String(rebalanceDelayMs) });
const engine = await BenchEngine.start();
const registry = await startSchemaRegistry();
try {
  const stream = await writeSamples(cluster, { rows, devices }, registry.idOf(ioSamples.schema));
  const arena: Arena = {
    cluster,
    engine,
    registryUrl: registry.url,
    stream,
    rows,
    flushMs: Number(values['flush-ms']),
  };
  const entrants = [weir, ...engines, handWritten].filter(({ name }) => name.includes(values.only));
  const results = await compete(arena, entrants);
  print(
    `ClickHouse ${engine.version}, Kafka ${cluster.version}; ${rows.toLocaleString('en')} rows of ${stream.name}, ` +
      `${stream.partitions} partitions; median of ${rounds} rounds; all tables have the same rows`,
  );
  printResults(results);
  if (values.only === '') reportRatios(results);
  else report({ rows });
} finally {
  await registry.close();
  await engine.stop();
  await cluster.stop();
}
