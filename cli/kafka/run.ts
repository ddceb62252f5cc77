/**
 * A run on Kafka: topics and tables made ready, the sink, the workers, agents and simulation, in this process and its workers.
 *
 * I1  Topics and tables are checked before anything is written: what is wrong with them is told at once and nothing starts.
 * I2  It stops in the order of the flow: sources, tasks, sink. What is not done by then is done by the next run: nothing is kept
 *     here that is not in Kafka.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { KafkaEdge } from '#client/kafka-edge.ts';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import type { TruncatedInputs } from '#engine/kafka/driver/task-environment.ts';
import { schemas } from '#engine/records/generated.ts';
import { taskCount } from '#engine/topology/app.ts';
import type { Parameters } from '#engine/topology/processor.ts';
import { openClient, type ClientConfig } from '#sinks/clickhouse/client.ts';
import { startKafkaSink, type KafkaSink } from '#sinks/clickhouse/kafka/kafka-sink.ts';
import { prepareTables } from '#sinks/clickhouse/prepare-tables.ts';
import { tableOf, type Table } from '#sinks/clickhouse/tables.ts';
import { weirApp } from '../app.ts';
import type { RunStatus, SinkTableStatus } from './run-status.ts';
import type { Targets } from './targets.ts';
import { appWith } from './worker-process.ts';
import { Workers } from './workers.ts';

export interface RunConfig {
  readonly targets: Targets;
  /** Names of the processors to run. */
  readonly processors: readonly string[];
  readonly workers: number;
  readonly stateDir: string;
  readonly parameters: Readonly<Record<string, Parameters>>;
  readonly truncatedInputs: TruncatedInputs;
  readonly onStep: (step: string) => void;
  /** Something that the user should know; `code` tells repeats apart. */
  readonly onNote: (code: string, note: string) => void;
}

export interface KafkaRun {
  readonly client: ClickHouseClient;
  readonly edge: KafkaEdge;
  readonly sink: KafkaSink;
  readonly workers: Workers;
  readonly tables: readonly Table[];
  readonly failed: Promise<never>;
  status(): Promise<RunStatus>;
  /** Tasks process all that is in the topics, and the sink inserts it. Resolves to false if that takes longer. */
  settle(timeoutMs: number): Promise<boolean>;
  stop(timeoutMs: number): Promise<void>;
}

/** Of the time to stop. */
const workersShare = 0.6;

/** Rejects, with nothing left running, if a part cannot start. */
export async function startRun(config: RunConfig): Promise<KafkaRun> {
  const { targets, onStep } = config;
  const { connection, server, database } = targets;
  onStep('checking topics');
  await ensureTopics(connection, plannedTopics(weirApp));
  onStep('checking tables');
  const { url, username, password } = server;
  const tables = weirApp.streams.map((stream) => tableOf(stream, database));
  await prepare({ url, username, password }, tables);
  const client = openClient({ url, username, password, database });
  const undo: (() => Promise<unknown>)[] = [() => client.close()];
  try {
    onStep('joining');
    const writers = new WriterSchemas();
    const sink = await startSink(config, client, tables, writers);
    undo.push(() => sink.stop(1_000));
    const edge = await startEdge(config);
    undo.push(() => edge.stop(1_000));
    await announceSchemas(edge, writers);
    return running({ client, tables, sink, edge, workers: startWorkers(config) });
  } catch (error) {
    for (const step of undo.reverse()) await step().catch(() => undefined);
    throw error;
  }
}

/** Over a client without a database of its own: it may be one that is created here. */
async function prepare(server: ClientConfig, tables: readonly Table[]): Promise<void> {
  const client = openClient(server);
  try {
    await prepareTables(client, tables);
  } finally {
    await client.close();
  }
}

function startSink(
  { targets, onNote }: RunConfig,
  client: ClickHouseClient,
  tables: readonly Table[],
  writers: WriterSchemas,
): Promise<KafkaSink> {
  return startKafkaSink({
    connection: targets.connection,
    client,
    app: weirApp.name,
    tables,
    writers,
    onRetry: ({ place, attempt, error }) => {
      if (attempt === 3)
        onNote('clickhouse', `${place}: waiting for ClickHouse (${error.message}); events stay in Kafka`);
    },
    onTrouble: (error) => {
      onNote(error.code, `sink: ${error.message}`);
    },
  });
}

function startEdge({ targets, onNote }: RunConfig): Promise<KafkaEdge> {
  return KafkaEdge.start({
    client: { ...targets.connection, source: '/weir/up' },
    group: `${weirApp.name}.up`,
    from: 'end',
    onFailure: (place, error) => {
      onNote(
        'subscriber',
        `a subscriber could not read ${place}: ${error instanceof Error ? error.message : String(error)}`,
      );
    },
    onTrouble: (error) => {
      onNote('edge', `agents and simulation: ${error.message}`);
    },
  });
}

/** What this build writes with is announced before its first record; what is announced already is left alone. */
async function announceSchemas(edge: KafkaEdge, known: WriterSchemas): Promise<void> {
  const own = new WriterSchemas();
  for (const stream of weirApp.streams) eventCodec(stream, own);
  for (const announcement of own.announcements(Date.now()))
    if (known.byFingerprint(announcement.fingerprint) === undefined)
      await edge.publish(schemas, announcement);
}

function startWorkers(config: RunConfig): Workers {
  const { targets, processors, parameters, truncatedInputs, onNote } = config;
  const app = appWith(processors);
  return Workers.start({
    kafka: targets.kafkaSettings,
    environment: targets.environment,
    processors,
    parameters,
    truncatedInputs,
    stateDir: config.stateDir,
    count: config.workers,
    tasks: app.processors.reduce((sum, processor) => sum + taskCount(processor), 0),
    onNote,
  });
}

function running(parts: Pick<KafkaRun, 'client' | 'tables' | 'sink' | 'edge' | 'workers'>): KafkaRun {
  const { client, sink, edge, workers } = parts;
  const startedAtMs = Date.now();
  const sinkFailed = sink.failed.then((error) => Promise.reject(error));
  const failed = Promise.race([workers.failed, sinkFailed]);
  failed.catch(() => undefined);
  return {
    ...parts,
    failed,
    status: async () => ({
      startedAtMs,
      workers: workers.status(),
      sink: (await sink.stats()) satisfies readonly SinkTableStatus[],
    }),
    settle: async (timeoutMs) => {
      if (!(await workers.settle(timeoutMs))) return false;
      await Promise.race([sink.drain(), failed]);
      return true;
    },
    stop: async (timeoutMs) => {
      const ended = await Promise.allSettled([
        workers.stop(timeoutMs * workersShare),
        edge.stop(timeoutMs * workersShare),
      ]);
      await sink.stop(timeoutMs * (1 - workersShare));
      await client.close();
      const lost = ended.find((result) => result.status === 'rejected');
      if (lost !== undefined) throw lost.reason;
    },
  };
}
