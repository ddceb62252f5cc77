/**
 * An embedded run put together: topics in memory, tasks, ClickHouse (a child process of its own, or a server elsewhere),
 * the sink between them, and a recorder if asked for.
 *
 * I1  Every group that reads a topic is registered before the first record is written.
 * I2  Offsets go on where earlier runs ended, so (topic, partition, offset) stays unique in a data directory.
 * I3  It stops in the order of the flow: tasks take what is in the topics, then the sink, then the recorder, then
 *     ClickHouse. What the sink could not deliver in time is kept on disk and delivered by the next run.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { EmbeddedEdge } from '#engine/embedded/embedded-edge.ts';
import { EmbeddedRuntime } from '#engine/embedded/embedded-runtime.ts';
import { LogRecorder } from '#engine/embedded/log-recorder.ts';
import { laterOffsets, readOffsets, writeOffsets } from '#engine/embedded/offsets-file.ts';
import { keepUndelivered, restoreUndelivered } from '#engine/embedded/undelivered.ts';
import { systemClock } from '#engine/log/clock.ts';
import { MemoryLog } from '#engine/log/memory-log.ts';
import { schemas } from '#engine/records/generated.ts';
import type { RecordingManifest } from '#engine/replay/recording.ts';
import type { App } from '#engine/topology/app.ts';
import type { Parameters } from '#engine/topology/processor.ts';
import { startClickHouseSink, type ClickHouseSink } from '#sinks/clickhouse/clickhouse-sink.ts';
import { ACROSS_SHARDS } from '#sinks/clickhouse/client.ts';
import type { Cluster } from '#sinks/clickhouse/cluster.ts';
import type { Migration } from '#sinks/clickhouse/migration.ts';
import { nextOffsets } from '#sinks/clickhouse/next-offsets.ts';
import { prepareTables } from '#sinks/clickhouse/prepare-tables.ts';
import {
  startEmbeddedServer,
  type EmbeddedServer,
  type ServerEvent,
} from '#sinks/clickhouse/server/embedded-server.ts';
import { tableOf, type Table } from '#sinks/clickhouse/tables.ts';
import { acquireWriterLease, type WriterLease } from '#sinks/clickhouse/writer-lease.ts';
import { CliError } from './cli-error.ts';
import { reachClickHouse } from './reach-clickhouse.ts';

/** Producers wait while the topics hold more: half a second of a full load. Bounds of log and sink keep a run under 250 MB. */
const logBytes = 16 * 1024 * 1024;
const sinkLimits = { maxBytesInFlight: 12 * 1024 * 1024, maxConcurrentInserts: 2, schemaWaitMs: 0 };
const sinkGroup = 'weir.clickhouse-sink';
const recorderPollMs = 100;
/** Of the time to stop, what tasks and sink may each take; ClickHouse has its own bound. */
const tasksShare = 0.2;
const sinkShare = 0.4;
const serverStopMs = 1_000;

export interface StackOptions {
  readonly app: App;
  /** Of the app's tables; none by default. */
  readonly migrations?: readonly Migration[];
  readonly dataDir: string;
  /** A ClickHouse server to use instead of the embedded one. */
  readonly server?: { readonly url: string; readonly username: string; readonly password: string };
  readonly database: string;
  /** Of that server's, for the tables; undefined: they are on the server alone. */
  readonly cluster?: Cluster;
  readonly port?: number;
  readonly host?: string;
  /** Of the embedded server's user `default`. */
  readonly password?: string;
  readonly recordInto?: string;
  readonly parameters?: Readonly<Record<string, Parameters>>;
  /** Something that the user should know, while it runs: a task that stopped, ClickHouse restarted, an insert retried. */
  readonly onNote: (note: string) => void;
}

/** What became of a run when it stopped. */
export interface StackEnd {
  /** Records that ClickHouse does not have yet; they are on disk, and the next run on this directory delivers them. */
  readonly kept: number;
  readonly recording: RecordingManifest | undefined;
}

export interface Stack {
  readonly url: string;
  readonly client: ClickHouseClient;
  readonly edge: EmbeddedEdge;
  readonly log: MemoryLog;
  readonly sink: ClickHouseSink;
  readonly runtime: EmbeddedRuntime;
  readonly tables: readonly Table[];
  /** Process id of the embedded ClickHouse; undefined with a server elsewhere. */
  readonly clickHousePid: () => number | undefined;
  /** Records written to each topic in this run. */
  written(): ReadonlyMap<string, number>;
  /** Rejects when the run cannot go on: ClickHouse is given up, or a table refuses its rows for good. */
  readonly failed: Promise<never>;
  /**
   * Tasks process all that is in the topics and end, and the sink inserts it; for summaries before `stop`. Resolves to false
   * if that takes longer; rejects as `failed` does.
   */
  settle(timeoutMs: number): Promise<boolean>;
  stop(timeoutMs: number): Promise<StackEnd>;
}

