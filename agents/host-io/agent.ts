/**
 * The host I/O agent: publishes what each block device and each control group of this host read and wrote, interval by
 * interval, on `failover.io-samples`.
 *
 * I1  Samples of a series are published in order, each once accepted before the next; a sample that is refused for the
 *     moment is published again under the same `ce_id`.
 * I2  While the log has no room the agent waits; the counters go on, so the next interval is longer and nothing is lost.
 * I3  Sources that cannot be read or understood are reported once each and cost only themselves.
 */
import { hostname } from 'node:os';
import { systemClock } from '#engine/log/clock.ts';
import type { Clock } from '#engine/log/clock.ts';
import { startEdgeProgram } from '#engine/log/edge-program.ts';
import type { EdgeRuntime } from '#engine/log/edge-program.ts';
import { persistentPublisher } from '#engine/log/persistent-publisher.ts';
import type { Publisher, Running } from '#engine/log/publisher.ts';
import { ioSamples } from '#schemas/failover/generated.ts';
import { AgentError } from '../agent-error.ts';
import type { BlockDeviceKind } from './block-devices.ts';
import { ioSample } from './io-sample.ts';
import { intervalTracker } from './interval-tracker.ts';
import type { Tracked } from './interval-tracker.ts';
import { hostReader } from './read-host.ts';
import type { HostIoReading, HostIoReadings, HostReaderConfig } from './read-host.ts';
import { describeProblem } from './source-problem.ts';

/** What a user sets; everything has a default. */
export interface HostIoConfig {
  /** Name of this host in the events; by default the system's host name. */
  readonly host?: string;
  /** Time from sample to sample. Default 1,000. */
  readonly intervalMs?: number;
  /** Kinds of block devices to sample. Default: whole disks only, because together they count every I/O once. */
  readonly kinds?: readonly BlockDeviceKind[];
  /** Largest number of control groups to sample; 0 for none. Default 200. */
  readonly maxCgroups?: number;
  /** How often to look for new control groups. Default 10,000. */
  readonly cgroupScanMs?: number;
  /** Width of the kernel's counters. Default 64, or 32 where this process is a 32-bit one. */
  readonly counterBits?: 32 | 64;
  /** Default `/proc` and `/sys`; elsewhere for tests, and in containers that mount the host's. */
  readonly procRoot?: string;
  readonly sysRoot?: string;
  /** Called once for each distinct problem with a source, in words that name file and line. */
  readonly onProblem?: (message: string) => void;
}

export interface HostIoStats {
  /** Times that the host was read. */
  readonly readings: number;
  /** Samples accepted by the log. */
  readonly published: number;
  /** Series (devices, and control groups on devices) that are followed now. */
  readonly series: number;
  readonly appeared: number;
  readonly vanished: number;
  readonly resets: number;
  readonly wraps: number;
  /** Intervals of more than twice the configured length: the process was suspended, or the log had no room. */
  readonly longIntervals: number;
  /** Lines or files that could not be read or understood, each time counted. */
  readonly problems: number;
  /** Publications that had to be repeated. */
  readonly retries: number;
  /** Time that the last reading, and the longest, took, in milliseconds. */
  readonly lastReadMs: number;
  readonly longestReadMs: number;
}

/** Distinct problems remembered as told; beyond it, telling starts over. */
const MAX_TOLD_PROBLEMS = 1000;
/** Architectures whose processes, and so perhaps kernels, have a 32-bit `unsigned long`. */
const NARROW_ARCHITECTURES: readonly string[] = ['arm', 'ia32', 'mips', 'mipsel', 'ppc', 's390'];

type Counts = { -readonly [K in keyof HostIoStats]: HostIoStats[K] };

/**
 * Starts the agent. It samples at once (that first reading is the baseline; its deltas are null) and then every interval.
 * `done` rejects with the log's error if it refuses a sample for good.
 */
