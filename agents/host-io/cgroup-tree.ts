/**
 * The control groups of a host whose I/O the kernel counts, in cgroup v2 (alone or in the hybrid layout) or v1.
 *
 * The root group is left out: its I/O is the host's, which /proc/diskstats has already.
 *
 * I1  A group that vanishes while it is looked at is no error.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseBlkioThrottle, parseIoStat } from './cgroup-io.ts';
import type { CgroupReadings } from './cgroup-io.ts';
import { isFileError } from './source-problem.ts';
import type { SourceProblem } from './source-problem.ts';

export interface CgroupHierarchy {
  readonly version: 1 | 2;
  /** Directory of the root group. */
  readonly root: string;
}

/** One group: its path as in /proc/<pid>/cgroup (`/system.slice/db.service`) and its directory. */
export interface Cgroup {
  readonly path: string;
  readonly directory: string;
  readonly version: 1 | 2;
}

/** The hierarchies mounted under `<sysRoot>/fs/cgroup` that can count I/O: v2 at its root or at `unified`, v1 at `blkio`. */
export function findHierarchies(sysRoot: string): readonly CgroupHierarchy[] {
  const mount = join(sysRoot, 'fs', 'cgroup');
  if (existsSync(join(mount, 'cgroup.controllers'))) return [{ version: 2, root: mount }];
  const found: CgroupHierarchy[] = [];
  if (existsSync(join(mount, 'unified', 'cgroup.controllers'))) {
    found.push({ version: 2, root: join(mount, 'unified') });
  }
  if (existsSync(join(mount, 'blkio'))) found.push({ version: 1, root: join(mount, 'blkio') });
  return found;
}

/**
 * Groups below the root of a hierarchy that have I/O counters, breadth first, so that `maxGroups` cuts the deepest.
 * Problems are directories that could not be listed.
 */
export function listCgroups(
  hierarchy: CgroupHierarchy,
  maxGroups: number,
): { groups: Cgroup[]; problems: SourceProblem[]; truncated: boolean } {
  const groups: Cgroup[] = [];
  const problems: SourceProblem[] = [];
  const queue = [''];
  for (const path of queue) {
    const directory = join(hierarchy.root, path);
    let names: string[];
    try {
      const entries = readdirSync(directory, { withFileTypes: true });
      names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    } catch (error) {
      if (!isFileError(error)) throw error;
      if (error.code !== 'ENOENT') problems.push({ file: directory, reason: error.message });
      continue;
    }
    for (const name of names.sort()) queue.push(`${path}/${name}`);
    if (path === '' || !existsSync(join(directory, ioFile(hierarchy.version)))) continue;
    if (groups.length === maxGroups) return { groups, problems, truncated: true };
    groups.push({ path, directory, version: hierarchy.version });
  }
  return { groups, problems, truncated: false };
}

function ioFile(version: 1 | 2): string {
  return version === 2 ? 'io.stat' : 'blkio.throttle.io_service_bytes';
}

/** A group's counters, and what tells it from another one that later has its path. */
export interface CgroupSnapshot extends CgroupReadings {
  readonly incarnation: string;
}

/**
 * A group's counters by device, its descendants included. undefined when the group is gone.
 *
 * v2 counts recursively; of v1 the `_recursive` files (since 4.17) are preferred, so that both mean the same.
 */
export function readCgroup(group: Cgroup): CgroupSnapshot | undefined {
  const files = filesOf(group);
  try {
    const incarnation = String(statSync(group.directory).ino);
    const texts = files.map((file) => ({ file, text: readFileSync(file, 'utf8') }));
    const [first, second] = texts;
    const parsed =
      second === undefined ? parseIoStat(first!.text, first!.file) : parseBlkioThrottle(first!, second);
    return { ...parsed, incarnation };
  } catch (error) {
    if (!isFileError(error)) throw error;
    // ENODEV: the group was removed between open and read.
    if (error.code === 'ENOENT' || error.code === 'ENODEV') return undefined;
    return { readings: [], problems: [{ file: files[0]!, reason: error.message }], incarnation: '' };
  }
}

function filesOf(group: Cgroup): string[] {
  if (group.version === 2) return [join(group.directory, 'io.stat')];
  const plain = ['blkio.throttle.io_service_bytes', 'blkio.throttle.io_serviced'].map((name) =>
    join(group.directory, name),
  );
  const recursive = plain.map((file) => `${file}_recursive`);
  return recursive.every((file) => existsSync(file)) ? recursive : plain;
}