/** Starts everything but agents and simulators. Rejects, with nothing left running, if a part cannot start. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { app, database } = options;
  const server = options.server === undefined ? await startServer(options) : undefined;
  const url = options.server?.url ?? server!.url;
  const client = createClient({
    url,
    database,
    username: options.server?.username ?? 'default',
    password: options.server?.password ?? options.password ?? '',
    application: 'weir',
    clickhouse_settings: ACROSS_SHARDS,
    log: { level: ClickHouseLogLevel.OFF },
  });
  const incarnation = randomUUID().replaceAll('-', '').slice(0, 16);
  let lease: WriterLease | undefined;
  try {
    const tables = app.streams.map((stream) => tableOf(stream, database, options.cluster));
    await reachClickHouse(client, url);
    for (const note of await prepareTables(client, tables, options.migrations)) options.onNote(note);
    lease = await acquireWriterLease(client, database, incarnation, server !== undefined, options.cluster);
    return await assemble(options, { url, client, server, tables, incarnation, lease });
  } catch (error) {
    await lease?.release();
    await client.close();
    await server?.stop();
    throw error;
  }
}

function startServer({
  dataDir,
  port = 0,
  host = '127.0.0.1',
  password = '',
  onNote,
}: StackOptions): Promise<EmbeddedServer> {
  const onEvent = (event: ServerEvent): void => {
    onNote(describeServerEvent(event));
  };
  return startEmbeddedServer({
    dataDir: join(dataDir, 'clickhouse'),
    port,
    host,
    defaultPassword: password,
    stopTimeoutMs: serverStopMs,
    onEvent,
  });
}

function describeServerEvent(event: ServerEvent): string {
  switch (event.type) {
    case 'died':
      return `ClickHouse (process ${event.pid}) died${event.signal === null ? '' : ` by ${event.signal}`}; starting it again, nothing is lost`;
    case 'restarted':
      return `ClickHouse is back as process ${event.pid} after ${Math.round(event.downForMs)} ms`;
    case 'restart-failed':
      return `ClickHouse could not be started again: ${event.error.message}`;
  }
}

interface Parts {
  readonly url: string;
  readonly client: ClickHouseClient;
  readonly server: EmbeddedServer | undefined;
  readonly tables: readonly Table[];
  readonly incarnation: string;
  readonly lease: WriterLease;
}

async function assemble(options: StackOptions, parts: Parts): Promise<Stack> {
  const { app, onNote, parameters = {} } = options;
  const { client, tables } = parts;
  const log = new MemoryLog({ maxBytes: logBytes });
  const delivered = await nextOffsets(client, tables);
  const offsetsIn = join(options.dataDir, 'offsets.json');
  const offsets = laterOffsets(delivered, await readOffsets(offsetsIn));
  for (const { topic, partitions } of app.streams) log.createTopic(topic, partitions, offsets.get(topic));
  const writers = new WriterSchemas();
  const keptIn = join(options.dataDir, 'undelivered');
  const restored = await restoreUndelivered(keptIn, log, sinkGroup, delivered, writers);
  if (restored > 0) onNote(`delivering ${restored} records that an earlier run kept in ${keptIn}`);
  const inputs = tables.map((table) => {
    const { topic, partitions } = table.stream;
    return { table, sources: Array.from({ length: partitions }, (_, p) => log.source(sinkGroup, topic, p)) };
  });
  const recorder =
    options.recordInto === undefined
      ? undefined
      : await LogRecorder.start(options.recordInto, log, app, effectiveParameters(app, parameters));
  const runtime = new EmbeddedRuntime({
    app,
    log,
    writers,
    clock: systemClock,
    parameters,
    onCommit: (core, commit) => recorder?.onCommit(core, commit),
    onTaskError: (task, error) => {
      onNote(`task ${task} stopped: ${error instanceof Error ? error.message : String(error)}`);
    },
  });
  const edge = new EmbeddedEdge(log, writers, (place, error) => {
    onNote(`a subscriber could not read ${place}: ${error instanceof Error ? error.message : String(error)}`);
  });
  const start = new Map(app.streams.map(({ topic, partitions }) => [topic, ends(log, topic, partitions)]));
  for (const announcement of writers.announcements(Date.now())) await edge.publish(schemas, announcement);
  const sink = startClickHouseSink({
    client,
    inputs,
    writers,
    incarnation: parts.incarnation,
    limits: sinkLimits,
    // `append` never waits: the sink could be the only one to make room.
    deadLetters: {
      write: (records) => {
        log.append(records);
        return Promise.resolve();
      },
    },
    onRetry: ({ place, attempt, error }) => {
      if (attempt === 3)
        onNote(`${place}: waiting for ClickHouse (${error.message}); events are kept meanwhile`);
    },
    onTrouble: ({ message }) => {
      onNote(message);
    },
  });
  log.onFull(() => {
    sink.flush();
  });
  runtime.start();
  const polling =
    recorder === undefined
      ? undefined
      : setInterval(() => {
          recorder.poll();
        }, recorderPollMs);
  const failed = failureOf(parts, sink);
  let haveTasksEnded = false;
  return {
    ...parts,
    log,
    edge,
    sink,
    runtime,
    clickHousePid: () => parts.server?.pid(),
    written: () =>
      new Map(
        app.streams.map(({ topic, partitions }) => [
          topic,
          ends(log, topic, partitions) - (start.get(topic) ?? 0),
        ]),
      ),
    failed,
    settle: async (timeoutMs) => {
      const startMs = performance.now();
      haveTasksEnded = await runtime.stop(timeoutMs);
      if (!haveTasksEnded) return false;
      // Twice: the first drain may itself write dead letters.
      const inserted = sink.drain().then(() => sink.drain());
      return withinTime(Promise.race([inserted, failed]), timeoutMs - (performance.now() - startMs));
    },
    stop: async (timeoutMs) => {
      // Once only: time goes on, and a further turn would let timers write what no summary has seen.
      if (!haveTasksEnded) await runtime.stop(timeoutMs * tasksShare);
      await sink.stop(timeoutMs * sinkShare);
      const released = parts.lease.release();
      log.close();
      clearInterval(polling);
      const closing = [
        keepForNextRun(keptIn, offsetsIn, log, writers, onNote),
        recorder?.finish(writers, Date.now()) ?? Promise.resolve(undefined),
      ] as const;
      const [kept, recording] = await Promise.allSettled(closing);
      await released;
      await client.close();
      await parts.server?.stop();
      return { kept: outcomeOf(kept, recording), recording: outcomeOf(recording, kept) };
    },
  };
}

/** Runs also when all is delivered: it removes what the run before had kept. */
async function keepForNextRun(
  directory: string,
  offsetsIn: string,
  log: MemoryLog,
  writers: WriterSchemas,
  onNote: (note: string) => void,
): Promise<number> {
  let kept: number;
  try {
    kept = await keepUndelivered(directory, log, sinkGroup, writers);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError(
      'environment',
      `what did not reach ClickHouse in time could not be kept for the next run and is lost: ${reason}`,
      { remedies: ['free space, or give another directory: --data <directory>'], cause: error },
    );
  }
  if (kept > 0)
    onNote(
      `${kept} records did not reach ClickHouse in time; they are kept in ${directory} for the next run`,
    );
  await writeOffsets(offsetsIn, log);
  return kept;
}

