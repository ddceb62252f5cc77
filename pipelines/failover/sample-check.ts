/** What makes a sample unusable: figures that no counter can have given. Such a sample goes to the dead letters. */
import type { IoSample } from '#schemas/failover/generated.ts';

const COUNTS = [
  'read_ops',
  'write_ops',
  'read_bytes',
  'write_bytes',
  'unique_bytes',
  'write_bytes_total',
] as const;

/** Why a sample is refused, naming the field; undefined if it is fit for use. */
export function refusalOf(sample: IoSample): string | undefined {
  for (const field of COUNTS) {
    const value = sample[field];
    if (value !== null && value < 0) return `${field} is ${value}; a counter's increase is 0 or more`;
  }
  if (sample.interval_ms < 0) return `interval_ms is ${sample.interval_ms}; an interval is 0 or more`;
  if (sample.interval_ms === 0 && sample.write_bytes !== null) {
    return `interval_ms is 0, but write_bytes is ${sample.write_bytes}; bytes need an interval`;
  }
  return undefined;
}
