/**
 * migration.device-failover: which of its two interfaces a virtual device's data uses, and how its migrations go.
 *
 * A device has a fast primary and a software standby. When the primary is found disconnected, data moves to standby;
 * when it is connected again, on whichever host, data moves back. See docs/migration.md.
 */
import { input, processor, urgent, type Processor } from '#engine/topology/processor.ts';
import {
  acknowledgements,
  alerts,
  commands,
  deviceStateSchema,
  linkStates,
  outcomes,
  phases,
  transitions,
  type DeviceState,
} from '#schemas/migration/generated.ts';
import { onAcknowledgement, onAckTimeout } from './acknowledgement-handler.ts';
import { onHoldDown, onLinkState, onReuse } from './link-handler.ts';
import { onConflict, onNoPath, onNoReplug } from './link-watches.ts';
import { parameters } from './parameters.ts';
import { onPhase } from './phase-handler.ts';

/** Deliveries repeated under one (ce_source, ce_id): a repetition right behind its original is dropped. */
const deduplicateLast = 16;
/** Phases and acknowledgements come in bursts; silence between them must not hold back the timers of the links. */
const quiet = { idleAfterMs: 250, deduplicateLast };

export const deviceFailover: Processor = processor({
  name: 'migration.device-failover',
  inputs: {
    linkStates: input(linkStates, { idleAfterMs: 1_000, deduplicateLast }),
    phases: input(phases, quiet),
    acknowledgements: input(acknowledgements, quiet),
  },
  outputs: { commands: urgent(commands), transitions, alerts, outcomes },
  state: { schema: deviceStateSchema, version: 1, initial: initialDeviceState },
  parameters,
  on: { linkStates: onLinkState, phases: onPhase, acknowledgements: onAcknowledgement },
  timers: {
    holdDown: { clock: 'event', fire: onHoldDown },
    reuse: { clock: 'event', fire: onReuse },
    noReplug: { clock: 'event', fire: onNoReplug },
    noPath: { clock: 'event', fire: onNoPath },
    conflict: { clock: 'event', fire: onConflict },
    ackTimeout: { clock: 'wall', fire: onAckTimeout },
  },
  // Handlers order reports by epoch and by the reporter's own time; a late loss of the primary is still a loss.
  late: 'handle',
});

function initialDeviceState(): DeviceState {
  return {
    vm_id: '',
    links: [],
    fence_epoch: -1,
    owner_host: '',
    primary_up: false,
    primary_since: 0,
    active: 'none',
    active_since: 0,
    path_epoch: 0,
    penalty: 0,
    penalty_at: 0,
    penalty_capped: false,
    suppressed: false,
    cause: { topic: '', partition: 0, offset: -1 },
    pending: null,
    migration: null,
  };
}
