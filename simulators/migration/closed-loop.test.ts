/**
 * The migration simulator and the migration processor in one loop, in virtual time, over the in-memory log: the processor
 * sees only events, the simulator obeys only commands, and the simulator's ground truth is the judge.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { TaskRunner } from '#engine/embedded/task-runner.ts';
import { MemoryLog } from '#engine/log/memory-log.ts';
import { cloudEventHeaders } from '#engine/task/cloud-events.ts';
import { TaskCore } from '#engine/task/task-core.ts';
import { eventTimeMsOf, keyOf } from '#engine/topology/stream.ts';
import type { Stream } from '#engine/topology/stream.ts';
import { deviceFailover } from '#pipelines/migration/device-failover.ts';
import { streams } from '#pipelines/migration/index.ts';
import {
  acknowledgements,
  alerts,
  commands,
  linkStates,
  outcomes,
  phases,
  transitions,
} from '#schemas/migration/generated.ts';
import type { Acknowledgement, Alert, Command, Outcome, Transition } from '#schemas/migration/generated.ts';
import { migrationModel } from './config.ts';
import { createWorld, quiesce, step } from './step.ts';
import { isCarrying, totalsAt } from './world.ts';
import type { PathTruth, SimulatedEvent, World } from './world.ts';

const START_MS = Date.UTC(2026, 0, 1);
const BUSY_MS = 180_000;
/** After the last event: repetitions of commands, hold-downs. */
const SETTLE_MS = 30_000;
const TICK_MS = 20;
/** From a decision's event time until the data is moved: the watermark's lag, a late source, the actuator. */
const SWITCHING_MS = 300;
/** A command that failed or whose answer was lost is repeated after the processor's ackTimeoutMs. */
const REPEATING_MS = 2200;
const SIMULATED = { linkStates, phases, acknowledgements } as const;

interface Loop {
  readonly world: World;
  readonly truth: readonly PathTruth[];
  readonly commands: readonly Command[];
  readonly acknowledgements: readonly Acknowledgement[];
  readonly transitions: readonly Transition[];
  readonly alerts: readonly Alert[];
  readonly outcomes: readonly Outcome[];
  readonly deadLetters: number;
}

/** Topics in memory, kept whole, with tasks of the processor over them. */
function plant() {
  const log = new MemoryLog({ maxBytes: Infinity });
  const writers = new WriterSchemas();
  for (const { topic, partitions } of [...streams, { topic: 'weir.dead-letters', partitions: 1 }]) {
    log.createTopic(topic, partitions);
    log.subscribe('reader', topic);
  }
  const runners = Array.from({ length: linkStates.partitions }, (_, partition) => {
    return new TaskRunner(
      new TaskCore({ processor: deviceFailover, partition, writers, strict: true }),
      'loop',
      log,
    );
  });
  const codecs = new Map(streams.map((stream) => [stream.topic, eventCodec(stream, writers)]));

  function write({ stream: name, value, id, host }: SimulatedEvent): void {
    const stream: Stream<unknown> = SIMULATED[name];
    const timestampMs = eventTimeMsOf(stream, value);
    log.append([
      {
        topic: stream.topic,
        key: Buffer.from(keyOf(stream, value)),
        value: codecs.get(stream.topic)!.encode(value),
        timestampMs,
        headers: cloudEventHeaders(id, `/simulators/migration/${host}`, stream.name, timestampMs),
      },
    ]);
  }

  const positions = new Map<string, number>();
  /** What has come to a topic since the last call. */
  function readNew<T>(stream: Stream<T>): T[] {
    return Array.from({ length: stream.partitions }).flatMap((_, partition) => {
      const place = `${stream.topic}/${partition}`;
      const records = log.read(stream.topic, partition, positions.get(place) ?? 0, Infinity);
      const last = records.at(-1);
      if (last !== undefined) positions.set(place, last.offset + 1);
      return records.map((record) => codecs.get(stream.topic)!.decode(record.value!) as T);
    });
  }
  return { log, runners, write, readNew };
}

