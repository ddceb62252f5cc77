/**
 * Runs the migration simulation against a log: publishes what its hosts see, and obeys the commands it finds there.
 *
 * I1  The world learns of the processors only through `migration.commands`.
 * I2  While the log has no room the simulation waits, and then goes on where time has got to.
 * I3  Stopping flushes: commands already received are carried out and acknowledged, events on their way arrive.
 */
import { persistentPublisher, startEdgeProgram, systemClock } from '#engine/index.ts';
import type { EdgeRuntime, Publisher, Running, Subscriber } from '#engine/index.ts';
import { acknowledgements, commands, linkStates, phases } from '#schemas/migration/generated.ts';
import type { Command } from '#schemas/migration/generated.ts';
import { SimulatorError } from '../simulator-error.ts';
import { migrationModel } from './config.ts';
import type { MigrationModel } from './config.ts';
import { createWorld, lastDueMs, quiesce, step } from './step.ts';
import type { StepResult } from './step.ts';
import { totalsAt } from './world.ts';
import type { PathTruth, SimulatedEvent, World } from './world.ts';

export interface MigrationSimulationConfig extends Partial<MigrationModel> {
  /**
   * Simulated seconds per second. Default 1. Event times run ahead of the wall clock at any other value, and inputs refuse
   * events too far ahead of it (300 s by default): at 10, after half a minute.
   */
  readonly speed?: number;
  /** How often the world moves on, in real milliseconds. Default 20. */
  readonly tickMs?: number;
  /** Told every change of what really carries a device's data: for comparing with what the processors decided. */
  readonly onTruth?: (change: PathTruth) => void;
}

export interface MigrationSimulationStats {
  readonly published: {
    readonly linkStates: number;
    readonly phases: number;
    readonly acknowledgements: number;
  };
  /** Deliveries: a repetition counts again. */
  readonly commandsReceived: number;
  readonly acknowledged: {
    readonly applied: number;
    readonly rejected_stale: number;
    readonly failed: number;
  };
  readonly migrations: number;
  /** What really happened to the devices' data, summed over devices. */
  readonly switches: number;
  readonly standbyMs: number;
  readonly outageMs: number;
  readonly retries: number;
}

/** A running simulation. */
export interface MigrationSimulation extends Running<MigrationSimulationStats> {
  /** From now on nothing happens of itself any more, but actuators go on obeying: lets the processors catch up before `stop`. */
  quiesce(): void;
}

/** Starts the simulation. Throws a SimulatorError if an option makes no sense; `done` rejects if the log refuses an event for good. */
export function startMigrationSimulation(
  config: MigrationSimulationConfig,
  publisher: Publisher,
  subscriber: Subscriber,
  runtime: EdgeRuntime = {},
): MigrationSimulation {
  const { speed = 1, tickMs = 20, onTruth, ...overrides } = config;
  if (!(speed > 0) || !(tickMs > 0)) {
    throw new SimulatorError(
      'config',
      `migration simulator: speed (${speed}) and tickMs (${tickMs}) must be above 0`,
    );
  }
  const model = migrationModel(overrides);
  const clock = runtime.clock ?? systemClock;
  const startWallMs = clock.wallMs();
  const startMonotonicMs = clock.monotonicMs();
  const tally = newTally();
  let world = createWorld(model, startWallMs);
  let inbox: Command[] = [];

  const moveTo = (nowMs: number): StepResult => {
    const received = inbox;
    inbox = [];
    tally.receive(received);
    const result = step(world, nowMs, received);
    world = result.world;
    if (onTruth !== undefined) result.truth.forEach(onTruth);
    return result;
  };

  const run = async (signal: AbortSignal): Promise<void> => {
    const persistent = persistentPublisher(publisher, { clock, signal, onRetry: () => tally.retries++ });
    const publish = async (events: readonly SimulatedEvent[]): Promise<void> => {
      for (const event of events) {
        await publishEvent(persistent, event, startWallMs);
        tally.publish(event);
      }
    };
    const subscription = await subscriber.subscribe(commands, (command) => {
      inbox.push(command);
    });
    try {
      while (!signal.aborted) {
        const elapsedMs = (clock.monotonicMs() - startMonotonicMs) * speed;
        await publish(moveTo(startWallMs + elapsedMs).events);
        await clock.sleep(tickMs, signal);
      }
    } finally {
      await subscription.stop();
    }
    world = quiesce(world);
    // Twice: what arrived last is received at the first, and done by the second.
    await publish(moveTo(world.nowMs).events);
    await publish(moveTo(lastDueMs(world)).events);
  };

  return {
    ...startEdgeProgram(run, () => tally.stats(world), runtime.signal),
    quiesce: () => {
      world = quiesce(world);
    },
  };
}

/** Publishes an event under its id, which begins with the start of the run: ids must not come back in the next one. */
function publishEvent(publisher: Publisher, event: SimulatedEvent, startWallMs: number): Promise<void> {
  const identity = { source: `/simulators/migration/${event.host}`, id: `${startWallMs}/${event.id}` };
  switch (event.stream) {
    case 'linkStates':
      return publisher.publish(linkStates, event.value, identity);
    case 'phases':
      return publisher.publish(phases, event.value, identity);
    case 'acknowledgements':
      return publisher.publish(acknowledgements, event.value, identity);
  }
}

function newTally() {
  const published = { linkStates: 0, phases: 0, acknowledgements: 0 };
  const acknowledged = { applied: 0, rejected_stale: 0, failed: 0 };
  let commandsReceived = 0;
  return {
    retries: 0,
    receive(received: readonly Command[]): void {
      commandsReceived += received.length;
    },
    publish(event: SimulatedEvent): void {
      published[event.stream]++;
      if (event.stream === 'acknowledgements') acknowledged[event.value.outcome]++;
    },
    stats(world: World): MigrationSimulationStats {
      const totals = [...world.devices.values()].map((device) => totalsAt(device, world.nowMs));
      const sum = (of: (total: (typeof totals)[number]) => number): number =>
        totals.reduce((sofar, total) => sofar + of(total), 0);
      return {
        published: { ...published },
        commandsReceived,
        acknowledged: { ...acknowledged },
        migrations: [...world.vms.values()].reduce((sofar, vm) => sofar + vm.migrations, 0),
        switches: sum((total) => total.switches),
        standbyMs: sum((total) => total.standbyMs),
        outageMs: sum((total) => total.outageMs),
        retries: this.retries,
      };
    },
  };
}
