import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Phase } from '#schemas/migration/generated.ts';
import { migrationModel } from './config.ts';
import type { MigrationModel } from './config.ts';
import { drive, simpleController, switchCommand } from './controller.fixture.ts';
import { createWorld, step } from './step.ts';
import type { SimulatedEvent } from './world.ts';

const START_MS = Date.UTC(2026, 0, 1);

function world(model: Partial<MigrationModel> = {}) {
  return createWorld(migrationModel(model), START_MS);
}

function phasesOf(events: readonly SimulatedEvent[]): Phase[] {
  return events.flatMap((event) => (event.stream === 'phases' ? [event.value] : []));
}

describe('the simulation', () => {
  it('gives the same events for the same seed, and others for another', () => {
    const run = (seed: number) => drive(world({ seed }), 60_000, 50, simpleController());
    expect(run(1).events).toEqual(run(1).events);
    expect(run(1).truth).toEqual(run(1).truth);
    expect(run(2).events).not.toEqual(run(1).events);
  });

  it('does not depend on how time is cut into steps', () => {
    const whole = step(world(), START_MS + 20_000, []);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 900 }), { maxLength: 40 }), (pauses) => {
        let current = world();
        const events: SimulatedEvent[] = [];
        for (const pauseMs of [...pauses, 20_000]) {
          const result = step(current, Math.min(START_MS + 20_000, current.nowMs + pauseMs), []);
          current = result.world;
          events.push(...result.events);
        }
        expect(events).toEqual(whole.events);
        expect(current.agenda).toEqual(whole.world.agenda);
      }),
      { numRuns: 20 },
    );
  });

  it('begins at the epoch that it is given, and counts up from there', () => {
    const epochsFrom = (firstEpoch: number): number[] =>
      drive(world({ firstEpoch }), 60_000, 50, simpleController()).events.flatMap((event) =>
        event.stream === 'linkStates' ? [event.value.path_epoch] : [],
      );
    const least = (epochs: readonly number[]): number => Math.min(...epochs);
    const first = epochsFrom(1);
    expect(least(first)).toBe(1);
    expect(Math.max(...first)).toBeGreaterThan(2);
    const later = epochsFrom(START_MS);
    expect(least(later)).toBe(START_MS);
    expect(later.map((epoch) => epoch - START_MS + 1)).toEqual(first);
  });

  it('names migrations of runs that begin at other epochs otherwise', () => {
    const uidsFrom = (firstEpoch: number): string[] =>
      drive(world({ firstEpoch }), 60_000, 50, simpleController()).events.flatMap((event) =>
        event.stream === 'phases' ? [event.value.migration_uid] : [],
      );
    const known = new Set(uidsFrom(1));
    expect(known.size).toBeGreaterThan(10);
    const later = new Set(uidsFrom(START_MS));
    expect(later.size).toBe(known.size);
    expect([...later].filter((uid) => known.has(uid))).toEqual([]);
  });

  it('changes nothing that it is given', () => {
    const before = drive(world(), 10_000, 100).world;
    const copy = structuredClone(before);
    step(before, START_MS + 20_000, [switchCommand('vm-01-net0', 'standby', 9)]);
    expect(before).toEqual(copy);
  });

  it('lets a command change only the device that it is for', () => {
    const others = (commands: number) => {
      const inbox = commands > 0 ? [switchCommand('vm-01-net0', 'standby', 100)] : [];
      const obeyed = step(step(world(), START_MS, inbox).world, START_MS + 30_000, []);
      const told = obeyed.events.filter((event) => event.value.device_id !== 'vm-01-net0');
      return told.map((event) => event.value);
    };
    expect(others(1)).toEqual(others(0));
  });

  it('never takes time back', () => {
    const later = step(world(), START_MS + 5000, []).world;
    expect(step(later, START_MS + 1000, []).world.nowMs).toBe(START_MS + 5000);
  });

  it('runs ten minutes at the rate of a live run, every switch of a command acknowledged', () => {
    const { events, commands, truth, world: end } = drive(world(), 600_000, 20, simpleController());
    expect(commands.length).toBeGreaterThan(500);
    const applied = events.filter(
      (event) => event.stream === 'acknowledgements' && event.value.outcome === 'applied',
    );
    expect(applied.length).toBeGreaterThan(0.8 * commands.length);
    expect(truth.every((change, index) => index === 0 || change.atMs >= truth[index - 1]!.atMs)).toBe(true);
    // What is to come is bounded: a run can go on for ever.
    expect(end.agenda.length).toBeLessThan(200);
  });
});

