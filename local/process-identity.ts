/**
 * Which process a process id means: an id comes back to other programs, so it is kept together with the start time.
 *
 * I1  A process is signalled only while its start time is the one that was written down: never a stranger's.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ProcessIdentity {
  readonly pid: number;
  /** As this system tells it: to be compared, not to be read. */
  readonly startedAt: string;
}

const pollMs = 50;

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** Linux: clock ticks since boot (proc(5), field 22), with the boot they count from. A zombie has ended. */
function startFromProc(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot}/${fields[19] ?? ''}`;
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(codeOf(error))) return undefined;
    throw error;
  }
}

function startFromPs(pid: number): string | undefined {
  try {
    const args = ['-p', String(pid), '-o', 'stat=', '-o', 'lstart='];
    const printed = execFileSync('ps', args, {
      encoding: 'utf8',
      timeout: 10_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [state = '', ...start] = printed.trim().split(/\s+/);
    return start.length === 0 || state.startsWith('Z') ? undefined : start.join(' ');
  } catch (error) {
    // `ps` ends with 1 where there is no such process.
    if (error instanceof Error && 'status' in error && error.status === 1) return undefined;
    throw error;
  }
}

/** The identity of the process that has this id now; undefined where none has it. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const startedAt = process.platform === 'linux' ? startFromProc(pid) : startFromPs(pid);
  return startedAt === undefined ? undefined : { pid, startedAt };
}

export function isSame(one: ProcessIdentity, other: ProcessIdentity): boolean {
  return one.pid === other.pid && one.startedAt === other.startedAt;
}

/** Whether this very process runs. */
export function isRunning({ pid, startedAt }: ProcessIdentity): boolean {
  return identityOf(pid)?.startedAt === startedAt;
}

/** Send a signal, unless the process has ended. */
export function signal(identity: ProcessIdentity, name: NodeJS.Signals): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, name);
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

/** Wait for the end of a process. @returns whether it ended in time */
export async function hasEnded(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const giveUpAtMs = performance.now() + timeoutMs;
  while (isRunning(identity)) {
    if (performance.now() >= giveUpAtMs) return false;
    await sleep(pollMs);
  }
  return true;
}

/** SIGTERM, and SIGKILL when that did not end it in time. @returns whether it took SIGKILL */
export async function end(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  signal(identity, 'SIGTERM');
  // A frozen process would not see it.
  signal(identity, 'SIGCONT');
  if (await hasEnded(identity, timeoutMs)) return false;
  signal(identity, 'SIGKILL');
  await hasEnded(identity, 5_000);
  return true;
}
