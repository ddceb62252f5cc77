/** What benchmarks share: medians, memory, and how a part tells its figures to the command that started it. */
import { readFileSync } from 'node:fs';

export type Figures = Readonly<Record<string, number | string>>;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Ends a part: its figures as one line of JSON, the last on stdout. */
export function report(figures: Figures): void {
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

/** Largest resident memory of a process so far, in megabytes (10^6 bytes). Source: VmHWM of proc(5). */
export function peakMegabytes(pid: number): number {
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (line === null) throw new Error(`/proc/${pid}/status has no VmHWM`);
  return Math.round((Number(line[1]) * 1024) / 1e6);
}
