/** Every report of migration and failover, in a real ClickHouse engine, over tables filled from the golden replays. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { conformalHalfWidth } from '#pipelines/failover/conformal.ts';
import { replicationNeeds } from '#pipelines/failover/replication-needs.ts';
import { everySecond, resultsOf } from '#pipelines/failover/samples.fixture.ts';
import { replicationNeeds as needStream, type Evaluation } from '#schemas/failover/generated.ts';
import type { Engine } from '#sinks/clickhouse/chdb.fixture.ts';
import {
  columnsOf,
  fillTables,
  insert,
  openTables,
  readReports,
  runReport,
  type Row,
} from './report-data.fixture.ts';

const reports = readReports();
let engine: Engine;

beforeAll(() => {
  engine = openTables();
});
afterAll(() => {
  engine.close();
});

function report(name: string, values: Readonly<Record<string, string>> = {}): Row[] {
  const found = reports.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no report '${name}'`);
  return runReport(engine, found, values);
}

describe('reports over empty tables', () => {
  it.each(reports)('$name says what it asks and what its columns mean, and runs', (one) => {
    expect(one.question).toMatch(/\?$/);
    expect(columnsOf(engine, one)).toEqual(one.columns.map(({ name }) => name));
    expect(runReport(engine, one)).toEqual([]);
  });
});

describe('bandwidth-for-rpo over one burst near the beginning', () => {
  const burst = Array.from({ length: 200 }, (_, second) => (second === 2 ? 1_000_000 : 1000));
  afterAll(() => {
    engine.run(`TRUNCATE TABLE ${needStream.clickhouse.table}`);
  });

  it.each([
    // Of 5 bins 90 % is all of them, so nothing is said of 90 %.
    { seconds: 5, bandwidth_100: 166_667, bandwidth_90: null, saving: null },
    // The demand of the 21st second after the burst is the largest but 20: (1,000,000 + 20 * 1,000) / (21 + 5).
    { seconds: 200, bandwidth_100: 166_667, bandwidth_90: 39_231, saving: 0.765 },
  ])(
    'takes the 90 % of the time from the longest window, of $seconds s',
    ({ seconds, bandwidth_100, bandwidth_90, saving }) => {
      const rows = resultsOf(replicationNeeds, needStream, everySecond(burst.slice(0, seconds)));
      engine.run(`TRUNCATE TABLE ${needStream.clickhouse.table}`);
      insert(engine, needStream, rows as unknown as Row[]);
      expect(report('bandwidth-for-rpo')).toMatchObject([
        { bandwidth_100, bandwidth_90, saving, window_seconds: seconds, peak_rate: 1_000_000 },
      ]);
    },
  );
});

describe('reports over the golden replays', () => {
  beforeAll(() => {
    fillTables(engine);
  });

  it.each(reports.filter(({ name }) => name !== 'command-acknowledgements'))('$name has rows', (one) => {
    expect(runReport(engine, one).length).toBeGreaterThan(0);
  });

  it('predicted-against-actual compares forecasts with what came', () => {
    const rows = report('predicted-against-actual', { device: 'edge-1/sda' });
    const longest = rows.toSorted((a, b) => Number(b['bins']) - Number(a['bins']))[0]!;
    expect(longest).toMatchObject({ method: 'exponential_smoothing', promised: 0.9 });
    expect(longest['coverage']).toBeGreaterThan(0.7);
    expect(longest['actual_rate']).toBeGreaterThan(4e6);
  });

  it('predicted-against-actual explains what a first look at a short run shows', () => {
    const explained = (column: string): string =>
      reports
        .find(({ name }) => name === 'predicted-against-actual')!
        .columns.find(({ name }) => name === column)!.meaning;
    const methods: Evaluation['method'][] = ['maximum', 'exponential_smoothing', 'holt_winters'];
    for (const method of methods) expect(explained('method')).toContain(method);
    expect(explained('unbounded')).toContain('9 are needed for 0.9');
    const errors = Array.from({ length: 9 }, (_, i) => i);
    expect(conformalHalfWidth(errors.slice(1), 0.1)).toBeNull();
    expect(conformalHalfWidth(errors, 0.1)).toBe(8);
  });

  it('prediction-series has the newest forecast, whose bin is not over, without an actual rate', () => {
    const [newest, before] = report('prediction-series', { device: 'edge-1/sda' });
    expect(newest).toMatchObject({ actual: null, covered: null });
    expect(before!['actual']).toBeGreaterThan(0);
  });

  it('bandwidth-for-rpo needs less for 90 % of the time than for a burst', () => {
    const [row] = report('bandwidth-for-rpo', { device: 'edge-1/sda' });
    // Six seconds at 60 MB/s within an objective of five: about 360 MB in 6 + 5 s.
    expect(row!['bandwidth_100']).toBeGreaterThan(30e6);
    expect(row!['bandwidth_100']).toBeLessThan(36e6);
    expect(row!['bandwidth_90']).toBeLessThan(Number(row!['bandwidth_100']));
    const [shop] = report('bandwidth-for-rpo', { device: 'edge-1/sda/shop' });
    expect(shop).toMatchObject({ basis: 'unique', rpo_seconds: 5 });
  });

  it('rpo-violations finds the burst that the link could not carry in time, and only that', () => {
    const rows = report('rpo-violations');
    expect(rows[0]).toMatchObject({ device_id: 'edge-1/sda', bandwidth: 12.5e6 });
    expect(rows[0]!['violation_seconds']).toBeGreaterThan(5);
    expect(rows[0]!['longest_seconds']).toBe(rows[0]!['violation_seconds']);
    expect(rows.slice(1).every((row) => row['violation_seconds'] === 0)).toBe(true);
  });

  it('telemetry-silences tells when each began and ended', () => {
    const rows = report('telemetry-silences').filter((row) => row['device_id'] === 'edge-2/nvme0n1');
    expect(rows.map((row) => row['silent_seconds'])).toEqual([null, 21, 5]);
  });

  it('seconds-on-standby counts closed stays, and open ones up to the last event', () => {
    const rows = new Map(report('seconds-on-standby').map((row) => [row['vm_id'], row]));
    // Unplugged at 5 s, plugged in on the target at 10 s, held down for 1 s.
    expect(rows.get('vm-1')).toMatchObject({ standby_seconds: 6, moves_to_standby: '1', path: 'primary' });
    expect(rows.get('vm-2')).toMatchObject({ standby_seconds: 0, moves_to_standby: '0', path: 'primary' });
    // Unplugged at 15 s and never plugged in again; the last event of all is at 1,900 s.
    expect(rows.get('vm-5')).toMatchObject({
      standby_seconds: 1885,
      observed_seconds: 1900,
      path: 'standby',
    });
    expect(rows.get('vm-3')).toMatchObject({ standby_seconds: 1743.925, moves_to_standby: '3' });
    const later = report('seconds-on-standby', { since: '2026-01-01 00:30:00.000', vm: 'vm-5' });
    expect(later).toMatchObject([{ standby_seconds: 100, observed_seconds: 100, moves_to_standby: '0' }]);
  });

  it('migration-downtime gives all migrations and each target', () => {
    const rows = report('migration-downtime');
    expect(rows).toMatchObject([
      { target_node: 'all', migrations: '3', measured: '2', downtime_p99_ms: '300', forecast_p50_ms: 250 },
      { target_node: 'host-b', migrations: '3' },
    ]);
  });

  it('migration-failures counts reasons', () => {
    const reasons = report('migration-failures').map((row) => [
      row['outcome'],
      row['reason'],
      row['predicted'],
    ]);
    expect(reasons).toEqual([
      ['failed', 'device in error on host-b', '0'],
      ['abandoned', 'migration vm-7-m3 began', '0'],
      ['failed', 'pre-copy timed out', '1'],
    ]);
  });

  it('migrations-not-converging says what became of them', () => {
    expect(report('migrations-not-converging')).toMatchObject([
      { migration_uid: 'vm-6-m1', outcome: 'failed', seconds_to_end: 6, downtime_ms: null },
    ]);
  });

  it('flapping-devices finds the one that was suppressed', () => {
    expect(report('flapping-devices')).toMatchObject([
      {
        device_id: 'vm-3/net0',
        losses: '3',
        largest_penalty: 2867,
        times_suppressed: '1',
        held_now: false,
      },
    ]);
  });

  it('migration-alerts counts each kind, critical ones first', () => {
    const rows = report('migration-alerts');
    const kinds = rows.map((row) => row['kind']);
    for (const kind of [
      'mac_on_two_hosts',
      'stale_epoch',
      'no_replug',
      'no_path',
      'illegal_arc',
      'clock_skew',
    ]) {
      expect(kinds).toContain(kind);
    }
    expect(rows[0]!['severity']).toBe('critical');
  });

  it('command-acknowledgements tells what was carried out, how quickly, and what never was', () => {
    const [first] = engine.rows<Row>(
      'SELECT command_id, toUnixTimestamp64Milli(min(issued_at)) AS ms FROM migration_commands GROUP BY command_id ORDER BY ms LIMIT 1',
    );
    const answer = {
      command_id: first!['command_id'],
      device_id: 'd',
      vm_id: 'v',
      host: 'h',
      path_epoch: 1,
      outcome: 'applied',
      detail: '',
      at: Number(first!['ms']) + 40,
    };
    engine.run(`INSERT INTO migration_acknowledgements FORMAT JSONEachRow ${JSON.stringify(answer)}`);
    const rows = report('command-acknowledgements');
    expect(rows).toContainEqual({
      path: 'standby',
      outcome: 'applied',
      commands: '1',
      repeated: '1',
      latency_p50_ms: '40',
      latency_p99_ms: '40',
    });
    expect(rows.filter((row) => row['outcome'] === 'unacknowledged')).toHaveLength(2);
  });
});
