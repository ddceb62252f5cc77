import { describe, expect, it } from 'vitest';
import { acknowledgement, link, run, startMs } from './scenario.fixture.ts';

const broken = [link(0), link(1_000, { link_up: false })];
const [command] = run(broken).commands;
const answer = (atMs: number, fields: object) =>
  acknowledgement(atMs, { command_id: command!.command_id, ...fields });

describe('commands and their acknowledgements', () => {
  it('lets a command that was applied rest', () => {
    const { commands, alertKinds } = run([...broken, answer(1_050, {})], 60_000);
    expect(commands).toEqual([command]);
    expect(alertKinds).toEqual([]);
  });

  it('repeats a command under the same id and epoch until it is given up, then reports it', () => {
    const { commands, alerts } = run(broken, 60_000);
    expect(commands.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5]);
    expect(new Set(commands.map(({ command_id }) => command_id)).size).toBe(1);
    expect(new Set(commands.map(({ path_epoch }) => path_epoch))).toEqual(new Set([1]));
    const [first, second] = commands;
    expect(second!.issued_at - first!.issued_at).toBe(2_000);
    expect(alerts).toMatchObject([{ kind: 'command_unacknowledged', severity: 'critical' }]);
    expect(alerts[0]?.cause).toEqual(command?.cause);
  });

  it('stops repeating at the first acknowledgement', () => {
    const { commands } = run([...broken, answer(3_500, {})], 60_000);
    expect(commands.map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  it('reports a command that failed and tries it again', () => {
    const events = [...broken, answer(1_100, { outcome: 'failed', detail: 'bond busy' }), answer(3_100, {})];
    const { commands, alerts } = run(events, 60_000);
    expect(commands.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(alerts).toMatchObject([{ kind: 'command_failed' }]);
    expect(alerts[0]?.detail).toContain('bond busy');
  });

  it('answers a stale rejection with a new command under a newer epoch', () => {
    const rejected = answer(1_100, { outcome: 'rejected_stale', path_epoch: 7 });
    const { commands, alertKinds } = run([...broken, rejected], 0);
    expect(commands.map(({ path_epoch, attempt }) => [path_epoch, attempt])).toEqual([
      [1, 1],
      [8, 2],
    ]);
    expect(commands[1]?.command_id).not.toBe(command?.command_id);
    expect(alertKinds).toEqual(['command_rejected']);
  });

  it('gives up against an actuator that rejects everything', () => {
    let events = [...broken];
    for (let epoch = 10; epoch < 20; epoch++) {
      const last = run(events).commands.at(-1)!;
      const at = last.issued_at - startMs + 50;
      events = [
        ...events,
        acknowledgement(at, { command_id: last.command_id, outcome: 'rejected_stale', path_epoch: epoch }),
      ];
    }
    const { commands, alertKinds } = run(events, 60_000);
    expect(commands).toHaveLength(5);
    expect(alertKinds.filter((kind) => kind === 'command_unacknowledged')).toHaveLength(1);
  });

  it('changes nothing for an answer to another command', () => {
    const { commands } = run(
      [...broken, acknowledgement(1_100, { command_id: 'switch-interface:other' })],
      2_500,
    );
    expect(commands.map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  it('changes nothing for an answer under the epoch of another command', () => {
    const applied = answer(1_100, { path_epoch: 0 });
    const rejected = answer(1_200, { outcome: 'rejected_stale', path_epoch: 0 });
    const { commands, alertKinds } = run([...broken, applied, rejected], 2_500);
    expect(commands.map(({ path_epoch, attempt }) => [path_epoch, attempt])).toEqual([
      [1, 1],
      [1, 2],
    ]);
    expect(alertKinds).toEqual([]);
  });

  it('gives each decision an id of its own where a timer fires twice for one time', () => {
    const later = { link_up: false, path_epoch: 5, arrivalMs: 10_600 };
    const events = [
      ...broken,
      link(9_000, { path_epoch: 1 }),
      link(10_500, { path_epoch: 1 }),
      // Late, but under a higher epoch: lost at 8 s, back at 9 s, so the hold-down ends at 10 s once more.
      link(8_000, later),
      link(9_000, { ...later, link_up: true, path_epoch: 6, arrivalMs: 10_700 }),
    ];
    const { commands, transitions } = run(events, 1_000, { ackTimeoutMs: 3_600_000 });
    expect(commands.map(({ to, path_epoch, issued_at }) => [to, path_epoch, issued_at - startMs])).toEqual([
      ['standby', 1, 1_000],
      ['primary', 2, 10_000],
      ['standby', 6, 8_000],
      ['primary', 7, 10_000],
    ]);
    const ids = commands.map(({ command_id }) => command_id);
    expect(new Set(ids).size).toBe(4);
    expect(ids[3]).toBe(`switch-interface:vm-7/net0:7:primary@${startMs + 10_000}`);
    expect(transitions.slice(1).map(({ command_id }) => command_id)).toEqual(ids);

    const lateAnswer = acknowledgement(11_000, { command_id: ids[1]!, path_epoch: 2 });
    const after = run([...events, lateAnswer], 3_000).commands;
    expect(after.at(-1)).toMatchObject({ command_id: ids[3], attempt: 2 });
  });

  it('replaces the waiting command when the path changes again', () => {
    const { commands } = run([...broken, link(1_200), link(3_000)], 4_000, { ackTimeoutMs: 4_500 });
    expect(commands.map(({ to, path_epoch, attempt }) => [to, path_epoch, attempt])).toEqual([
      ['standby', 1, 1],
      ['primary', 2, 1],
    ]);
  });
});
