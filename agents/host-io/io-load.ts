/**
 * A small, real write load, for a demonstration on a host that is otherwise quiet: bursts of file writes made durable with
 * fsync, whose size follows a sine, so that a forecast has a season to find. It is off unless asked for.
 *
 * I1  It uses at most `fileBytes` of the disk (it overwrites its own file), and removes the file at the end.
 */
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '#engine/log/clock.ts';
import { startEdgeProgram } from '#engine/log/edge-program.ts';
import type { EdgeRuntime } from '#engine/log/edge-program.ts';
import type { Running } from '#engine/log/publisher.ts';
import { AgentError } from '../agent-error.ts';

export interface IoLoadConfig {
  /** Where the file is written; it must exist and lie on the disk to be loaded (not on a tmpfs). */
  readonly directory: string;
  /** Size of the file, in bytes. Default 16 MiB. */
  readonly fileBytes?: number;
  /** Mean size of a burst, in bytes; bursts go from half to one and a half of it. Default 1 MiB. */
  readonly burstBytes?: number;
  /** Time from burst to burst. Default 250. */
  readonly everyMs?: number;
  /** Length of a season. Default 10,000. */
  readonly seasonMs?: number;
}

export interface IoLoadStats {
  readonly bursts: number;
  readonly writtenBytes: number;
}

/**
 * Starts the load. `done` rejects with an AgentError `load-failed` that names the file if it cannot be written (disk full,
 * read-only, no such directory).
 */
export function startIoLoad(config: IoLoadConfig, runtime: EdgeRuntime = {}): Running<IoLoadStats> {
  const { fileBytes = 16 * 2 ** 20, burstBytes = 2 ** 20, everyMs = 250, seasonMs = 10_000 } = config;
  const clock = runtime.clock ?? systemClock;
  const path = join(config.directory, `weir-io-load-${process.pid}.bin`);
  // Not zeros: a file system or disk that compresses, or skips zeros, would write nothing.
  const block = Buffer.alloc(Math.min(fileBytes, Math.ceil(1.5 * burstBytes)), 'weir write load ');
  let bursts = 0;
  let writtenBytes = 0;
  const run = async (signal: AbortSignal): Promise<void> => {
    try {
      const file = await open(path, 'w');
      try {
        for (let position = 0; !signal.aborted; bursts++) {
          const season = Math.sin((2 * Math.PI * clock.monotonicMs()) / seasonMs);
          const length = Math.min(block.length, Math.round(burstBytes * (1 + season / 2)));
          if (position + length > fileBytes) position = 0;
          await file.write(block, 0, length, position);
          await file.datasync();
          position += length;
          writtenBytes += length;
          await clock.sleep(everyMs, signal);
        }
      } finally {
        await file.close();
        await rm(path, { force: true });
      }
    } catch (error) {
      throw new AgentError('load-failed', `write load: cannot write ${path}: ${String(error)}`, {
        cause: error,
      });
    }
  };
  return startEdgeProgram(run, () => ({ bursts, writtenBytes }), runtime.signal);
}
