/** Words to write scenarios of one device with, and to look at what the processor made of them. */
import { replayEvents, type EmittedEvent, type TopicEvent } from '#engine/replay/replay-events.ts';
import { deadLetters, type DeadLetter } from '#engine/records/generated.ts';
import type { Parameters } from '#engine/topology/processor.ts';
import type { Stream } from '#engine/topology/stream.ts';
import {
  alerts as alertsStream,
  commands,
  outcomes,
  transitions,
  type Acknowledgement,
  type Alert,
  type Command,
  type LinkState,
  type Outcome,
  type Phase,
  type Transition,
} from '#schemas/migration/generated.ts';
import { deviceFailover } from './device-failover.ts';

/** 2026-01-01T00:00:00Z; scenarios count milliseconds from it. */
export const startMs = 1_767_225_600_000;
const device = { device_id: 'vm-7/net0', vm_id: 'vm-7' };

type Late = { readonly arrivalMs?: number };

export function link(atMs: number, report: Partial<LinkState> & Late = {}): TopicEvent {
  const { arrivalMs, ...fields } = report;
  const event: LinkState = {
    ...device,
    mac: '52:54:00:00:00:07',
    host: 'host-a',
    interface: 'primary',
    attached: true,
    link_up: true,
    path_epoch: 0,
    ...fields,
    observed_at: startMs + atMs,
  };
  return { topic: 'migration.link-states', event, ...arrival(arrivalMs) };
}

export function phase(
  atMs: number,
  report: Partial<Phase> & Late & Pick<Phase, 'side' | 'device_state'>,
): TopicEvent {
  const { arrivalMs, ...fields } = report;
  const event: Phase = {
    ...device,
    migration_uid: 'm-1',
    source_node: 'host-a',
    target_node: 'host-b',
    data_remaining_bytes: null,
    dirty_rate: null,
    bandwidth: null,
    failure_reason: null,
    ...fields,
    observed_at: startMs + atMs,
  };
  return { topic: 'migration.phases', event, ...arrival(arrivalMs) };
}

export function acknowledgement(atMs: number, answer: Partial<Acknowledgement>): TopicEvent {
  const event: Acknowledgement = {
    ...device,
    command_id: '',
    host: 'host-a',
    path_epoch: 1,
    outcome: 'applied',
    detail: '',
    ...answer,
    at: startMs + atMs,
  };
  return { topic: 'migration.acknowledgements', event };
}

function arrival(arrivalMs: number | undefined): Late {
  return arrivalMs === undefined ? {} : { arrivalMs: startMs + arrivalMs };
}

/** What the processor emitted, by kind. */
export interface Told {
  readonly commands: readonly Command[];
  readonly transitions: readonly Transition[];
  readonly alerts: readonly Alert[];
  readonly outcomes: readonly Outcome[];
  readonly deadLetters: readonly DeadLetter[];
  /** Kinds of the alerts, in order. */
  readonly alertKinds: readonly string[];
}

/** Runs a scenario; time goes on for `settleMs` after it. */
export function run(events: readonly TopicEvent[], settleMs = 0, parameters: Parameters = {}): Told {
  const emitted = replayEvents({ processor: deviceFailover, partitions: 1, events, settleMs, parameters });
  const alerts = on(emitted, alertsStream);
  return {
    commands: on(emitted, commands),
    transitions: on(emitted, transitions),
    alerts,
    outcomes: on(emitted, outcomes),
    deadLetters: on(emitted, deadLetters),
    alertKinds: alerts.map((alert) => alert.kind),
  };
}

function on<T>(emitted: readonly EmittedEvent[], { topic }: Stream<T>): readonly T[] {
  return emitted.filter((event) => event.topic === topic).map((event) => event.value as T);
}
