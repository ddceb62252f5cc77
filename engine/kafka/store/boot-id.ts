/** Which run of the machine's kernel this is: what a process left in the page cache is there for as long as it lasts. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';

let known: string | undefined;

/** The same for all processes until the machine restarts. Where the system does not tell, this process's own. */
export function bootId(): string {
  known ??= readBootId();
  return known;
}

function readBootId(): string {
  try {
    return process.platform === 'darwin'
      ? execFileSync('sysctl', ['-n', 'kern.bootsessionuuid'], { encoding: 'utf8', timeout: 5_000 }).trim()
      : readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // Then each process finds another boot than the one before, and believes only what was closed.
    return `process-${randomUUID()}`;
  }
}
