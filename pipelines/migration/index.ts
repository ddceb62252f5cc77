/** The migration subsystem: its streams and processors. */
import type { Processor } from '#engine/topology/processor.ts';
import type { Stream } from '#engine/topology/stream.ts';
import {
  acknowledgements,
  alerts,
  commands,
  linkStates,
  outcomes,
  phases,
  transitions,
} from '#schemas/migration/generated.ts';
import { deviceFailover } from './device-failover.ts';

export const streams: readonly Stream<unknown>[] = [
  linkStates,
  phases,
  commands,
  acknowledgements,
  transitions,
  alerts,
  outcomes,
];

export const processors: readonly Processor[] = [deviceFailover];
