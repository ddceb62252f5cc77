import { describe, expect, it } from 'vitest';
import type { Acknowledgement, Command } from '#schemas/migration/generated.ts';
import { migrationModel } from './config.ts';
import type { MigrationModel } from './config.ts';
import { switchCommand } from './controller.fixture.ts';
import { createWorld, quiesce, step } from './step.ts';
import type { World } from './world.ts';

const QUIET = { duplicateShare: 0, failureShare: 0, lostAcknowledgementShare: 0 };
const DEVICE = 'vm-01-net0';

/** A world in which nothing happens but by command. */
function quietWorld(model: Partial<MigrationModel> = {}): World {
  return quiesce(createWorld(migrationModel({ ...QUIET, ...model }), 0));
}

/** Sends commands, each after the one before is done, and returns what was acknowledged. */
function send(start: World, ...commands: readonly Command[]): { world: World; acks: Acknowledgement[] } {
  let world = start;
  const acks: Acknowledgement[] = [];
  for (const command of commands) {
    for (const [waitMs, inbox] of [
      [0, [command]],
      [1000, []],
    ] as const) {
      const result = step(world, world.nowMs + waitMs, inbox);
      world = result.world;
      for (const event of result.events) if (event.stream === 'acknowledgements') acks.push(event.value);
    }
  }
  return { world, acks };
}

describe('the actuator', () => {
  it('switches the active interface after its delay, and acknowledges', () => {
    const start = quietWorld();
    const received = step(start, 1000, [switchCommand(DEVICE, 'standby', 2)]).world;
    expect(step(received, 1019, []).world.devices.get(DEVICE)?.active).toBe('primary');
    const { world, acks } = send(start, switchCommand(DEVICE, 'standby', 2));
    expect(world.devices.get(DEVICE)).toMatchObject({ active: 'standby', pathEpoch: 2 });
    expect(acks).toMatchObject([
      { command_id: `${DEVICE}/2/standby`, outcome: 'applied', path_epoch: 2, detail: '' },
    ]);
  });

  it('rejects an epoch older than the newest it has seen, and says which that is', () => {
    const { world, acks } = send(
      quietWorld(),
      switchCommand(DEVICE, 'standby', 5),
      switchCommand(DEVICE, 'primary', 4),
    );
    expect(world.devices.get(DEVICE)).toMatchObject({ active: 'standby', pathEpoch: 5 });
    expect(acks[1]).toMatchObject({ outcome: 'rejected_stale', path_epoch: 5 });
    expect(acks[1]?.detail).toContain('epoch 4 is older than 5');
  });

  it('answers a repetition the same way without carrying it out again', () => {
    const first = switchCommand(DEVICE, 'standby', 2);
    const { world, acks } = send(quietWorld(), first, switchCommand(DEVICE, 'primary', 3), first, {
      ...first,
      attempt: 2,
    });
    expect(world.devices.get(DEVICE)?.active).toBe('primary');
    expect(world.devices.get(DEVICE)?.totals.switches).toBe(2);
    expect(acks.map((ack) => [ack.command_id, ack.outcome])).toEqual([
      [`${DEVICE}/2/standby`, 'applied'],
      [`${DEVICE}/3/primary`, 'applied'],
      [`${DEVICE}/2/standby`, 'applied'],
      [`${DEVICE}/2/standby`, 'applied'],
    ]);
  });

  it.each([
    { known: 'done', waitMs: 1000, epoch: 7, outcome: 'failed' },
    { known: 'being carried out', waitMs: 0, epoch: 7, outcome: 'failed' },
    { known: 'done', waitMs: 1000, epoch: 1, outcome: 'rejected_stale' },
  ])(
    'refuses another command of epoch $epoch under the id of one that is $known',
    ({ waitMs, epoch, outcome }) => {
      const first = switchCommand(DEVICE, 'standby', 2);
      const other = { ...switchCommand(DEVICE, 'primary', epoch), command_id: first.command_id };
      const received = step(quietWorld(), 0, [first]).world;
      const done = step(received, waitMs, []).world;
      const { events, world } = step(done, waitMs + 1000, [other]);
      const answers = events.flatMap(({ stream, value }) => (stream === 'acknowledgements' ? [value] : []));
      const refusal = answers.find((answer) => answer.outcome !== 'applied');
      expect(refusal).toMatchObject({ command_id: first.command_id, outcome });
      expect(refusal?.detail).toContain('another command: standby under epoch 2');
      expect(world.devices.get(DEVICE)).toMatchObject({ active: 'standby', pathEpoch: 2 });
    },
  );

  it('answers once a command that is delivered again while it is being carried out', () => {
    const command = switchCommand(DEVICE, 'standby', 2);
    const received = step(quietWorld(), 0, [command, command]).world;
    expect(step(received, 1000, []).events).toHaveLength(1);
  });

  it('fails to use an interface that is not plugged in, and names it', () => {
    const world = quietWorld();
    const device = world.devices.get(DEVICE)!;
    const unplugged = { ...device, active: 'standby' as const, primary: { attached: false, linkUp: false } };
    const devices = new Map(world.devices).set(DEVICE, unplugged);
    const { acks } = send({ ...world, devices }, switchCommand(DEVICE, 'primary', 2));
    expect(acks).toMatchObject([
      { outcome: 'failed', detail: `EINVAL: primary is not attached on ${device.host}` },
    ]);
  });

  it('tries a failed command again when it is issued again, not when it is delivered again', () => {
    const world = quietWorld();
    const device = world.devices.get(DEVICE)!;
    const devices = new Map(world.devices).set(DEVICE, {
      ...device,
      standby: { attached: true, linkUp: false },
    });
    const command = switchCommand(DEVICE, 'standby', 2);
    const down = send({ ...world, devices }, command);
    const up = {
      ...down.world,
      devices: new Map(down.world.devices).set(DEVICE, {
        ...down.world.devices.get(DEVICE)!,
        standby: device.standby,
      }),
    };
    const { acks } = send(up, command, { ...command, attempt: 2 });
    expect([...down.acks, ...acks].map((ack) => ack.outcome)).toEqual(['failed', 'failed', 'applied']);
  });

  it('answers for a device that does not exist', () => {
    const { acks } = send(quietWorld(), switchCommand('vm-99-net0', 'standby', 2));
    expect(acks).toMatchObject([
      { device_id: 'vm-99-net0', outcome: 'failed', detail: 'ENODEV: no such device' },
    ]);
  });

  it('fails as often as the model says, and loses as many acknowledgements', () => {
    let world = quietWorld({ failureShare: 0.5, lostAcknowledgementShare: 0.25 });
    const outcomes = { applied: 0, rejected_stale: 0, failed: 0 };
    const sent = send(
      world,
      ...Array.from({ length: 1000 }, (_, index) => switchCommand(DEVICE, 'standby', index + 2)),
    );
    for (const ack of sent.acks) outcomes[ack.outcome]++;
    world = sent.world;
    // Binomial, within five standard deviations.
    expect(Math.abs(sent.acks.length - 750)).toBeLessThan(70);
    expect(Math.abs(outcomes.failed - 375)).toBeLessThan(77);
    expect(world.devices.get(DEVICE)?.answers.length).toBe(64);
  });
});
