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

  it('replaces the waiting command when the path changes again', () => {
    const { commands } = run([...broken, link(1_200), link(3_000)], 4_000, { ackTimeoutMs: 4_500 });
    expect(commands.map(({ to, path_epoch, attempt }) => [to, path_epoch, attempt])).toEqual([
      ['standby', 1, 1],
      ['primary', 2, 1],
    ]);
  });
});
