/** What the tasks of a process share, and what the runtime does for them. */
import type { WriterSchemas } from '../../codec/writer-schemas.ts';
import type { EngineError } from '../../engine-error.ts';
import type { App } from '../../topology/app.ts';
import type { Parameters } from '../../topology/processor.ts';
import type { KafkaConnection } from '../connection.ts';
import type { KafkaReader } from '../reader/kafka-reader.ts';
import type { KafkaCluster } from '../reader/kafkajs-cluster.ts';
import type { OffsetsHandle } from './offsets-handle.ts';
import type { SchemaGate } from './schema-gate.ts';
import type { StateStore } from './state-store.ts';

/**
 * What a task does when retention has removed records that it had not read: `stop` and say so, or `skip` to the first record
 * that is left, which is noted. Skipping loses events: it is for those who know that they can.
 */
export type TruncatedInputs = 'stop' | 'skip';

export interface TaskSettings {
  /** Outputs that are not urgent become visible at this interval. */
  readonly commitIntervalMs: number;
  /** How often tasks that have something to do learn the wall time. */
  readonly tickIntervalMs: number;
  /** After so long without an answer of its broker an input does not count as read to its end. */
  readonly staleMs: number;
  readonly truncatedInputs: TruncatedInputs;
}

export interface TaskEnvironment {
  readonly app: App;
  readonly connection: KafkaConnection;
  readonly writers: WriterSchemas;
  readonly reader: KafkaReader;
  readonly cluster: KafkaCluster;
  readonly settings: TaskSettings;
  readonly parameters: Readonly<Record<string, Parameters>>;
  /** Number of partitions of any topic that a task writes. */
  readonly partitionsOf: (topic: string) => number;
  /** The handle that positions of a processor are committed with; one for all its tasks. */
  readonly offsetsOf: (processor: string, signal: AbortSignal) => Promise<OffsetsHandle>;
  readonly openStore: (processor: string, partition: number) => Promise<StateStore>;
  readonly gate: SchemaGate;
  /** Resolves once the group has counted this process in after `sinceMs` (of `performance.now()`); rejects on abort. */
  readonly confirmed: (sinceMs: number, signal: AbortSignal) => Promise<void>;
  /** Has the loop look again: a task may have something to do. */
  readonly wake: () => void;
  /** What somebody should know; the task goes on. */
  readonly onTrouble: (task: string, error: EngineError) => void;
}
