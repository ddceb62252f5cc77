/**
 * What runs on the data directory of a local stack, written down by the process that supervises it.
 *
 *     <directory>/stack.json   this file
 *     <directory>/stack.log    what the supervisor did
 *     <directory>/kafka/       data and logs of the brokers
 *     <directory>/clickhouse/  data of the embedded ClickHouse
 *
 * I1  The file appears whole or not at all, and names processes by id and start time: what a killed supervisor left behind
 *     is told from what runs.
 * I2  One supervisor at a time has a directory. It takes what a dead one left, and ends what of it still runs.
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withLock } from '../kafka/directory-lock.ts';
import { removeContainer } from '../kafka/docker-runtime.ts';
import { LocalError } from '../local-error.ts';
import { end, isRunning, isSame, type ProcessIdentity } from '../process-identity.ts';
import { parseState, type StackState } from './stack-state.ts';

export const statePath = (directory: string): string => join(directory, 'stack.json');
export const stackLogPath = (directory: string): string => join(directory, 'stack.log');
export const kafkaDirectory = (directory: string): string => join(directory, 'kafka');
export const clickHouseDirectory = (directory: string): string => join(directory, 'clickhouse');

const takeTimeoutMs = 10_000;
/** Leftovers of a killed supervisor end by themselves; this is for those that do not. */
const leftoverMs = 10_000;

/** What is written down; undefined where nothing is, or nothing that can be read. */
export async function readState(directory: string): Promise<StackState | undefined> {
  try {
    return parseState(await readFile(statePath(directory), 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR'].includes(String(error.code)))
      return undefined;
    throw error;
  }
}

/** Write it down. Only the supervisor that has the directory does. */
export async function writeState(directory: string, state: StackState): Promise<void> {
  const draft = `${statePath(directory)}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(state, undefined, 2)}\n`);
  await rename(draft, statePath(directory));
}

/** Remove the state of this supervisor, not of one that has the directory since. */
export async function removeState(directory: string, { supervisor }: StackState): Promise<void> {
  const found = await readState(directory);
  if (found === undefined || isSame(found.supervisor, supervisor))
    await rm(statePath(directory), { force: true });
}

/** End the processes and containers of a stack whose supervisor is dead. @returns how many of them took SIGKILL */
export async function endLeftovers({ kafka, clickhouse }: StackState): Promise<number> {
  const brokers = kafka?.brokers ?? [];
  const processes = [...brokers.map((broker) => broker.process), ...(clickhouse ? [clickhouse.process] : [])];
  const containers = brokers.flatMap(({ container }) => (container === undefined ? [] : [container]));
  await Promise.all(containers.map(removeContainer));
  const killed = await Promise.all(processes.map((each) => end(each, leftoverMs)));
  return killed.filter(Boolean).length;
}

/**
 * Take a directory for a supervisor, ending what is left of one that was killed.
 *
 * @throws LocalError `data-dir-in-use` when another supervisor has it
 */
export async function takeDirectory(directory: string, supervisor: ProcessIdentity): Promise<void> {
  await withLock(`${statePath(directory)}.lock`, takeTimeoutMs, async () => {
    const found = await readState(directory);
    if (found !== undefined && isRunning(found.supervisor))
      throw new LocalError(
        'data-dir-in-use',
        `process ${found.supervisor.pid} ${found.phase === 'starting' ? 'is starting' : 'runs'} Kafka on ${directory} already: ` +
          `see "weir local status", or name another data directory`,
      );
    if (found !== undefined) await endLeftovers(found);
    await writeState(directory, { phase: 'starting', supervisor });
  });
}
