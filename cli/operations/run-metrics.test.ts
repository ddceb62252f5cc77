import { describe, expect, it } from 'vitest';
import { renderExposition } from './exposition.ts';
import { parseExposition, valueIn, valuesIn } from './parse-exposition.fixture.ts';
import { runFamilies } from './run-metrics.ts';
import { RunTotals } from './run-totals.ts';
import { runStatus, tableStatus, taskStatus, workerStatus } from './status.fixture.ts';

type Run = ReturnType<typeof runStatus>;

function textOf(status: Run, totals = new RunTotals()): string {
  totals.observe(status);
  return renderExposition(runFamilies(status, totals, [{ processor: 'p', tasks: 4 }], 10_000));
}

const input = (position: number, end: number | undefined) => ({
  topic: 'a.in',
  partition: 0,
  position,
  end,
  unansweredMs: 0,
});

describe('metrics of a run', () => {
  it('tell tasks, workers and tables', () => {
    const task = taskStatus({
      inputs: [input(10, 25), { ...input(3, undefined), topic: 'a.other' }],
      watermarkMs: 7_500,
      keys: 17,
      lastCommitAtMs: 9_000,
      restored: 5,
      toRestore: 9,
      counters: { records: 10, deadLetters: 2 },
    });
    const workers = [
      workerStatus({ tasks: [task] }),
      workerStatus({ worker: 1, pid: undefined, isReady: false, restarts: 3, stalledMs: 1_500 }),
    ];
    const text = textOf(runStatus(workers, [tableStatus({ rows: 4, lag: 6 })]));
    const p = { processor: 'p', partition: '0' };
    const table: [name: string, labels: Record<string, string>, value: number][] = [
      ['weir_input_lag_records', { ...p, topic: 'a.in' }, 15],
      ['weir_processor_lag_records', { processor: 'p' }, 15],
      ['weir_watermark_delay_seconds', p, 2.5],
      ['weir_state_keys', p, 17],
      ['weir_last_commit_timestamp_seconds', p, 9],
      ['weir_restore_done_offsets', p, 5],
      ['weir_restore_goal_offsets', p, 9],
      ['weir_tasks', { processor: 'p', phase: 'running' }, 1],
      ['weir_tasks', { processor: 'p', phase: 'failed' }, 0],
      ['weir_tasks_expected', { processor: 'p' }, 4],
      ['weir_records_processed_total', { processor: 'p' }, 10],
      ['weir_dead_letters_total', { processor: 'p' }, 2],
      ['weir_worker_up', { worker: '0' }, 1],
      ['weir_worker_up', { worker: '1' }, 0],
      ['weir_worker_restarts_total', { worker: '1' }, 3],
      ['weir_worker_loop_stall_seconds', { worker: '1' }, 1.5],
      ['weir_sink_rows_total', { table: 't' }, 4],
      ['weir_sink_lag_records', { table: 't' }, 6],
      ['weir_run_start_time_seconds', {}, 1],
    ];
    for (const [name, labels, value] of table)
      expect([name, valueIn(text, name, labels)]).toEqual([name, value]);
    expect(valuesIn(text, 'weir_input_lag_records', { topic: 'a.other' })).toEqual([]);
  });

  it('show no lag of a task that has processed all: what is left are the marks of transactions', () => {
    const task = taskStatus({ inputs: [input(10, 12)], isSettled: true });
    expect(valueIn(textOf(runStatus([workerStatus({ tasks: [task] })])), 'weir_input_lag_records')).toBe(0);
  });

  it('tell a task once that a frozen worker still claims, as its new owner does', () => {
    const old = taskStatus({ inputs: [input(10, 20)], lastCommitAtMs: 1_000 });
    const now = taskStatus({ inputs: [input(19, 20)], lastCommitAtMs: 2_000 });
    for (const workers of [
      [old, now],
      [now, old],
    ])
      expect(
        valueIn(
          textOf(runStatus(workers.map((task, worker) => workerStatus({ worker, tasks: [task] })))),
          'weir_input_lag_records',
        ),
      ).toBe(1);
  });

  it('tell a partition of a broadcast table once, as it is for the task that is furthest behind', () => {
    const table = (position: number) => ({ ...input(position, 9), topic: 'a.table' });
    const tasks = [5, 2, 9].map((position, partition) =>
      taskStatus({
        partition,
        inputs: [{ ...table(9 - partition), topic: 'a.in', partition }, table(position)],
      }),
    );
    const text = textOf(runStatus([workerStatus({ tasks })]));
    expect(valuesIn(text, 'weir_input_lag_records', { topic: 'a.table' })).toEqual([7]);
    expect(valuesIn(text, 'weir_input_lag_records', { topic: 'a.in' })).toEqual([0, 1, 2]);
    expect(valuesIn(text, 'weir_processor_lag_records')).toEqual([10]);
  });

  it('leave out a watermark that there is not, also as JSON has it', () => {
    for (const watermarkMs of [-Infinity, null as unknown as number]) {
      const text = textOf(runStatus([workerStatus({ tasks: [taskStatus({ watermarkMs })] })]));
      expect(valuesIn(text, 'weir_watermark_delay_seconds')).toEqual([]);
    }
  });

  it('take little time for 500 tasks', () => {
    const tasks = Array.from({ length: 500 }, (_, i) =>
      taskStatus({
        processor: `processor-${i % 20}`,
        partition: Math.floor(i / 20),
        inputs: [0, 1].map((n) => ({ ...input(5, 9), topic: `a.topic-${i % 20}-${n}`, partition: i })),
        watermarkMs: 5_000,
        commits: 500,
        commitMs: Array.from({ length: 100 }, () => 5),
        lastCommitAtMs: 9_000,
      }),
    );
    const status = runStatus(
      [0, 1, 2, 3].map((worker) => workerStatus({ worker, tasks: tasks.filter((_, i) => i % 4 === worker) })),
    );
    const totals = new RunTotals();
    const tookMs: number[] = [];
    let text = '';
    for (let i = 0; i < 10; i += 1) {
      const before = process.cpuUsage();
      text = textOf(status, totals);
      const { user, system } = process.cpuUsage(before);
      tookMs.push((user + system) / 1_000);
    }
    expect(parseExposition(text).get('weir_state_keys')!.samples).toHaveLength(500);
    const best = Math.min(...tookMs);
    console.log(`500 tasks: ${best.toFixed(1)} ms of the CPU, ${Math.round(text.length / 1024)} KiB`);
    // Some 5 ms.
    expect(best).toBeLessThan(50);
  });
});