/** The value of one of two things that ended; where both failed, the error tells of both. */
function outcomeOf<T>(one: PromiseSettledResult<T>, other: PromiseSettledResult<unknown>): T {
  const errors = [one, other].flatMap((result) =>
    result.status === 'rejected' ? [result.reason as unknown] : [],
  );
  if (one.status === 'fulfilled' && errors.length === 0) return one.value;
  throw errors.length === 1 ? errors[0] : new AggregateError(errors, 'the run did not end in order');
}

/** Parameters of every processor as they are in force, so that a recording stands alone. */
function effectiveParameters(
  app: App,
  overrides: Readonly<Record<string, Parameters>>,
): Record<string, Parameters> {
  return Object.fromEntries(
    app.processors.map(({ name, parameters }) => [name, { ...parameters, ...overrides[name] }]),
  );
}

function ends(log: MemoryLog, topic: string, partitions: number): number {
  let sum = 0;
  for (let partition = 0; partition < partitions; partition += 1) sum += log.endOffset(topic, partition);
  return sum;
}

async function failureOf({ server, lease }: Parts, sink: ClickHouseSink): Promise<never> {
  const gaveUp = server === undefined ? new Promise<never>(() => undefined) : server.exited;
  const first = await Promise.race([gaveUp, sink.failed, lease.lost]);
  if (first instanceof Error) throw first;
  if (first.reason === 'gave-up') throw first.error;
  return new Promise<never>(() => undefined);
}

async function withinTime(work: Promise<void>, timeoutMs: number): Promise<boolean> {
  const abort = new AbortController();
  try {
    return await Promise.race([
      work.then(() => true),
      systemClock.sleep(timeoutMs, abort.signal).then(() => false),
    ]);
  } finally {
    abort.abort();
  }
}
