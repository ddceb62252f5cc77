/** Which broker runs on a node's directory, written down beside its data. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalError } from '../local-error.ts';
import { isAlive } from './directory-lock.ts';
import { runProgram } from './run-program.ts';

const ownerPath = (directory: string): string => join(directory, 'broker.pid');

/** The directory is the broker's that has this process id. */
export async function recordBroker(directory: string, pid: number): Promise<void> {
  await writeFile(ownerPath(directory), String(pid));
}

/** A process id may have gone to another program since: only one that names the directory is a broker on it. */
async function runsOn(pid: number, directory: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  const listed = await runProgram('ps', ['-ww', '-p', String(pid), '-o', 'command='], { timeoutMs: 10_000 });
  return listed.missing || listed.output.includes(directory);
}

/** @throws LocalError `data-dir-in-use` when a broker runs on the directory */
export async function refuseIfOwned(directory: string): Promise<void> {
  let pid: number;
  try {
    pid = Number(await readFile(ownerPath(directory), 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  }
  if (pid > 0 && (await runsOn(pid, directory)))
    throw new LocalError(
      'data-dir-in-use',
      `Kafka runs on ${directory} already, as process ${pid}: stop it, or name another data directory`,
    );
}
