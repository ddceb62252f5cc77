import { describe, expect, it } from 'vitest';
import { link, phase, run, startMs } from './scenario.fixture.ts';

/** No acknowledgements in these scenarios: time-outs far away. */
const patient = { ackTimeoutMs: 3_600_000 };

describe('the path of a virtual device', () => {
  it('is the primary from the first report of a working one, without a command', () => {
    const { transitions, commands } = run([link(0)]);
    expect(commands).toEqual([]);
    expect(transitions).toMatchObject([
      { from: 'none', to: 'primary', command_id: null, seconds_in_from: null },
    ]);
  });

  it('is standby from a first report of a broken primary, by command', () => {
    const { transitions, commands } = run([link(0, { link_up: false })], 0, patient);
    expect(transitions).toMatchObject([{ from: 'none', to: 'standby' }]);
    expect(commands).toMatchObject([{ to: 'standby', path_epoch: 1, attempt: 1 }]);
  });

  it.each([
    ['unplugged', { attached: false, link_up: false }],
    ['unplugged with its link still up', { attached: false, link_up: true }],
    ['without a link', { attached: true, link_up: false }],
  ])('moves to standby at once when the primary is %s', (_, broken) => {
    const { transitions, commands } = run([link(0), link(4_000, broken)], 0, patient);
    expect(commands).toMatchObject([{ to: 'standby', path_epoch: 1, issued_at: startMs + 4_000 }]);
    expect(commands[0]?.cause).toMatchObject({ topic: 'migration.link-states', offset: 1 });
    expect(transitions[1]).toMatchObject({
      from: 'primary',
      to: 'standby',
      seconds_in_from: 4,
      flap_penalty: 1000,
    });
    expect(transitions[1]?.command_id).toBe(commands[0]?.command_id);
  });

  it('moves back when the primary has worked for the hold-down time, on whichever host', () => {
    const events = [
      link(0),
      link(2_000, { attached: false }),
      link(5_000, { host: 'host-b', path_epoch: 1 }),
      link(9_000, { host: 'host-b', path_epoch: 2 }),
    ];
    const { transitions, commands } = run(events, 0, patient);
    expect(commands.map(({ to, path_epoch, issued_at }) => [to, path_epoch, issued_at - startMs])).toEqual([
      ['standby', 1, 2_000],
      ['primary', 2, 6_000],
    ]);
    expect(transitions[2]).toMatchObject({ to: 'primary', host: 'host-b', seconds_in_from: 4 });
  });

  it('stays on standby when the primary fails again within the hold-down time', () => {
    const events = [link(0), link(2_000, { link_up: false }), link(3_000), link(3_500, { link_up: false })];
    expect(run(events, 20_000, patient).transitions.map(({ to }) => to)).toEqual(['primary', 'standby']);
  });

  it('is not changed by repetitions', () => {
    const down = { link_up: false };
    const events = [
      link(0),
      link(1_000),
      link(2_000, down),
      link(3_000, down),
      link(3_000, down),
      link(4_000, down),
    ];
    const { transitions, commands } = run(events, 0, patient);
    expect(commands).toHaveLength(1);
    expect(transitions.at(-1)?.flap_penalty).toBe(1000);
  });

  it('is not moved by the standby interface, but a device without any path is reported', () => {
    const events = [
      link(0),
      link(100, { interface: 'standby', link_up: false }),
      link(2_000, { link_up: false }),
      link(3_000, { link_up: false }),
    ];
    const { transitions, alerts } = run(events, 5_000, patient);
    expect(transitions.map(({ to }) => to)).toEqual(['primary', 'standby']);
    expect(alerts).toMatchObject([{ kind: 'no_path', severity: 'critical', at: startMs + 4_000 }]);
  });

  it('is not called missing for the moment that a move to another host takes', () => {
    const events = [
      link(0, { interface: 'standby' }),
      link(1_000, { attached: false }),
      link(5_000, { interface: 'standby', attached: false }),
      link(6_500, { interface: 'standby', host: 'host-b' }),
    ];
    expect(run(events, 5_000, patient).alertKinds).toEqual([]);
  });
});

describe('flap damping of the path', () => {
  const flaps = (times: readonly number[]) =>
    times.flatMap((seconds) => [link(seconds * 1000, { link_up: false }), link(seconds * 1000 + 500)]);
  const events = [link(-1_000), ...flaps([0, 60, 120]), link(1_700_000), link(1_900_000)];

  it('suppresses the return to primary after the third flap, until the penalty has decayed (published vector)', () => {
    const { transitions, alertKinds } = run(events, 0, patient);
    const times = transitions.map(({ to, at }) => `${to} ${Math.round((at - startMs) / 1000)}`);
    // Back 1.5 s after each flap's end, but after the third only 1740.9 s later.
    expect(times.slice(1)).toEqual([
      'standby 0',
      'primary 2',
      'standby 60',
      'primary 62',
      'standby 120',
      'primary 1861',
    ]);
    expect(transitions[5]).toMatchObject({ suppressed: true });
    expect(transitions[5]?.flap_penalty).toBeCloseTo(2866.5641, 3);
    expect(transitions[6]).toMatchObject({ suppressed: false });
    expect(alertKinds).toEqual(['flapping']);
  });

  it('never delays a move to standby', () => {
    const again = [
      ...events,
      link(1_950_000, { link_up: false }),
      link(1_950_100),
      link(1_960_000, { link_up: false }),
    ];
    const { transitions } = run(again, 0, { ...patient, holdDownMs: 0, suppressThreshold: 1e6 });
    const lost = transitions.filter(({ to }) => to === 'standby').map(({ at }) => (at - startMs) / 1000);
    expect(lost).toEqual([0, 60, 120, 1950, 1960]);
  });

  it('moves back after each flap under a higher threshold', () => {
    const { transitions, alertKinds } = run(events, 0, { ...patient, suppressThreshold: 3000 });
    expect(transitions.at(-1)).toMatchObject({ to: 'primary', at: startMs + 121_500 });
    expect(alertKinds).toEqual([]);
  });

  it('counts no unplug during a migration as a flap', () => {
    const planned = [
      link(0),
      phase(500, { side: 'source', device_state: 'pre_copy' }),
      link(1_000, { attached: false }),
    ];
    expect(run(planned, 0, patient).transitions.at(-1)).toMatchObject({ to: 'standby', flap_penalty: 0 });
    const counted = run(planned, 0, { ...patient, plannedPenalty: 500 });
    expect(counted.transitions.at(-1)).toMatchObject({ to: 'standby', flap_penalty: 500 });
  });
});

