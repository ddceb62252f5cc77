/** The life of a program at the edge (agent, simulator): it runs until it is stopped or fails. */
import type { Running } from './publisher.ts';
import type { Clock } from './clock.ts';

/** What a program at the edge is given to run with; see `systemClock` for the default. */
export interface EdgeRuntime {
  readonly clock?: Clock;
  /** Aborting it stops the program, as `stop` does. */
  readonly signal?: AbortSignal;
}

/**
 * Starts `run`, which must return soon after its signal aborts, having flushed. `stats` is asked for counts as of now.
 */
export function startEdgeProgram<Stats>(
  run: (stopping: AbortSignal) => Promise<void>,
  stats: () => Stats,
  signal?: AbortSignal,
): Running<Stats> {
  const stopping = new AbortController();
  const abort = (): void => {
    stopping.abort();
  };
  signal?.addEventListener('abort', abort);
  if (signal?.aborted === true) abort();
  const done = run(stopping.signal).finally(() => signal?.removeEventListener('abort', abort));
  // Handled here so that a failure that nobody awaits yet does not end the process; `done` still tells it.
  const settled = Promise.allSettled([done]);
  return {
    done,
    stats,
    stop: async () => {
      abort();
      await settled;
    },
  };
}
