/**
 * A run on Kafka: topics and tables made ready, the sink, the workers, agents and simulation, in this process and its workers.
 *
 * I1  Topics and tables are checked before anything is written: what is wrong with them is told at once and nothing starts.
 * I2  It stops in the order of the flow: sources, tasks, sink. What is not done by then is done by the next run: nothing is kept
 *     here that is not in Kafka.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import { KafkaEdge } from '#client/kafka-edge.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { EngineError } from '#engine/engine-error.ts';
import { patiently } from '#engine/kafka/patiently.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import type { TruncatedInputs } from '#engine/kafka/driver/task-environment.ts';
import { taskCount } from '#engine/topology/app.ts';
import type { Parameters } from '#engine/topology/processor.ts';
import { openClient } from '#sinks/clickhouse/client.ts';
import { requireCluster } from '#sinks/clickhouse/cluster-check.ts';
import { SinkError } from '#sinks/clickhouse/error.ts';
import { isAnswer } from '#sinks/clickhouse/insert-error.ts';
import { startKafkaSink, type KafkaSink } from '#sinks/clickhouse/kafka/kafka-sink.ts';
import { refuseLostTables } from '#sinks/clickhouse/kafka/refuse-lost-tables.ts';
import { prepareTables } from '#sinks/clickhouse/prepare-tables.ts';
import type { Retrying } from '#sinks/clickhouse/retry.ts';
import { tableOf, type Table } from '#sinks/clickhouse/tables.ts';
import { weirApp } from '../app.ts';
import { reachClickHouse } from '../reach-clickhouse.ts';
import { allMigrations } from '../migrations.ts';
import { entryOfError, entryOfRetry } from '../operations/log-entry.ts';
import { passed } from '../passed.ts';
import { announcedSchemas, announceSchemas } from './announce-schemas.ts';
import type { Notes } from './notes.ts';
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
  /** Names of tables that may be made anew and empty though rows are lost with it; `all`: every one. */
  readonly acceptedEmptyTables: readonly string[];
  readonly onStep: (step: string) => void;
  readonly notes: Pick<Notes, 'tell' | 'trouble'>;
  /** Gives the start up at its next step. */
  readonly signal: AbortSignal;
}

export interface KafkaRun {
  readonly client: ClickHouseClient;
  readonly edge: KafkaEdge;
  readonly sink: KafkaSink;
  readonly workers: Workers;
  readonly tables: readonly Table[];
  /** How many the processors have in all, at the workers of this run or elsewhere. */
  readonly tasks: number;
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  readonly failed: Promise<never>;
  /** Tasks process all that is in the topics, and the sink inserts it. Resolves to false when `over` aborts before that. */
  settle(over: AbortSignal): Promise<boolean>;
  stop(timeoutMs: number): Promise<void>;
}

/** Leaders that move answer later. */
const startMs = 20_000;
/** Of the time to stop. */
const workersShare = 0.6;

/**
 * Rejects, with nothing left running, if a part cannot start.
 *
 * @throws the signal's reason; as ensureTopics, refuseLostTables, prepareTables, startKafkaSink, KafkaEdge.start
 */
export async function startRun(config: RunConfig): Promise<KafkaRun> {
  const { targets, signal } = config;
  const { connection, server, database, cluster } = targets;
  const { url, username, password } = server;
  const step = (name: string): void => {
    signal.throwIfAborted();
    config.onStep(name);
  };
  step('checking topics');
  await ensureTopics(connection, plannedTopics(weirApp));
  step('checking tables');
  const tables = weirApp.streams.map((stream) => tableOf(stream, database, cluster));
  await prepare(config, tables);
  const client = openClient({ url, username, password, database });
  const undo: (() => Promise<unknown>)[] = [() => client.close()];
  try {
    step('announcing schemas');
    const announced = await patiently(() => announcedSchemas(connection, signal), {
      timeoutMs: startMs,
      signal,
    });
    const edge = await startEdge(config, announced);
    undo.push(() => edge.stop(1_000));
    await announceSchemas(weirApp, edge, announced);
    step('joining');
    const sink = await startSink(config, client, tables);
    undo.push(() => sink.stop(1_000));
    step('starting workers');
    return running({ client, tables, sink, edge, tasks: tasksOf(config), workers: startWorkers(config) });
  } catch (error) {
    for (const one of undo.reverse()) await one().catch(() => undefined);
    throw error;
  }
}

