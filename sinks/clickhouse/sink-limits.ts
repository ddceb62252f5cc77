/** What a sink may take of time, memory and connections. */
import type { PartitionLimits } from './partition-ports.ts';
import { DEFAULT_RETRY, type RetryConfig } from './retry.ts';

export interface SinkLimits extends PartitionLimits {
  /** Bytes of all batches together: columns being filled and blocks on their way. */
  readonly maxBytesInFlight: number;
  /** A table that has none under way may begin one beyond it, so that no table holds up the others. */
  readonly maxConcurrentInserts: number;
  readonly retry: RetryConfig;
}

export const DEFAULT_SINK_LIMITS: SinkLimits = {
  maxRows: 50_000,
  maxBytes: 8 * 1024 * 1024,
  flushIntervalMs: 1_000,
  schemaWaitMs: 10_000,
  maxBytesInFlight: 64 * 1024 * 1024,
  maxConcurrentInserts: 4,
  retry: DEFAULT_RETRY,
};
