/**
 * One process at a time in a directory, by symbolic links named `owner-<n>` whose targets say who holds it: a link appears
 * whole or not at all, and the highest number counts.
 *
 * I1  Who finds the highest one's holder gone, or `free`, makes the next number; only one can. Nobody removes the highest but
 *     its holder, after it has put `free` above it. So two that find a dead holder at one moment do not both go on.
 * I2  A process is meant by its id and its start time, and the id's space (its PID namespace) and boot: ids come again.
 * I3  A holder in another PID namespace, as of another container, cannot be looked up: it counts as long as it touches its
 *     link. What it may still have open after that is to be left to it (`mayLinger`).
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { lstat, lutimes, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../engine-error.ts';
import { bootId } from './boot-id.ts';

const touchEveryMs = 2_000;
/** Five touches missed. */
const goneAfterMs = 10_000;
const attempts = 50;
const free = 'free';

interface Holder {
  readonly pid: number;
  readonly start: string;
  readonly space: string;
  readonly boot: string;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** As the system tells it, to be compared; undefined when there is no such process. */
function startOf(pid: number): string | undefined {
  try {
    if (process.platform !== 'linux') {
      const printed = execFileSync('ps', ['-p', String(pid), '-o', 'lstart='], {
        encoding: 'utf8',
        timeout: 5_000,
      });
      return printed.trim().replaceAll(/\s+/g, '_');
    }
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // proc(5): the name, in parentheses, may hold anything; the state follows, and 19 fields later the start time.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function pidSpace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return 'host';
  }
}

function self(): Holder {
  return { pid: process.pid, start: startOf(process.pid) ?? '', space: pidSpace(), boot: bootId() };
}

/** Numbers of the links there are. */
async function owners(directory: string): Promise<readonly number[]> {
  return (await readdir(directory)).flatMap((name) => /^owner-(\d{1,15})$/.exec(name)?.[1] ?? []).map(Number);
}

async function highestOwner(directory: string): Promise<number> {
  return Math.max(0, ...(await owners(directory)));
}

type Standing = 'free' | 'held' | 'gone' | 'lingering';

async function standingOf(path: string, target: string, us: Holder): Promise<Standing> {
  if (target === free) return 'free';
  const holder = parse(target);
  if (holder === undefined || holder.boot !== us.boot) return 'gone';
  if (holder.space === us.space) return startOf(holder.pid) === holder.start ? 'held' : 'gone';
  const { mtimeMs } = await lstat(path);
  return Date.now() - mtimeMs < goneAfterMs ? 'held' : 'lingering';
}

function parse(target: string): Holder | undefined {
  const [pid, start, space, boot] = target.split(' ');
  return boot === undefined ? undefined : { pid: Number(pid), start: start!, space: space!, boot };
}

function format({ pid, start, space, boot }: Holder): string {
  return `${pid} ${start} ${space} ${boot}`;
}

/** @throws EngineError `store-in-use`; the system's errors */
export async function claimDirectory(directory: string): Promise<DirectoryClaim> {
  const us = self();
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const claim = await tryClaim(directory, us);
    if (claim !== undefined) return claim;
  }
  throw new EngineError('store-in-use', `${directory}: others take it again and again`, { retryable: true });
}

/** Undefined when another was quicker at something. */
async function tryClaim(directory: string, us: Holder): Promise<DirectoryClaim | undefined> {
  const highest = await highestOwner(directory);
  let standing: Standing = 'free';
  if (highest > 0) {
    const path = join(directory, `owner-${highest}`);
    try {
      const target = await readlink(path);
      standing = await standingOf(path, target, us);
      if (standing === 'held')
        throw new EngineError(
          'store-in-use',
          `${directory} is in use by process ${target.split(' ')[0] ?? ''}: stop it, or give each process a state directory of its own`,
          { retryable: true },
        );
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }
  const own = highest + 1;
  try {
    await symlink(format(us), join(directory, `owner-${own}`));
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return undefined;
    throw error;
  }
  if ((await highestOwner(directory)) !== own) {
    await rm(join(directory, `owner-${own}`), { force: true });
    return undefined;
  }
  for (const number of await owners(directory)) {
    if (number < own) await rm(join(directory, `owner-${number}`), { force: true });
  }
  return new DirectoryClaim(directory, own, standing === 'lingering');
}

export class DirectoryClaim {
  /** The one before may not have ended: it must not be able to write what is written now. */
  readonly mayLinger: boolean;
  readonly #directory: string;
  readonly #number: number;
  readonly #touching: NodeJS.Timeout;

  constructor(directory: string, number: number, mayLinger: boolean) {
    this.#directory = directory;
    this.#number = number;
    this.mayLinger = mayLinger;
    this.#touching = setInterval(() => {
      const now = new Date();
      // A link that is gone with its directory has nothing to say any more.
      lutimes(this.#path(number), now, now).catch(() => undefined);
    }, touchEveryMs).unref();
  }

  #path(number: number): string {
    return join(this.#directory, `owner-${number}`);
  }

  async release(): Promise<void> {
    clearInterval(this.#touching);
    // On a full disk the number cannot be kept; that it then begins again matters only to a claim made in this moment.
    await symlink(free, this.#path(this.#number + 1)).catch(() => undefined);
    await rm(this.#path(this.#number), { force: true });
  }
}