describe('half a minute with the defaults', () => {
  const { events, commands, truth } = drive(world(), 30_000, 20, simpleController());
  const links = events.flatMap((event) => (event.stream === 'linkStates' ? [event.value] : []));

  it('has dozens of switches', () => {
    expect(commands.length).toBeGreaterThan(48);
    expect(truth.filter((change) => change.carrying).length).toBeGreaterThan(48);
  });

  it('has flappers: devices whose primary went down three times or more', () => {
    const downs = new Map<string, number>();
    for (const link of links) {
      if (link.interface === 'primary' && link.attached && !link.link_up) {
        downs.set(link.device_id, (downs.get(link.device_id) ?? 0) + 1);
      }
    }
    expect([...downs.values()].filter((count) => count >= 3).length).toBeGreaterThanOrEqual(2);
  });

  it('has migrations that cannot converge, and more that do', () => {
    const migrations = new Map<string, boolean>();
    for (const phase of phasesOf(events)) {
      if (phase.dirty_rate === null || phase.bandwidth === null) continue;
      const diverging = phase.dirty_rate >= phase.bandwidth || migrations.get(phase.migration_uid) === true;
      migrations.set(phase.migration_uid, diverging);
    }
    const diverging = [...migrations.values()].filter(Boolean).length;
    expect(diverging).toBeGreaterThanOrEqual(2);
    expect(migrations.size - diverging).toBeGreaterThan(diverging);
  });

  it('delivers some events twice, under one id', () => {
    const ids = events.map((event) => event.id);
    expect(ids.length - new Set(ids).size).toBeGreaterThan(5);
  });
});

describe('what a migration looks like', () => {
  const MIGRATIONS = { vms: 30, devicesPerVm: 1, duplicateShare: 0, lateSourceShare: 0, illegalArcShare: 0 };
  /** Arcs of vfio_mig_get_next_state (drivers/vfio/vfio_main.c) with pre-copy and P2P; any state may also go to ERROR. */
  const ARCS: Readonly<Record<string, readonly string[]>> = {
    stop: ['running_p2p', 'stop_copy', 'resuming'],
    running: ['running_p2p', 'pre_copy'],
    stop_copy: ['stop'],
    resuming: ['stop'],
    running_p2p: ['running', 'stop', 'pre_copy_p2p'],
    pre_copy: ['running', 'pre_copy_p2p'],
    pre_copy_p2p: ['pre_copy', 'running_p2p', 'stop_copy'],
    error: [],
  };

  function illegalArcs(model: Partial<MigrationModel>): string[] {
    const last = new Map<string, string>();
    const illegal: string[] = [];
    for (const phase of phasesOf(drive(world({ ...MIGRATIONS, ...model }), 120_000, 1000).events)) {
      const key = `${phase.migration_uid}/${phase.device_id}/${phase.side}`;
      const from = last.get(key) ?? phase.device_state;
      const to = phase.device_state;
      if (from !== to && to !== 'error' && !ARCS[from]!.includes(to)) illegal.push(`${from} -> ${to}`);
      last.set(key, to);
    }
    return illegal;
  }

  it.each([1, 2, 3, 4, 5])('follows the arcs of VFIO (seed %i)', (seed) => {
    expect(illegalArcs({ seed, targetErrorShare: 0.2 })).toEqual([]);
  });

  it('goes back from STOP_COPY to PRE_COPY where the model asks for an illegal arc', () => {
    const arcs = new Set(['stop_copy -> pre_copy', 'pre_copy -> stop']);
    expect(new Set(illegalArcs({ illegalArcShare: 1 }))).toEqual(arcs);
  });

  it('has remaining data fall by bandwidth minus dirty rate', () => {
    const { events } = drive(
      world({ ...MIGRATIONS, nonConvergingShare: 0, targetErrorShare: 0 }),
      60_000,
      1000,
    );
    const reports = new Map<string, Phase[]>();
    for (const phase of phasesOf(events)) {
      if (phase.device_state !== 'pre_copy') continue;
      reports.set(phase.migration_uid, [...(reports.get(phase.migration_uid) ?? []), phase]);
    }
    expect(reports.size).toBeGreaterThan(20);
    for (const series of reports.values()) {
      for (let index = 1; index < series.length; index++) {
        const {
          data_remaining_bytes: before,
          bandwidth,
          dirty_rate: dirtyRate,
          observed_at: at,
        } = series[index - 1]!;
        const seconds = (series[index]!.observed_at - at) / 1000;
        const expected = before! - (bandwidth! - dirtyRate!) * seconds;
        // Event times are whole milliseconds.
        expect(Math.abs(series[index]!.data_remaining_bytes! - expected)).toBeLessThan(2e6);
      }
    }
  });

  it('tells the target first when the source lags, though the source was first', () => {
    const { events } = drive(world({ ...MIGRATIONS, lateSourceShare: 1 }), 60_000, 20);
    const arrivals = phasesOf(events).filter((phase) =>
      ['resuming', 'pre_copy'].includes(phase.device_state),
    );
    const firsts = new Map<string, Phase>();
    for (const phase of arrivals)
      if (!firsts.has(phase.migration_uid)) firsts.set(phase.migration_uid, phase);
    expect(new Set([...firsts.values()].map((phase) => phase.side))).toEqual(new Set(['target']));
    const stopped = phasesOf(events).filter((phase) => phase.device_state === 'stop');
    const inverted = stopped.filter(
      (phase, index) =>
        phase.side === 'target' &&
        stopped
          .slice(index + 1)
          .some(
            (later) =>
              later.side === 'source' &&
              later.migration_uid === phase.migration_uid &&
              later.observed_at <= phase.observed_at,
          ),
    );
    expect(inverted.length).toBeGreaterThan(5);
  });

  it('leaves the primary unplugged where nobody plugs it in again', () => {
    const model = {
      ...MIGRATIONS,
      flapGapMs: 1e9,
      flapperShare: 0,
      noReplugShare: 1,
      repairMs: [50_000, 50_000],
    } as const;
    const { world: end } = drive(world({ ...model, firstMigrationWithinMs: 1000 }), 30_000, 1000);
    expect([...end.devices.values()].every((device) => !device.primary.attached)).toBe(true);
  });

  it('has two hosts claim a MAC address at once, the one that was left under the older epoch', () => {
    const { events } = drive(world({ ...MIGRATIONS, doubleMacShare: 1, reportMs: 500 }), 60_000, 20);
    const live = new Map<string, Map<string, number>>();
    const conflicts = new Set<string>();
    for (const event of events) {
      if (event.stream !== 'linkStates' || event.value.interface !== 'primary') continue;
      const { mac, host, attached, link_up: linkUp, path_epoch: epoch } = event.value;
      const hosts = live.get(mac) ?? new Map<string, number>();
      live.set(mac, hosts);
      if (attached && linkUp) hosts.set(host, epoch);
      else hosts.delete(host);
      if (hosts.size === 2 && new Set(hosts.values()).size === 2) conflicts.add(mac);
    }
    expect(conflicts.size).toBeGreaterThan(10);
    // In the end the old host lets go.
    expect([...live.values()].filter((hosts) => hosts.size > 1).length).toBeLessThan(conflicts.size);
  });
});