export function startHostIo(
  config: HostIoConfig,
  publisher: Publisher,
  runtime: EdgeRuntime = {},
): Running<HostIoStats> {
  const intervalMs = config.intervalMs ?? 1000;
  if (!(intervalMs > 0))
    throw new AgentError('config', `host-io: intervalMs must be positive, is ${intervalMs}`);
  const clock = runtime.clock ?? systemClock;
  const counts = zeroCounts();
  const run = async (signal: AbortSignal): Promise<void> => {
    const onRetry = (): void => {
      counts.retries++;
    };
    const persistent = persistentPublisher(publisher, { clock, signal, onRetry });
    const sample = hostSampler(config, intervalMs, clock, counts);
    let dueMs = clock.monotonicMs();
    while (!signal.aborted) {
      await sample(persistent);
      const nowMs = clock.monotonicMs();
      // Missed times are skipped, not made up for: the interval says how long it really was.
      dueMs += intervalMs * Math.max(1, Math.ceil((nowMs - dueMs) / intervalMs));
      await clock.sleep(dueMs - nowMs, signal);
    }
  };
  return startEdgeProgram(run, () => ({ ...counts }), runtime.signal);
}

/** A function that takes one sample of everything and publishes it. */
function hostSampler(
  config: HostIoConfig,
  intervalMs: number,
  clock: Clock,
  counts: Counts,
): (publisher: Publisher) => Promise<void> {
  const host = config.host ?? hostname();
  const source = `/agents/host-io/${host}`;
  // An id must not come back after a restart: the start is part of it.
  const startedMs = clock.wallMs();
  const tracker = intervalTracker<HostIoReading>();
  const tell = problemTeller(config.onProblem);
  const read = hostReader(readerConfig(config, intervalMs));
  return async (publisher) => {
    const beforeMs = clock.monotonicMs();
    const readings = read();
    const nowMs = clock.monotonicMs();
    const sampledAtMs = clock.wallMs();
    const tracked = tracker.track(readings.readings, nowMs, readings.complete);
    countReading(counts, readings, nowMs - beforeMs);
    countTracked(counts, tracked, tracker.size);
    tell(readings);
    for (const interval of tracked.intervals) {
      if (interval.elapsedMs > 2 * intervalMs) counts.longIntervals++;
      const event = ioSample(host, interval, sampledAtMs);
      const id = `${startedMs}/${counts.readings}/${event.device_id}`;
      await publisher.publish(ioSamples, event, { source, id });
      counts.published++;
    }
  };
}

function readerConfig(config: HostIoConfig, intervalMs: number): HostReaderConfig {
  return {
    procRoot: config.procRoot ?? '/proc',
    sysRoot: config.sysRoot ?? '/sys',
    kinds: config.kinds ?? ['disk'],
    maxCgroups: config.maxCgroups ?? 200,
    cgroupScanEvery: Math.max(1, Math.round((config.cgroupScanMs ?? 10_000) / intervalMs)),
    counterBits: config.counterBits ?? (NARROW_ARCHITECTURES.includes(process.arch) ? 32 : 64),
  };
}

function zeroCounts(): Counts {
  return {
    readings: 0,
    published: 0,
    series: 0,
    appeared: 0,
    vanished: 0,
    resets: 0,
    wraps: 0,
    longIntervals: 0,
    problems: 0,
    retries: 0,
    lastReadMs: 0,
    longestReadMs: 0,
  };
}

function countReading(counts: Counts, host: HostIoReadings, tookMs: number): void {
  counts.readings++;
  counts.problems += host.problems.length;
  counts.lastReadMs = tookMs;
  counts.longestReadMs = Math.max(counts.longestReadMs, tookMs);
}

function countTracked(counts: Counts, tracked: Tracked<HostIoReading>, series: number): void {
  counts.series = series;
  counts.appeared += tracked.appeared;
  counts.vanished += tracked.vanished;
  counts.resets += tracked.resets;
  counts.wraps += tracked.wraps;
}

/** Tells each distinct problem once. */
function problemTeller(onProblem: ((message: string) => void) | undefined): (host: HostIoReadings) => void {
  const told = new Set<string>();
  return ({ problems }) => {
    for (const problem of problems) {
      const message = describeProblem(problem);
      if (told.has(message)) continue;
      if (told.size === MAX_TOLD_PROBLEMS) told.clear();
      told.add(message);
      onProblem?.(message);
    }
  };
}
