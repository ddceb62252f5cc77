/**
 * One `weir up` at a time on a state directory: two would sample this host and simulate the estate twice, and a task that moves
 * between them would find its checkpoint in use.
 */
import { mkdir } from 'node:fs/promises';
import { EngineError } from '#engine/engine-error.ts';
import { claimDirectory, type DirectoryClaim } from '#engine/kafka/store/directory-claim.ts';
import { CliError } from '../cli-error.ts';

/** @throws CliError `environment` when another run has it, or when it cannot be written */
export async function claimState(stateDir: string): Promise<DirectoryClaim> {
  try {
    await mkdir(stateDir, { recursive: true });
    return await claimDirectory(stateDir);
  } catch (cause) {
    if (cause instanceof EngineError && cause.code === 'store-in-use')
      throw new CliError(
        'environment',
        `another weir up runs with the state directory ${stateDir} (${cause.message.split(':')[0]!})`,
        {
          remedies: [
            'stop it; or give that one more workers: --workers <number>',
            'or share its tasks from here: --state <another directory> --no-simulate --no-host-io',
          ],
          cause,
        },
      );
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CliError('environment', `cannot use the state directory ${stateDir}: ${why}`, {
      remedies: ['give one that can be written: --state <directory>'],
      cause,
    });
  }
}
