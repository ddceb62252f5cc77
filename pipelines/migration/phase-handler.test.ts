import { describe, expect, it } from 'vitest';
import { phase, run, startMs } from './scenario.fixture.ts';

const source = (atMs: number, device_state: Parameters<typeof phase>[1]['device_state'], fields = {}) =>
  phase(atMs, { side: 'source', device_state, ...fields });
const target = (atMs: number, device_state: Parameters<typeof phase>[1]['device_state'], fields = {}) =>
  phase(atMs, { side: 'target', device_state, ...fields });

const figures = { data_remaining_bytes: 8e9, dirty_rate: 0.25e9, bandwidth: 1e9 };
const whole = [
  source(0, 'running'),
  source(100, 'pre_copy', figures),
  target(200, 'resuming'),
  source(9_000, 'stop_copy'),
  source(9_100, 'stop'),
  target(9_120, 'stop'),
  target(9_140, 'running_p2p'),
  target(9_150, 'running'),
];

describe('the course of a migration', () => {
  it('ends completed, with its downtime beside the one that was expected', () => {
    const { outcomes, alertKinds } = run(whole);
    expect(alertKinds).toEqual([]);
    expect(outcomes).toMatchObject([
      {
        migration_uid: 'm-1',
        outcome: 'completed',
        reason: '',
        downtime_ms: 150,
        expected_downtime_ms: 125,
        predicted_to_converge: 'yes',
        started_at: startMs,
        ended_at: startMs + 9_150,
      },
    ]);
  });

  it("has the same outcome when the target's reports come before the source's", () => {
    const late = whole.map((step) => {
      const { side, observed_at: at } = step.event as { side: string; observed_at: number };
      return side === 'source' ? { ...step, arrivalMs: at + 700 } : step;
    });
    const { outcomes, alertKinds } = run(late);
    expect(alertKinds).toEqual([]);
    expect(outcomes).toHaveLength(1);
    expect(outcomes[0]).toMatchObject({ outcome: 'completed', downtime_ms: 150, started_at: startMs });
  });

  it('takes reports that skip states which the device passed on its way', () => {
    const sampled = [
      source(0, 'running'),
      source(5_000, 'stop_copy'),
      target(5_050, 'stop'),
      target(5_100, 'running'),
    ];
    const { outcomes, alertKinds } = run(sampled);
    expect(alertKinds).toEqual([]);
    expect(outcomes[0]?.downtime_ms).toBe(100);
  });

  it('reports an arc that VFIO does not have', () => {
    const { alerts } = run([source(0, 'stop_copy'), source(1_000, 'pre_copy')]);
    expect(alerts).toMatchObject([{ kind: 'illegal_arc', host: 'host-a', migration_uid: 'm-1' }]);
  });

  it('lets error absorb: the migration failed, and a device that goes on is reported', () => {
    const { outcomes, alertKinds } = run([
      ...whole.slice(0, 3),
      target(3_000, 'error'),
      target(4_000, 'running'),
    ]);
    expect(outcomes).toMatchObject([
      { outcome: 'failed', reason: 'device in error on host-b', downtime_ms: null },
    ]);
    expect(alertKinds).toEqual(['device_error', 'illegal_arc']);
  });

  it("takes the orchestrator's reason for a failure, once", () => {
    const failure_reason = 'target out of memory';
    const events = [
      ...whole.slice(0, 2),
      source(2_000, 'pre_copy', { failure_reason }),
      source(3_000, 'running', { failure_reason }),
    ];
    expect(run(events).outcomes).toMatchObject([{ outcome: 'failed', reason: failure_reason }]);
  });

  it('is cancelled when the source runs again', () => {
    const { outcomes } = run([...whole.slice(0, 2), source(5_000, 'running')]);
    expect(outcomes).toMatchObject([{ outcome: 'cancelled', reason: 'runs on host-a again' }]);
  });

  it('is abandoned when another one begins', () => {
    const { outcomes } = run([...whole.slice(0, 2), source(60_000, 'pre_copy', { migration_uid: 'm-2' })]);
    expect(outcomes).toMatchObject([
      { migration_uid: 'm-1', outcome: 'abandoned', reason: 'migration m-2 began' },
    ]);
  });

  it('ignores and reports late reports: of a node, and of a migration that is over', () => {
    const stray = source(50, 'running', { arrivalMs: 500 });
    const old = source(20_000, 'stop', { arrivalMs: 31_000 });
    const next = source(30_000, 'pre_copy', { migration_uid: 'm-2' });
    const { outcomes, alertKinds } = run([...whole, stray, next, old]);
    expect(alertKinds).toEqual(['out_of_order', 'out_of_order']);
    expect(outcomes.map(({ migration_uid }) => migration_uid)).toEqual(['m-1']);
  });

  it('tells no downtime, but the clocks that differ, when the target ran before the source stopped', () => {
    const skewed = [
      source(0, 'pre_copy'),
      target(100, 'resuming'),
      target(4_000, 'running'),
      source(4_500, 'stop_copy'),
    ];
    const { outcomes, alerts } = run(skewed);
    expect(outcomes).toMatchObject([{ outcome: 'completed', downtime_ms: null }]);
    expect(alerts).toMatchObject([{ kind: 'clock_skew' }]);
    expect(alerts[0]?.detail).toContain('500 ms');
  });
});

describe('the forecast of a pre-copy', () => {
  const losing = { ...figures, dirty_rate: 1.2e9 };

  it('warns once, at the first report, of a migration that cannot converge', () => {
    const events = [
      source(0, 'pre_copy', losing),
      source(1_000, 'pre_copy', losing),
      source(9_000, 'stop_copy'),
    ];
    const { alerts } = run(events);
    expect(alerts).toMatchObject([{ kind: 'will_not_converge', severity: 'warning', at: startMs }]);
  });

  it('remembers it in the outcome, whatever later reports forecast', () => {
    const events = [source(0, 'pre_copy', losing), source(1_000, 'pre_copy', figures), ...whole.slice(2)];
    expect(run(events).outcomes).toMatchObject([{ predicted_to_converge: 'no', expected_downtime_ms: 125 }]);
  });

  it('is unknown without figures: missing is not zero', () => {
    const events = [source(0, 'pre_copy', { ...figures, bandwidth: null }), ...whole.slice(2)];
    const { outcomes, alertKinds } = run(events);
    expect(outcomes).toMatchObject([{ predicted_to_converge: 'unknown', expected_downtime_ms: null }]);
    expect(alertKinds).toEqual([]);
  });

  it('sends negative figures to the dead letters', () => {
    const { deadLetters } = run([source(0, 'pre_copy', { ...figures, dirty_rate: -1 })]);
    expect(deadLetters).toMatchObject([{ reason: 'dirty_rate is -1; it must be 0 or more' }]);
  });
});