/** Over a client without a database of its own: it may be one that is created here. */
async function prepare(config: RunConfig, tables: readonly Table[]): Promise<void> {
  const { targets, acceptedEmptyTables: accepted, signal } = config;
  const { connection, server, cluster } = targets;
  const { url, username, password } = server;
  const client = openClient({ url, username, password });
  try {
    await reachClickHouse(client, url);
    if (cluster !== undefined) await requireCluster(client, cluster);
    await refuseLostTables({ connection, client, app: weirApp.name, tables, accepted, signal });
    for (const message of await prepareTables(client, tables, allMigrations()))
      config.notes.tell({ level: 'warn', component: 'sink', message });
  } finally {
    await client.close();
  }
}

function startSink(
  { targets, notes }: RunConfig,
  client: ClickHouseClient,
  tables: readonly Table[],
): Promise<KafkaSink> {
  return startKafkaSink({
    connection: targets.connection,
    client,
    app: weirApp.name,
    tables,
    writers: new WriterSchemas(),
    onRetry: (retrying) => {
      tellRetry(notes, retrying);
    },
    onTrouble: (error) => {
      const entry = entryOfError({ component: 'sink' }, error);
      const told = { ...entry, message: `sink: ${error.message}` };
      if (!error.retryable) notes.tell(told);
      // Kafka's troubles are most often met everywhere at once; what the sink says itself is of one partition.
      else notes.trouble(told, error instanceof SinkError ? `${entry.topic}/${entry.partition}` : undefined);
    },
  });
}

/** What a server answers may be about one table; a server that is away is away for all. */
function tellRetry(notes: RunConfig['notes'], retrying: Retrying): void {
  const { attempt, error } = retrying;
  const entry = entryOfRetry(retrying);
  if (error instanceof EngineError) {
    notes.trouble({ ...entry, message: `sink: ${error.message}` });
    return;
  }
  const message = `waiting for ClickHouse (${error.message}); events stay in Kafka`;
  if (attempt >= 3) notes.tell({ ...entry, message }, isAnswer(error) ? entry.topic : undefined);
}

function startEdge({ targets, notes }: RunConfig, announced: ReadonlySet<string>): Promise<KafkaEdge> {
  return KafkaEdge.start({
    client: { ...targets.connection, source: '/weir/up', announced },
    group: `${weirApp.name}.up`,
    from: 'end',
    onFailure: (place, error) => {
      const why = error instanceof Error ? error.message : String(error);
      const message = `a subscriber could not read ${place}: ${why}`;
      notes.tell({ level: 'warn', component: 'agents', code: 'subscriber', message });
    },
    onTrouble: (error) => {
      const message = `agents and simulation: ${error.message}`;
      notes.trouble({ level: 'warn', component: 'agents', code: 'agents', message });
    },
  });
}

function tasksOf({ processors }: RunConfig): number {
  return appWith(processors).processors.reduce((sum, processor) => sum + taskCount(processor), 0);
}

function startWorkers(config: RunConfig): Workers {
  const { targets, processors, parameters, truncatedInputs, notes } = config;
  return Workers.start({
    kafka: targets.kafkaSettings,
    environment: targets.environment,
    processors,
    parameters,
    truncatedInputs,
    stateDir: config.stateDir,
    count: config.workers,
    tasks: tasksOf(config),
    notes,
  });
}

function running(parts: Omit<KafkaRun, 'startedAtMs' | 'failed' | 'settle' | 'stop'>): KafkaRun {
  const { client, sink, edge, workers } = parts;
  const sinkFailed = sink.failed.then((error) => Promise.reject(error));
  const failed = Promise.race([workers.failed, sinkFailed]);
  failed.catch(() => undefined);
  return {
    ...parts,
    startedAtMs: Date.now(),
    failed,
    settle: async (over) => {
      if (!(await workers.settle(over))) return false;
      // ClickHouse may be away for as long as it likes: what is not in stays in Kafka.
      return Promise.race([sink.drain().then(() => true), failed, passed(Infinity, over).then(() => false)]);
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
