/**
 * Reads the text of a control group's I/O counters: `io.stat` of cgroup v2, and the pair `blkio.throttle.io_service_bytes`
 * and `blkio.throttle.io_serviced` of cgroup v1.
 *
 * Sources: Documentation/admin-guide/cgroup-v2.rst ("IO Interface Files") and cgroup-v1/blkio-controller.rst.
 *
 * I1  A line that is not understood costs only itself, and is reported with its number.
 * I2  A counter that is not there makes the line a problem; it is never taken for zero.
 */
import type { IoCounters } from './io-counters.ts';
import { parseCounter } from './source-problem.ts';
import type { SourceProblem } from './source-problem.ts';

/** Counters of one device in one control group; units are bytes. */
export interface CgroupReading {
  /** `<major>:<minor>`. */
  readonly device: string;
  readonly counters: IoCounters;
}

export interface CgroupReadings {
  readonly readings: CgroupReading[];
  readonly problems: SourceProblem[];
}

const DEVICE_NUMBER = /^\d+:\d+$/;

/** The lines of an `io.stat`: `8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0`. */
export function parseIoStat(text: string, file: string): CgroupReadings {
  const readings: CgroupReading[] = [];
  const problems: SourceProblem[] = [];
  const lines = text.split('\n');
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]!.trim();
    if (line === '') continue;
    const reading = parseIoStatLine(line);
    if (typeof reading === 'string') problems.push({ file, line: index + 1, reason: reading });
    else if (reading !== undefined) readings.push(reading);
  }
  return { readings, problems };
}

/**
 * Some kernels print a device without statistics as its bare number and leave out the line break (canonical/lxd#10052:
 * `7:7 7:6 7:5 rbytes=...`), so a line may start with several numbers; the counters belong to the last, and a line of bare
 * numbers says nothing. The paths of a multipath NVMe device come as `(unknown)` (containerd/cgroups#393): a problem line.
 */
function parseIoStatLine(line: string): CgroupReading | string | undefined {
  const words = line.split(/\s+/);
  let device: string | undefined;
  const values = new Map<string, string>();
  for (const word of words) {
    const equals = word.indexOf('=');
    if (equals > 0) values.set(word.slice(0, equals), word.slice(equals + 1));
    else if (DEVICE_NUMBER.test(word) && values.size === 0) device = word;
    else return `expected 'major:minor key=value...', found '${word.slice(0, 40)}'`;
  }
  if (device === undefined) return `no device number in '${line.slice(0, 80)}'`;
  if (values.size === 0) return undefined;
  const readUnits = parseCounter(values.get('rbytes'), 'rbytes');
  const writeUnits = parseCounter(values.get('wbytes'), 'wbytes');
  const readOps = parseCounter(values.get('rios'), 'rios');
  const writeOps = parseCounter(values.get('wios'), 'wios');
  if (typeof readUnits === 'string') return `${device}: ${readUnits}`;
  if (typeof writeUnits === 'string') return `${device}: ${writeUnits}`;
  if (typeof readOps === 'string') return `${device}: ${readOps}`;
  if (typeof writeOps === 'string') return `${device}: ${writeOps}`;
  return { device, counters: { readOps, readUnits, writeOps, writeUnits } };
}

/** A file's text with its name, for messages. */
export interface NamedText {
  readonly file: string;
  readonly text: string;
}

/** The two files of a v1 group together: bytes, and operations, by device. Devices that are in only one of them are left out. */
export function parseBlkioThrottle(serviceBytes: NamedText, serviced: NamedText): CgroupReadings {
  const problems: SourceProblem[] = [];
  const bytes = parseBlkioFile(serviceBytes, problems);
  const ops = parseBlkioFile(serviced, problems);
  const readings: CgroupReading[] = [];
  for (const [device, transferred] of bytes) {
    const operations = ops.get(device);
    const { read: readUnits, write: writeUnits } = transferred;
    const { read: readOps, write: writeOps } = operations ?? {};
    if (
      readUnits === undefined ||
      writeUnits === undefined ||
      readOps === undefined ||
      writeOps === undefined
    ) {
      problems.push({
        file: operations === undefined ? serviced.file : serviceBytes.file,
        reason: `${device}: needs Read and Write in both blkio.throttle files`,
      });
      continue;
    }
    readings.push({ device, counters: { readOps, readUnits, writeOps, writeUnits } });
  }
  return { readings, problems };
}

interface ReadWrite {
  read?: number;
  write?: number;
}

/** Lines `8:0 Read 4096`, `8:0 Write ...`, `Sync`, `Async`, `Discard`, `Total`, and at the end `Total 4096`. */
function parseBlkioFile(source: NamedText, problems: SourceProblem[]): Map<string, ReadWrite> {
  const byDevice = new Map<string, ReadWrite>();
  const lines = source.text.split('\n');
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]!.trim();
    if (line === '' || line.startsWith('Total ')) continue;
    const [device, operation, count, ...rest] = line.split(/\s+/);
    const value = parseCounter(count, operation ?? 'operation');
    if (!DEVICE_NUMBER.test(device!) || rest.length > 0 || typeof value === 'string') {
      const reason = typeof value === 'string' ? value : `expected 'major:minor Operation count'`;
      problems.push({ file: source.file, line: index + 1, reason: `${reason} in '${line.slice(0, 80)}'` });
      continue;
    }
    const entry = byDevice.get(device!) ?? {};
    if (operation === 'Read') entry.read = value;
    if (operation === 'Write') entry.write = value;
    byDevice.set(device!, entry);
  }
  return byDevice;
}
