import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commitBounds, RunTotals } from './run-totals.ts';
import { runStatus, tableStatus, taskStatus, workerStatus } from './status.fixture.ts';

const withRecords = (records: number, worker = 0, partition = 0): ReturnType<typeof runStatus> =>
  runStatus([workerStatus({ worker, tasks: [taskStatus({ partition, counters: { records } })] })]);

function totalOf(...statuses: readonly ReturnType<typeof runStatus>[]): number {
  const totals = new RunTotals();
  for (const status of statuses) totals.observe(status);
  return totals.processors.get('p')!.records;
}

describe('counters of a run', () => {
  it('go on when a task was taken over again', () => {
    expect(totalOf(withRecords(5), withRecords(8), withRecords(0), withRecords(3))).toBe(11);
    expect(totalOf(withRecords(8), withRecords(3))).toBe(11);
  });

  it('go on when a task moves to another worker and back', () => {
    expect(totalOf(withRecords(8), withRecords(4, 1), withRecords(9))).toBe(21);
  });

  it('count a status that is shown again once', () => {
    const dead = runStatus([
      workerStatus({ pid: undefined, tasks: [taskStatus({ counters: { records: 5 } })] }),
    ]);
    const successor = runStatus([workerStatus({ pid: 101, tasks: dead.workers[0]!.tasks })]);
    expect(totalOf(withRecords(5), dead, successor)).toBe(5);
  });

  it('sum the tasks of a processor', () => {
    const both = runStatus([
      workerStatus({
        tasks: [
          taskStatus({ counters: { records: 2 } }),
          taskStatus({ partition: 1, counters: { records: 3 } }),
        ],
      }),
    ]);
    expect(totalOf(both)).toBe(5);
  });

  it('never fall, whatever is observed', () => {
    const status = fc
      .array(fc.record({ worker: fc.nat(2), partition: fc.nat(2), records: fc.nat(50) }), { maxLength: 4 })
      .map((tasks) =>
        runStatus(
          tasks.map(({ worker, partition, records }) =>
            workerStatus({
              worker,
              tasks: [taskStatus({ partition, counters: { records }, commits: records })],
            }),
          ),
        ),
      );
    fc.assert(
      fc.property(fc.array(status, { minLength: 1 }), (statuses) => {
        const totals = new RunTotals();
        let last = 0;
        for (const one of statuses) {
          totals.observe(one);
          const { records, commits } = totals.processors.get('p') ?? { records: 0, commits: 0 };
          expect(records).toBeGreaterThanOrEqual(last);
          expect(commits).toBe(records);
          last = records;
        }
      }),
    );
  });

  it('have those of the sink too', () => {
    const totals = new RunTotals();
    for (const rows of [10, 12, 1]) totals.observe(runStatus([], [tableStatus({ rows })]));
    expect(totals.tables.get('t')!.rows).toBe(13);
  });
});

describe('times of commits', () => {
  it('count each commit once, in its bucket', () => {
    const totals = new RunTotals();
    const observe = (commits: number, commitMs: number[]): void => {
      totals.observe(runStatus([workerStatus({ tasks: [taskStatus({ commits, commitMs })] })]));
    };
    observe(2, [3, 5]);
    observe(2, [3, 5]);
    observe(3, [3, 5, 99_000]);
    // A new life, with commits of its own.
    observe(1, [20]);
    const [times] = totals.commitTimes;
    expect(times!.sum).toBeCloseTo(99.028, 9);
    const counts = new Map([...commitBounds, Infinity].map((bound, i) => [bound, times!.buckets[i]]));
    expect([...counts].filter(([, count]) => count !== 0)).toEqual([
      [0.005, 2],
      [0.025, 1],
      [Infinity, 1],
    ]);
  });
});
