/** An interval of I/O as an event of `failover.io-samples`. */
import type { IoSample } from '#schemas/failover/generated.ts';
import type { Interval } from './interval-tracker.ts';
import type { HostIoReading } from './read-host.ts';

/**
 * The event for an interval that ended at `sampledAtMs`. Deltas that are not known are null. Distinct addresses are not
 * tracked by the kernel's counters, so `unique_bytes` is always null.
 */
export function ioSample(host: string, interval: Interval<HostIoReading>, sampledAtMs: number): IoSample {
  const { reading, delta, elapsedMs, reset } = interval;
  const app = reading.cgroup?.replace(/^\//, '');
  return {
    device_id: app === undefined ? `${host}/${reading.device}` : `${host}/${reading.device}/${app}`,
    app: app ?? host,
    host,
    device: reading.device,
    source: app === undefined ? 'diskstats' : 'cgroup',
    read_ops: delta?.readOps ?? null,
    write_ops: delta?.writeOps ?? null,
    read_bytes: delta?.readBytes ?? null,
    write_bytes: delta?.writeBytes ?? null,
    unique_bytes: null,
    write_bytes_total: reading.counters.writeUnits * reading.traits.unitBytes,
    interval_ms: Math.round(elapsedMs),
    counter_reset: reset,
    sampled_at: Math.floor(sampledAtMs),
  };
}
