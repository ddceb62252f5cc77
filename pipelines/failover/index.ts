/** The failover subsystem, so far: I/O monitoring and prediction. Its streams and processors. */
import type { Processor } from '#engine/topology/processor.ts';
import type { Stream } from '#engine/topology/stream.ts';
import {
  evaluations,
  ioSamples,
  predictions,
  replicationNeeds as needs,
  suspicions,
} from '#schemas/failover/generated.ts';
import { ioPrediction } from './io-prediction.ts';
import { replicationNeeds } from './replication-needs.ts';
import { telemetrySuspicion } from './telemetry-suspicion.ts';

export const streams: readonly Stream<unknown>[] = [ioSamples, predictions, evaluations, needs, suspicions];

export const processors: readonly Processor[] = [ioPrediction, replicationNeeds, telemetrySuspicion];
