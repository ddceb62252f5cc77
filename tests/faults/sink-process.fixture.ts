/** What a process on Linux has used so far. */
import { readFileSync } from 'node:fs';

/** Clock ticks in a second of /proc/<pid>/stat: USER_HZ, 100 on all of Linux's common platforms. */
const ticksPerSecond = 100;

/** Resident memory at its highest, in bytes. */
export function peakMemoryOf(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kib === undefined) throw new Error(`process ${pid} has no VmHWM`);
  return Number(kib) * 1_024;
}

/** CPU seconds, of user and system. */
export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // After the name in parentheses, which may have spaces: utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
