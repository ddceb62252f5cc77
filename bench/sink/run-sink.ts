/**
 * One measured run: the topic is full, the table is empty, and the entrant catches up.
 *
 * I1  Measured alike for all, from when the entrant's group has settled, so that no start of Node and no joining is in it.
 * I2  Rows/s are those in the table by the time that nine tenths of them are, over the time until then: the last ones wait for each
 *     entrant's own time of flushing, not for its speed. CPU is of all rows, until the merges that they caused rest.
 * I3  What it costs to look at the engine every 50 ms is subtracted from its CPU, for all alike.
 * I4  A run whose table has other rows than the topic fails: rows of two runs have the same fingerprint.
 */
import { prepareTables } from '#sinks/clickhouse/prepare-tables.ts';
import { tableOf } from '#sinks/clickhouse/tables.ts';
import type { Stream } from '#engine/topology/stream.ts';
import type { BenchCluster } from '../kafka/bench-cluster.ts';
import type { BenchEngine } from './bench-engine.ts';
import type { Entrant, Scene } from './entrants.ts';

export interface Run {
  readonly rowsPerSecond: number;
  /** Until the last row was in. */
  readonly seconds: number;
  /** Of the entrant's own process; 0 without one. */
  readonly ownCpuSeconds: number;
  readonly engineCpuSeconds: number;
  readonly cpuSeconds: number;
  readonly brokerCpuSeconds: number;
  readonly ownPeakMegabytes: number;
  readonly enginePeakMegabytes: number;
  readonly parts: number;
}

/** What is the same in all runs. */
export interface Arena {
  readonly cluster: BenchCluster;
  readonly engine: BenchEngine;
  readonly registryUrl: string;
  readonly stream: Stream<unknown>;
  readonly rows: number;
  /** After so long rows are inserted though they are few. */
  readonly flushMs: number;
}

const joinTimeoutMs = 60_000;
const runTimeoutMs = 300_000;
const counted = 0.9;

/** @returns the run, and the fingerprint of its rows */
export async function runSink(
  arena: Arena,
  entrant: Entrant,
  app: string,
): Promise<{ readonly run: Run; readonly fingerprint: string }> {
  const { cluster, engine, stream, rows } = arena;
  const table = tableOf(stream, app);
  await prepareTables(engine.client, [table]);
  const costOfLook = await engine.costOfLook(table);
  await engine.resetPeak();
  const scene: Scene = {
    engine,
    bootstrapServers: cluster.bootstrapServers,
    registryUrl: arena.registryUrl,
    table,
    app,
    flushMs: arena.flushMs,
  };
  const running = await entrant.start(scene);
  try {
    const startedAtMs = await cluster.settled(running.group, joinTimeoutMs);
    const before = {
      own: running.usage()?.cpuSeconds ?? 0,
      engine: engine.usage().cpuSeconds,
      broker: cluster.brokerUsage().cpuSeconds,
      looks: engine.looks,
    };
    const progress = await engine.follow(table, rows, {
      timeoutMs: runTimeoutMs,
      check: () => {
        running.check();
      },
    });
    const own = running.usage();
    const brokerCpuSeconds = cluster.brokerUsage().cpuSeconds - before.broker;
    await engine.rest();
    const { cpuSeconds: engineNow, peakMegabytes } = engine.usage();
    const seen = progress.find((point) => point.rows >= rows * counted)!;
    const ownCpuSeconds = (own?.cpuSeconds ?? 0) - before.own;
    const engineCpuSeconds = engineNow - before.engine - costOfLook * (engine.looks - before.looks);
    const parts = await engine.value(
      `SELECT count() FROM system.parts WHERE database = '${app}' AND table = '${table.name}' AND level = 0`,
    );
    await running.stop();
    const run: Run = {
      rowsPerSecond: Math.round((seen.rows * 1000) / (seen.atMs - startedAtMs)),
      seconds: (progress.at(-1)!.atMs - startedAtMs) / 1000,
      ownCpuSeconds,
      engineCpuSeconds,
      cpuSeconds: ownCpuSeconds + engineCpuSeconds,
      brokerCpuSeconds,
      ownPeakMegabytes: own?.peakMegabytes ?? 0,
      enginePeakMegabytes: peakMegabytes,
      parts: Number(parts),
    };
    return { run, fingerprint: await engine.fingerprint(table) };
  } finally {
    await running.stop();
    await engine.run(`DROP DATABASE ${app} SYNC`);
  }
}
