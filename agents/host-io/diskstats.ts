/**
 * Reads the text of /proc/diskstats.
 *
 * Source: Documentation/admin-guide/iostats.rst of the Linux kernel. A line is major, minor, name and then 11 fields, 15
 * since 4.18 (discards), 17 since 5.5 (flushes); partitions before 2.6.25 had 4. More may come: later fields are ignored.
 *
 * I1  A line that is not understood costs only itself, and is reported with its number.
 */
import type { IoCounters } from './io-counters.ts';
import { parseCounter } from './source-problem.ts';
import type { SourceProblem } from './source-problem.ts';

/** Bytes of a sector in every kernel interface, whatever the device's own block size. */
export const SECTOR_BYTES = 512;

export interface DiskReading {
  readonly name: string;
  /** `<major>:<minor>`. */
  readonly device: string;
  /** Units are sectors of 512 bytes. */
  readonly counters: IoCounters;
}

/** Where the four counters stand, counted from the first field after the name. */
interface Positions {
  readonly readOps: number;
  readonly readUnits: number;
  readonly writeOps: number;
  readonly writeUnits: number;
}

const FULL: Positions = { readOps: 0, readUnits: 2, writeOps: 4, writeUnits: 6 };
const OLD_PARTITION: Positions = { readOps: 0, readUnits: 1, writeOps: 2, writeUnits: 3 };

/** All lines of a /proc/diskstats. `file` is only for the messages. */
export function parseDiskstats(
  text: string,
  file: string,
): { disks: DiskReading[]; problems: SourceProblem[] } {
  const disks: DiskReading[] = [];
  const problems: SourceProblem[] = [];
  const lines = text.split('\n');
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]!.trim();
    if (line === '') continue;
    const disk = parseLine(line);
    if (typeof disk === 'string') problems.push({ file, line: index + 1, reason: disk });
    else disks.push(disk);
  }
  return { disks, problems };
}

function parseLine(line: string): DiskReading | string {
  const [major, minor, name, ...fields] = line.split(/\s+/);
  if (name === undefined) return `expected 'major minor name counters...', found '${line.slice(0, 80)}'`;
  if (!/^\d+$/.test(major!) || !/^\d+$/.test(minor!)) return `no device number: '${major!} ${minor!}'`;
  const at = fields.length >= 11 ? FULL : fields.length === 4 ? OLD_PARTITION : undefined;
  if (at === undefined)
    return `${name}: ${fields.length} counters, expected 11 or more (or 4, before 2.6.25)`;
  const readOps = parseCounter(fields[at.readOps], 'reads completed');
  const readUnits = parseCounter(fields[at.readUnits], 'sectors read');
  const writeOps = parseCounter(fields[at.writeOps], 'writes completed');
  const writeUnits = parseCounter(fields[at.writeUnits], 'sectors written');
  if (typeof readOps === 'string') return `${name}: ${readOps}`;
  if (typeof readUnits === 'string') return `${name}: ${readUnits}`;
  if (typeof writeOps === 'string') return `${name}: ${writeOps}`;
  if (typeof writeUnits === 'string') return `${name}: ${writeUnits}`;
  return { name, device: `${major!}:${minor!}`, counters: { readOps, readUnits, writeOps, writeUnits } };
}