function runLoop(): Loop {
  const { log, runners, write, readNew } = plant();
  let world = createWorld(migrationModel({}), START_MS);
  const truth: PathTruth[] = [];
  const issued: Command[] = [];
  let inbox: Command[] = [];
  for (const runner of runners) runner.tick(START_MS, START_MS);
  for (let elapsedMs = TICK_MS; elapsedMs <= BUSY_MS + SETTLE_MS; elapsedMs += TICK_MS) {
    const nowMs = START_MS + elapsedMs;
    if (elapsedMs === BUSY_MS) world = quiesce(world);
    const result = step(world, nowMs, inbox);
    world = result.world;
    truth.push(...result.truth);
    result.events.forEach(write);
    for (const runner of runners) {
      if (elapsedMs % 100 === 0) runner.tick(nowMs, nowMs);
      runner.pump(Infinity, nowMs);
      runner.commit(nowMs);
      if (runner.error !== undefined) throw runner.error as Error;
    }
    inbox = readNew(commands);
    issued.push(...inbox);
  }
  return {
    world,
    truth,
    commands: issued,
    acknowledgements: readNew(acknowledgements),
    transitions: readNew(transitions),
    alerts: readNew(alerts),
    outcomes: readNew(outcomes),
    deadLetters: log.endOffset('weir.dead-letters', 0),
  };
}

describe('the simulator and the processor in one loop', () => {
  let loop: Loop;
  beforeAll(() => {
    loop = runLoop();
  });

  it('has every command answered, none given up, and no event refused', () => {
    const answered = new Set(loop.acknowledgements.map((ack) => ack.command_id));
    expect(loop.commands.length).toBeGreaterThan(200);
    expect(loop.commands.filter((command) => !answered.has(command.command_id))).toEqual([]);
    expect(loop.deadLetters).toBe(0);
  });

  it('ends with each device on the path that was decided, and its data getting through', () => {
    for (const device of loop.world.devices.values()) {
      const decided = loop.transitions
        .filter((transition) => transition.device_id === device.deviceId)
        .at(-1);
      expect([device.deviceId, device.active]).toEqual([device.deviceId, decided?.to]);
      // A VM that was in stop-copy when the simulation went quiet stands still.
      expect(isCarrying(device) || device.paused).toBe(true);
    }
  });

  it('decides a time on standby that agrees with where the data really was, but for the time that switching takes', () => {
    for (const device of loop.world.devices.values()) {
      const { nowMs } = loop.world;
      const decided = loop.transitions.filter((transition) => transition.device_id === device.deviceId);
      const repeated = loop.commands.filter(
        (command) => command.device_id === device.deviceId && command.attempt > 1,
      );
      const decidedMs = decided.reduce(
        (sum, { to, at }, index) => sum + (to === 'standby' ? (decided[index + 1]?.at ?? nowMs) - at : 0),
        0,
      );
      const differenceMs = Math.abs(decidedMs - totalsAt(device, nowMs).standbyMs);
      expect(differenceMs).toBeLessThan(SWITCHING_MS * decided.length + REPEATING_MS * repeated.length);
    }
  });

  it('finds every trap, and raises no alarm that the simulation gives no reason for', () => {
    expect(new Set(loop.alerts.map((alert) => alert.kind))).toEqual(
      new Set([
        'command_failed',
        'device_error',
        'flapping',
        'illegal_arc',
        'mac_on_two_hosts',
        'no_replug',
        'out_of_order',
        'stale_epoch',
        'will_not_converge',
      ]),
    );
    expect(new Set(loop.outcomes.map((outcome) => outcome.outcome))).toEqual(
      new Set(['completed', 'failed', 'cancelled']),
    );
  });

  it('never has the data down for long with an interface to move it to', () => {
    const last = new Map<string, PathTruth>();
    const outagesMs: number[] = [];
    for (const change of loop.truth) {
      const before = last.get(change.deviceId);
      if (before?.carrying === false) outagesMs.push(change.atMs - before.atMs);
      last.set(change.deviceId, change);
    }
    outagesMs.sort((a, b) => a - b);
    // Half of all outages end within two actuator times; the longest are forced stop-copies of a VM that dirties too fast.
    expect(outagesMs[Math.floor(outagesMs.length / 2)]).toBeLessThan(160);
    expect(outagesMs.at(-1)).toBeLessThan(6000);
  });
});
