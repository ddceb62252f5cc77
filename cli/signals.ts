/**
 * Ctrl-C and its kin.
 *
 * I1  The first SIGINT, SIGTERM or SIGHUP aborts the work's signal: it flushes and ends by itself, with its own exit code.
 * I2  Work that has not ended 5 s later is ended: exit 1, with a message.
 * I3  A second signal ends the process at once: exit 130.
 * I4  A reader of stdout that went away counts as a first signal.
 */
import { exitCodes } from './exit-code.ts';
import type { CliIo } from './io.ts';

/** From the first signal to the end of the process. The embedded ClickHouse takes up to half of it. */
const defaultLimitMs = 5_000;
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs `work` with a signal that is aborted when the user wants an end. Resolves or rejects as the work does.
 * @param limitMs how long the work may take to end after that
 */
export async function withSignals<T>(
  io: CliIo,
  work: (signal: AbortSignal) => Promise<T>,
  limitMs = defaultLimitMs,
): Promise<T> {
  const controller = new AbortController();
  let limit: NodeJS.Timeout | undefined;
  const stop = (): void => {
    limit = setTimeout(() => {
      io.stderr.write(`weir: did not stop within ${limitMs / 1000} s and was ended\n`);
      process.exit(exitCodes.failure);
    }, limitMs);
    controller.abort();
  };
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    io.stderr.write(`${io.stderrIsTty ? '\n' : ''}weir: stopping; once more to stop at once\n`);
    stop();
  };
  const onClosed = (): void => {
    if (!controller.signal.aborted) stop();
  };
  for (const signal of signals) process.on(signal, onSignal);
  io.outputClosed.addEventListener('abort', onClosed);
  try {
    if (io.outputClosed.aborted) onClosed();
    return await work(controller.signal);
  } finally {
    clearTimeout(limit);
    io.outputClosed.removeEventListener('abort', onClosed);
    for (const signal of signals) process.off(signal, onSignal);
  }
}
