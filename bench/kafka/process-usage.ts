/**
 * CPU seconds and peak memory of a process and all that it started, as Linux counts them: the same measure for a JVM, for
 * Node and for a broker. Source: proc(5).
 */
import { readdirSync, readFileSync } from 'node:fs';

/** What a process and its descendants took from their start on. */
export interface Usage {
  /** User and system time of all threads. */
  readonly cpuSeconds: number;
  /** Sum of the largest resident sizes (VmHWM), in 10^6 bytes. */
  readonly peakMegabytes: number;
}

/** USER_HZ, which is 100 on every architecture that Node runs on. */
const ticksPerSecond = 100;

/** User and system time in a line of /proc/<pid>/stat. The name before them may hold spaces and brackets. */
export function cpuSecondsOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // utime and stime are fields 14 and 15, counted from 1; `fields` begins with the third.
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** @throws Error ENOENT when the process has ended */
export function usageOf(pid: number): Usage {
  let cpuSeconds = 0;
  let kib = 0;
  for (const each of tree(pid)) {
    cpuSeconds += cpuSecondsOf(readFileSync(`/proc/${each}/stat`, 'utf8'));
    kib += Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${each}/status`, 'utf8'))?.[1] ?? 0);
  }
  return { cpuSeconds, peakMegabytes: Math.round((kib * 1024) / 1e6) };
}

function tree(pid: number): number[] {
  const all = [pid];
  for (const parent of all)
    for (const thread of readdirSync(`/proc/${parent}/task`)) {
      const children = readFileSync(`/proc/${parent}/task/${thread}/children`, 'utf8').trim();
      if (children !== '') all.push(...children.split(' ').map(Number));
    }
  return all;
}
