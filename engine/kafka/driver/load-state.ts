/**
 * Gives a restored state to its core without holding up the process: a key with a timer takes some 5 us, so two million of them
 * would keep heartbeats from being sent for as long as the group waits for them.
 */
import { setImmediate as giveWay } from 'node:timers/promises';
import type { TaskCore } from '../../task/task-core.ts';
import type { ChangelogEntry } from '../../task/task-io.ts';

const sliceMs = 8;

/** @param entries each key once @throws AbortError: the core is then of no use */
export async function loadState(
  core: TaskCore,
  entries: readonly ChangelogEntry[],
  signal: AbortSignal,
): Promise<void> {
  let startedMs = performance.now();
  const steps = core.restoring(entries);
  while (steps.next().done !== true) {
    if (performance.now() - startedMs < sliceMs) continue;
    await giveWay();
    signal.throwIfAborted();
    startedMs = performance.now();
  }
}
