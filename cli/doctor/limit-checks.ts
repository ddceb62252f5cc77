/** Limits of this process: memory and open files. */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { reasonOf } from '#sinks/clickhouse/error.ts';
import type { Check } from './check.ts';

const mebibyte = 1024 * 1024;
/** What a demo takes, the ClickHouse child included. */
const leastMemoryBytes = 1024 * mebibyte;
const leastOpenFiles = 1024;

/** @param limitBytes of the control group; 0 or more than the machine has: none */
export function memoryCheck(limitBytes: number, machineBytes: number): Check {
  const base = { name: 'memory', neededFor: 'the embedded ClickHouse beside the processors' };
  const isLimited = limitBytes > 0 && limitBytes < machineBytes;
  const bytes = isLimited ? limitBytes : machineBytes;
  const found = `${Math.floor(bytes / mebibyte)} MiB${isLimited ? " (this container's limit)" : ''}`;
  if (bytes >= leastMemoryBytes) return { ...base, state: 'ok', found };
  const remedy = `allow ${leastMemoryBytes / mebibyte} MiB, or use a ClickHouse server elsewhere with --url`;
  return { ...base, state: 'optional-missing', found, remedy };
}

/** @param limits the content of /proc/self/limits */
export function openFilesCheck(limits: string): Check {
  const base = { name: 'open files', neededFor: "ClickHouse's column files" };
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
  const count = soft === 'unlimited' ? Infinity : Number(soft);
  if (soft === undefined || count >= leastOpenFiles)
    return {
      ...base,
      state: 'ok',
      found: soft === undefined ? 'the limit is not known here' : `at most ${soft}`,
    };
  return {
    ...base,
    state: 'optional-missing',
    found: `at most ${soft}`,
    remedy: `allow more: ulimit -n ${leastOpenFiles * 4}`,
  };
}

/** The limits of this process. */
export function limitChecks(): readonly Check[] {
  let limits = '';
  try {
    limits = readFileSync('/proc/self/limits', 'utf8');
  } catch (error) {
    // Only Linux has this file; elsewhere the limit stays unknown.
    limits = reasonOf(error);
  }
  return [memoryCheck(process.constrainedMemory(), totalmem()), openFilesCheck(limits)];
}
