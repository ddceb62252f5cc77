/**
 * What feeds a run: this host's I/O agent and the migration simulation.
 *
 * I1  Stopping lets the processors answer first: nothing new happens, commands on their way are obeyed and acknowledged.
 */
import { startHostIo } from '#agents/host-io/agent.ts';
import { startIoLoad } from '#agents/host-io/io-load.ts';
import { systemClock } from '#engine/log/clock.ts';
import type { Publisher, Running, Subscriber } from '#engine/log/publisher.ts';
import { startMigrationSimulation, type MigrationSimulation } from '#simulators/migration/simulator.ts';

export interface SourcesConfig {
  readonly sampleIntervalMs: number;
  readonly seed: number;
  readonly vms: number;
  /** Of the simulated devices; 1 by default, which is for processors that begin without state. */
  readonly firstEpoch?: number;
  /** Whether to simulate an estate; true by default. */
  readonly simulates?: boolean;
  /** Whether to sample this host; true by default. */
  readonly samplesHost?: boolean;
  /** Directory of a small, real write load; undefined for none. */
  readonly loadIn?: string;
  readonly onNote: (note: string) => void;
}

export interface Sources {
  /** Rejects when an agent or simulator fails. */
  readonly failed: Promise<never>;
  /** @param hurry cuts the wait for answers short */
  stop(hurry: AbortSignal): Promise<void>;
}

/** How long decisions that are due and commands on their way get: the hold-down and the time to answer of migration.device-failover. */
const answerMs = 2_500;

export function startSources(edge: Publisher & Subscriber, config: SourcesConfig): Sources {
  const { onNote, simulates = true, samplesHost = true, firstEpoch = 1 } = config;
  const migration: MigrationSimulation | undefined = simulates
    ? startMigrationSimulation({ seed: config.seed, vms: config.vms, firstEpoch }, edge, edge)
    : undefined;
  const host = samplesHost
    ? startHostIo(
        {
          intervalMs: config.sampleIntervalMs,
          onProblem: (message) => {
            onNote(`host I/O: ${message}`);
          },
        },
        edge,
      )
    : undefined;
  const load = config.loadIn === undefined ? undefined : startIoLoad({ directory: config.loadIn });
  const running = [migration, host, load].filter(
    (program): program is Exclude<typeof program, undefined> => program !== undefined,
  ) satisfies readonly Running<unknown>[];
  return {
    failed: Promise.race(
      running.map((program) => program.done.then(() => new Promise<never>(() => undefined))),
    ),
    stop: async (hurry) => {
      await Promise.all([host?.stop(), load?.stop()]);
      if (migration === undefined) return;
      migration.quiesce();
      await systemClock.sleep(answerMs, hurry);
      await migration.stop();
    },
  };
}
