/** What a sample says of its series: whose I/O it is, and how many bytes replication has to send for it. */
import type { IoSample, Prediction } from '#schemas/failover/generated.ts';

/** Bytes that replication has to send for a sample: at distinct addresses where that is known, else all written. */
export function replicationBytes(sample: IoSample): number | null {
  return sample.unique_bytes ?? sample.write_bytes;
}

/** The fields that every result about a series has in common. */
export function seriesOf(
  sample: IoSample,
): Pick<Prediction, 'device_id' | 'app' | 'host' | 'device' | 'basis'> {
  const { device_id, app, host, device } = sample;
  return { device_id, app, host, device, basis: sample.unique_bytes === null ? 'written' : 'unique' };
}
