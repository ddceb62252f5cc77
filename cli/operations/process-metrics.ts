/** Metrics of this process: the one that supervises the workers and runs the sink. Names as other clients of Prometheus have them. */
import { performance } from 'node:perf_hooks';
import type { Family } from './exposition.ts';

const startedAtMs = performance.timeOrigin;

function one(name: string, type: 'counter' | 'gauge', help: string, value: number): Family {
  return { name, help, type, samples: [{ labels: {}, value }] };
}

/** @param version of weir */
export function processFamilies(version: string): readonly Family[] {
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const { active, idle } = performance.eventLoopUtilization();
  return [
    {
      name: 'weir_build_info',
      help: 'Always 1; what runs is in the labels.',
      type: 'gauge',
      samples: [{ labels: { version, node: process.versions.node }, value: 1 }],
    },
    one('process_cpu_seconds_total', 'counter', 'CPU time used.', (user + system) / 1e6),
    one('process_resident_memory_bytes', 'gauge', 'Memory in use.', rss),
    one('process_start_time_seconds', 'gauge', 'When the process began.', startedAtMs / 1_000),
    one('nodejs_heap_size_used_bytes', 'gauge', "Of V8's heap.", heapUsed),
    one(
      'weir_event_loop_active_seconds_total',
      'counter',
      'Time that the event loop was busy.',
      active / 1_000,
    ),
    one(
      'weir_event_loop_idle_seconds_total',
      'counter',
      'Time that the event loop waited for work.',
      idle / 1_000,
    ),
  ];
}
