import { defineConfig } from 'vitest/config';

const source = {
  resolve: { conditions: ['weir-source'] },
  ssr: { resolve: { conditions: ['weir-source'] } },
};

/** Fault tests that run two at a time: those that leave a processor idle most of their time, or that no other disturbs. */
const waiting = [
  'broker-unreachable',
  'changed-outside',
  'client-brokers-killed',
  'client-faults',
  'clickhouse-cluster',
  'frozen-kafka-commands',
  'full-disk',
  'idle-partition',
  'kafka-reader-failover',
  'kafka-sink-errors',
  'kafka-sink-http',
  'kafka-sink-window',
  'killed-clickhouse',
  'local-store',
  'open-transaction',
  'poison',
  'recorded-window',
  'sink-backlog',
  'sink-clickhouse-down',
  'sink-clock-jumps',
  'task-store',
  'view-targets',
].map((name) => `tests/faults/${name}.test.ts`);

/** What both kinds of fault tests have. */
const faults = {
  globalSetup: ['./tests/support/build-dist.ts'],
  testTimeout: 600_000,
  hookTimeout: 120_000,
};

export default defineConfig({
  ...source,
  test: {
    reporters: ['default', './tests/support/closing-line-reporter.ts'],
    projects: [
      {
        ...source,
        test: {
          name: 'unit',
          sequence: { groupOrder: 0 },
          include: ['{engine,schemas,pipelines,sinks,agents,simulators,local,client,cli,bench}/**/*.test.ts'],
          // Time limits are for what hangs: much longer than anything takes, so that a slow machine fails no test.
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: 30_000 } },
        },
      },
      {
        ...source,
        test: {
          name: 'integration',
          // After the unit tests: these start processes and measure times.
          sequence: { groupOrder: 1 },
          include: ['tests/integration/**/*.test.ts'],
          globalSetup: ['./tests/support/build-dist.ts'],
          testTimeout: 240_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
      {
        ...source,
        test: {
          ...faults,
          name: 'faults',
          sequence: { groupOrder: 2 },
          include: ['tests/faults/**/*.test.ts'],
          exclude: waiting,
          // One cluster and its workers at a time: the tests measure time-outs.
          fileParallelism: false,
        },
      },
      {
        ...source,
        test: {
          ...faults,
          name: 'faults-waiting',
          sequence: { groupOrder: 3 },
          include: waiting,
          maxWorkers: 2,
        },
      },
    ],
  },
});
