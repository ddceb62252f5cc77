import { describe, expect, it } from 'vitest';
import type { PublishOptions, Publisher, Subscriber } from '#engine/log/publisher.ts';
import { VirtualClock } from '#engine/log/virtual-clock.ts';
import type { Stream } from '#engine/topology/stream.ts';
import type { Acknowledgement, Command, LinkState } from '#schemas/migration/generated.ts';
import { switchCommand } from './controller.fixture.ts';
import { startMigrationSimulation } from './simulator.ts';
import type { MigrationSimulationConfig } from './simulator.ts';

interface Published {
  readonly topic: string;
  readonly value: unknown;
  readonly identity: PublishOptions | undefined;
}

const START_MS = Date.UTC(2026, 0, 1);
const STILL = { firstMigrationWithinMs: 1e9, flapGapMs: 1e12, flapperShare: 0, duplicateShare: 0 } as const;

/** A simulation on a virtual clock, with what it publishes, and a way to send it commands. */
function start(config: MigrationSimulationConfig, publish?: Publisher['publish']) {
  const clock = new VirtualClock(START_MS);
  const published: Published[] = [];
  const handlers: ((event: never) => Promise<void> | void)[] = [];
  const collect = <T>(stream: Stream<T>, value: T, identity?: PublishOptions): Promise<void> => {
    published.push({ topic: stream.topic, value, identity });
    return Promise.resolve();
  };
  const subscriber: Subscriber = {
    subscribe: (_stream, onEvent) => {
      handlers.push(onEvent);
      return Promise.resolve({ stop: () => Promise.resolve(void handlers.splice(0)) });
    },
  };
  const simulation = startMigrationSimulation(config, { publish: publish ?? collect }, subscriber, { clock });
  const send = (command: Command): void => {
    for (const handler of handlers) void handler(command as never);
  };
  return { clock, published, simulation, send, handlers };
}

function acknowledgementsIn(published: readonly Published[]): Acknowledgement[] {
  return published.flatMap((entry) =>
    entry.topic === 'migration.acknowledgements' ? [entry.value as Acknowledgement] : [],
  );
}

describe('startMigrationSimulation', () => {
  it('publishes what its hosts see as of the clock, each event under an id of its own', async () => {
    const { clock, published, simulation } = start({ duplicateShare: 0 });
    await clock.advance(5000);
    await simulation.stop();
    await simulation.done;
    const first = published[0]?.value as LinkState;
    expect(first.observed_at).toBeGreaterThanOrEqual(START_MS);
    expect(first.observed_at).toBeLessThan(START_MS + 220);
    const ids = published.map((entry) => `${entry.identity?.source ?? ''} ${entry.identity?.id ?? ''}`);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids[0]).toBe(`/simulators/migration/${first.host} ${START_MS}/linkStates/${first.device_id}/0`);
    const { linkStates, phases, acknowledgements } = simulation.stats().published;
    expect(linkStates + phases + acknowledgements).toBe(published.length);
  });

  it('obeys the commands that it finds, and counts what became of them', async () => {
    const { clock, published, simulation, send } = start({
      ...STILL,
      failureShare: 0,
      lostAcknowledgementShare: 0,
    });
    await clock.advance(1000);
    send(switchCommand('vm-01-net0', 'standby', 3));
    await clock.advance(200);
    send(switchCommand('vm-01-net0', 'primary', 2));
    await clock.advance(200);
    await simulation.stop();
    expect(acknowledgementsIn(published).map((ack) => ack.outcome)).toEqual(['applied', 'rejected_stale']);
    expect(simulation.stats()).toMatchObject({
      commandsReceived: 2,
      acknowledged: { applied: 1, rejected_stale: 1, failed: 0 },
      switches: 1,
    });
  });

  it('carries out and acknowledges, when it is stopped, what it has received', async () => {
    const { clock, published, simulation, send, handlers } = start({ ...STILL, lostAcknowledgementShare: 0 });
    await clock.advance(1000);
    send(switchCommand('vm-01-net0', 'standby', 3));
    await simulation.stop();
    expect(acknowledgementsIn(published)).toHaveLength(1);
    expect(handlers).toHaveLength(0);
  });

  it('goes quiet on request, but goes on obeying', async () => {
    const { clock, published, simulation, send } = start({ lostAcknowledgementShare: 0, duplicateShare: 0 });
    await clock.advance(10_000);
    simulation.quiesce();
    await clock.advance(1000);
    const before = published.length;
    await clock.advance(20_000);
    expect(published.length).toBe(before);
    send(switchCommand('vm-01-net0', 'standby', 100));
    await clock.advance(1000);
    expect(published.length).toBe(before + 1);
    await simulation.stop();
  });

  it('goes faster than the clock by its speed', async () => {
    const { clock, published, simulation } = start({ speed: 10, reportMs: 1000 });
    await clock.advance(3000);
    await simulation.stop();
    const times = published.map((entry) => (entry.value as LinkState).observed_at).filter((time) => time > 0);
    expect(Math.max(...times)).toBeGreaterThan(START_MS + 29_000);
    expect(Math.max(...times)).toBeLessThan(START_MS + 31_500);
  });

  it('waits while the log has no room, and goes on where time has got to', async () => {
    let release = (): void => undefined;
    const values: LinkState[] = [];
    const blocked = start({ ...STILL, reportMs: 1000 }, async (_stream, value) => {
      values.push(value as LinkState);
      if (values.length === 1) await new Promise<void>((resolve) => (release = resolve));
    });
    await blocked.clock.advance(5000);
    expect(values).toHaveLength(1);
    release();
    await blocked.clock.advance(20);
    await blocked.simulation.stop();
    expect(Math.max(...values.map((value) => value.observed_at))).toBeGreaterThan(START_MS + 4000);
  });

  it('tells the truth to those who ask for it', async () => {
    const changes: string[] = [];
    const onTruth: NonNullable<MigrationSimulationConfig['onTruth']> = (change) => {
      changes.push(`${change.deviceId} ${change.active} ${change.carrying}`);
    };
    const { clock, simulation, send } = start({ ...STILL, failureShare: 0, onTruth });
    send(switchCommand('vm-01-net0', 'standby', 3));
    await clock.advance(200);
    send(switchCommand('vm-01-net0', 'standby', 4));
    await clock.advance(200);
    await simulation.stop();
    expect(changes).toEqual(['vm-01-net0 standby true']);
  });

  it.each([{ speed: 0 }, { tickMs: 0 }, { hosts: 1 }])('refuses %j', (config) => {
    expect(() => start(config)).toThrow('migration simulator');
  });
});