describe('reports that clash', () => {
  it("takes the target's report before the source's: the device stays on the target's primary", () => {
    const events = [
      link(0, { path_epoch: 3 }),
      link(5_000, { host: 'host-b', path_epoch: 4 }),
      link(4_000, { attached: false, path_epoch: 3, arrivalMs: 5_300 }),
    ];
    const { transitions, commands, alertKinds } = run(events, 10_000, patient);
    expect(transitions.map(({ to }) => to)).toEqual(['primary']);
    expect(commands).toEqual([]);
    expect(alertKinds).toEqual([]);
  });

  it('ignores and reports a claim under an older epoch', () => {
    const events = [
      link(0, { host: 'host-b', path_epoch: 4 }),
      link(1_000, { host: 'host-b', path_epoch: 4, link_up: false }),
      link(2_000, { host: 'host-a', path_epoch: 3 }),
    ];
    const { transitions, alerts } = run(events, 10_000, patient);
    expect(transitions.map(({ to }) => to)).toEqual(['primary', 'standby']);
    expect(alerts).toMatchObject([
      { kind: 'stale_epoch', severity: 'warning', host: 'host-a', path_epoch: 3 },
    ]);
  });

  it('ignores and reports an older report of the same host', () => {
    const events = [link(0), link(2_000, { link_up: false }), link(1_000, { arrivalMs: 2_500 })];
    const { transitions, alertKinds } = run(events, 10_000, patient);
    expect(transitions.at(-1)?.to).toBe('standby');
    expect(alertKinds).toEqual(['out_of_order']);
  });

  it('reports one MAC live on two hosts once it lasts, and lets the higher epoch win', () => {
    const events = [link(0, { path_epoch: 3 }), link(5_000, { host: 'host-b', path_epoch: 4 })];
    const { alerts, transitions } = run([...events, link(7_000, { path_epoch: 3 })], 0, patient);
    expect(alerts.map(({ kind, host }) => [kind, host])).toEqual([
      ['mac_on_two_hosts', 'host-a'],
      ['stale_epoch', 'host-a'],
    ]);
    expect(alerts[0]?.at).toBe(startMs + 6_000);
    expect(transitions).toHaveLength(1);
  });

  it('says nothing of two hosts when the loser lets go within the grace time', () => {
    const events = [
      link(0, { path_epoch: 3 }),
      link(5_000, { host: 'host-b', path_epoch: 4 }),
      link(5_400, { path_epoch: 3, attached: false }),
    ];
    expect(run(events, 10_000, patient).alertKinds).toEqual([]);
  });

  it('reports an unplug with no re-plug, and not one that is plugged in again', () => {
    const unplugged = [link(0), link(1_000, { attached: false, link_up: false })];
    expect(run(unplugged, 30_000, patient).alertKinds).toEqual(['no_replug']);
    const plugged = [...unplugged, link(5_000, { host: 'host-b', path_epoch: 1, link_up: false })];
    expect(run(plugged, 30_000, patient).alertKinds).toEqual([]);
  });

  it('waits with that report while the migration goes on', () => {
    const migrating = [0, 1, 2, 3].map((i) =>
      phase(i * 10_000, { side: 'source', device_state: 'pre_copy' }),
    );
    const { alerts } = run([link(0), ...migrating, link(1_000, { attached: false })], 30_000, patient);
    expect(alerts).toMatchObject([{ kind: 'no_replug' }]);
    expect(alerts[0]!.at - startMs).toBeGreaterThanOrEqual(45_000);
  });

  it('sends a negative epoch to the dead letters', () => {
    const { deadLetters, transitions } = run([link(0, { path_epoch: -1 })]);
    expect(deadLetters).toMatchObject([{ reason: 'path_epoch is -1; an epoch is 0 or more' }]);
    expect(transitions).toEqual([]);
  });

  it('keeps its state small however often a device moves', () => {
    const moves = Array.from({ length: 40 }, (_, i) => [
      link(i * 10_000, { host: `host-${i}`, path_epoch: 2 * i }),
      link(i * 10_000 + 5_000, { host: `host-${i}`, path_epoch: 2 * i, attached: false }),
    ]).flat();
    const { transitions, alertKinds } = run(moves, 0, { ...patient, flapPenalty: 0 });
    expect(transitions).toHaveLength(80);
    expect(alertKinds).toEqual([]);
  });
});