describe('what really carries the data', () => {
  it('is lost with the primary until a command moves it, and moves only by command or arrival', () => {
    const obeyed = drive(world(), 60_000, 20, simpleController());
    const ignored = drive(world(), 60_000, 20);
    const outage = (run: typeof obeyed) =>
      [...run.world.devices.values()].reduce((sum, device) => sum + device.totals.outageMs, 0);
    expect(outage(obeyed)).toBeLessThan(outage(ignored) / 2);
    expect(ignored.truth.some((change) => change.active === 'primary' && !change.carrying)).toBe(true);
    const arrived = new Set(
      ignored.truth.filter((change) => change.active === 'standby').map((change) => change.deviceId),
    );
    const moved = [...ignored.world.devices.values()].filter((device) => device.totals.switches > 0);
    expect(new Set(moved.map((device) => device.deviceId))).toEqual(arrived);
    expect(moved.every((device) => device.totals.switches === 1)).toBe(true);
  });

  it('adds up: standby time by the account equals standby time by the changes', () => {
    const { world: end, truth } = drive(world(), 120_000, 20, simpleController());
    for (const device of end.devices.values()) {
      let standbyMs = 0;
      let since = { atMs: START_MS, active: 'primary' };
      for (const change of truth.filter((entry) => entry.deviceId === device.deviceId)) {
        if (since.active === 'standby') standbyMs += change.atMs - since.atMs;
        since = change;
      }
      if (since.active === 'standby') standbyMs += device.totals.atMs - since.atMs;
      expect(device.totals.standbyMs).toBeCloseTo(standbyMs, 3);
    }
  });
});

describe('migrationModel', () => {
  it.each([
    [{ hosts: 1 }, 'hosts must be at least 2'],
    [{ vms: 1.5 }, 'vms must be a whole number'],
    [{ failureShare: 2 }, 'failureShare must be a share'],
    [{ actuatorMs: [5, 1] as const }, 'actuatorMs must be given as [from, to]'],
    [{ flapGapMs: Number.NaN }, 'flapGapMs must be finite'],
    [{ reportMs: 0 }, 'reportMs must be above 0'],
  ])('refuses %j', (overrides, message) => {
    expect(() => migrationModel(overrides)).toThrow(message);
  });
});
