/**
 * Reads all I/O counters of this host once: block devices and control groups.
 *
 * Files of /proc and /sys are made by the kernel as they are read and never wait for a disk, so they are read
 * synchronously: an asynchronous read costs several times the CPU. Nothing here needs root.
 *
 * I1  What cannot be read or understood is reported, and costs only itself.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { blockDeviceKind, diskSequence, kernelNameOf } from './block-devices.ts';
import type { BlockDeviceKind } from './block-devices.ts';
import { findHierarchies, listCgroups, readCgroup } from './cgroup-tree.ts';
import type { Cgroup } from './cgroup-tree.ts';
import { parseDiskstats, SECTOR_BYTES } from './diskstats.ts';
import type { DiskReading } from './diskstats.ts';
import type { Reading } from './interval-tracker.ts';
import { isFileError } from './source-problem.ts';
import type { SourceProblem } from './source-problem.ts';

export interface HostIoReading extends Reading {
  /** The block device by its kernel name (`sda`, `nvme0n1`, `dm-0`), or `major:minor` where it has none. */
  readonly device: string;
  /** The control group whose I/O on the device this is; undefined for the device's own. */
  readonly cgroup: string | undefined;
}

export interface HostIoReadings {
  readonly readings: readonly HostIoReading[];
  readonly problems: readonly SourceProblem[];
  /** Whether the source of a key was read completely, so that a missing key means a thing that is gone. */
  readonly complete: (key: string) => boolean;
}

export interface HostReaderConfig {
  /** Normally `/proc`. */
  readonly procRoot: string;
  /** Normally `/sys`. */
  readonly sysRoot: string;
  /** Kinds of block devices to read. Memory devices (loop, ram, zram) count only once they have done some I/O. */
  readonly kinds: readonly BlockDeviceKind[];
  /** Largest number of control groups to read; 0 reads none. */
  readonly maxCgroups: number;
  /** How often the tree of control groups is searched for new ones, in readings. */
  readonly cgroupScanEvery: number;
  /** Width of the kernel's operation and sector counters. */
  readonly counterBits: 32 | 64;
}

/** A function that reads the host. It remembers what devices are and which control groups there were. */
export function hostReader(config: HostReaderConfig): () => HostIoReadings {
  const kinds = new Map<string, BlockDeviceKind>();
  let groups: readonly Cgroup[] = [];
  let scanProblems: readonly SourceProblem[] = [];
  let readCount = 0;
  return () => {
    const problems: SourceProblem[] = [];
    const disks = readDisks(config, problems);
    const incomplete = new Set(problems.length > 0 ? ['disk'] : []);
    const readings = disks.flatMap((disk) => diskReading(config, disk, kinds));
    if (config.maxCgroups > 0) {
      if (readCount++ % config.cgroupScanEvery === 0) ({ groups, problems: scanProblems } = scan(config));
      problems.push(...scanProblems);
      const names = new Map(disks.map((disk) => [disk.device, disk.name]));
      for (const group of groups) readings.push(...groupReadings(config, group, names, problems, incomplete));
    }
    return { readings, problems, complete: (key) => !incomplete.has(key.slice(0, key.lastIndexOf(' '))) };
  };
}

function readDisks(config: HostReaderConfig, problems: SourceProblem[]): DiskReading[] {
  const file = join(config.procRoot, 'diskstats');
  try {
    const parsed = parseDiskstats(readFileSync(file, 'utf8'), file);
    problems.push(...parsed.problems);
    return parsed.disks;
  } catch (error) {
    if (!isFileError(error)) throw error;
    problems.push({ file, reason: error.message });
    return [];
  }
}

function kindOf(
  config: HostReaderConfig,
  disk: DiskReading,
  known: Map<string, BlockDeviceKind>,
): BlockDeviceKind {
  const key = `${disk.device} ${disk.name}`;
  const kind = known.get(key) ?? blockDeviceKind(config.sysRoot, disk.device, disk.name);
  known.set(key, kind);
  return kind;
}

function diskReading(
  config: HostReaderConfig,
  disk: DiskReading,
  known: Map<string, BlockDeviceKind>,
): HostIoReading[] {
  const kind = kindOf(config, disk, known);
  if (!config.kinds.includes(kind)) return [];
  const { readOps, writeOps } = disk.counters;
  if (kind === 'memory' && readOps === 0 && writeOps === 0) return [];
  return [
    {
      key: `disk ${disk.device}`,
      device: disk.name,
      cgroup: undefined,
      counters: disk.counters,
      traits: { unitBytes: SECTOR_BYTES, bits: config.counterBits },
      incarnation: `${disk.name} ${diskSequence(config.sysRoot, disk.device) ?? ''}`,
    },
  ];
}

function scan(config: HostReaderConfig): { groups: Cgroup[]; problems: SourceProblem[] } {
  const groups: Cgroup[] = [];
  const problems: SourceProblem[] = [];
  for (const hierarchy of findHierarchies(config.sysRoot)) {
    const listed = listCgroups(hierarchy, config.maxCgroups - groups.length);
    groups.push(...listed.groups);
    problems.push(...listed.problems);
    if (listed.truncated) {
      const reason = `more than ${config.maxCgroups} control groups with I/O counters; the deepest are not read (raise maxCgroups)`;
      problems.push({ file: hierarchy.root, reason });
    }
  }
  return { groups, problems };
}

/** cgroup counters are 64 bits wide on every kernel. */
const CGROUP_TRAITS = { unitBytes: 1, bits: 64 } as const;

function groupReadings(
  config: HostReaderConfig,
  group: Cgroup,
  names: ReadonlyMap<string, string>,
  problems: SourceProblem[],
  incomplete: Set<string>,
): HostIoReading[] {
  const read = readCgroup(group);
  if (read === undefined) return [];
  if (read.problems.length > 0) incomplete.add(group.path);
  problems.push(...read.problems);
  return read.readings.map(({ device, counters }) => ({
    key: `${group.path} ${device}`,
    device: names.get(device) ?? kernelNameOf(config.sysRoot, device) ?? device,
    cgroup: group.path,
    counters,
    traits: CGROUP_TRAITS,
    incarnation: read.incarnation,
  }));
}
