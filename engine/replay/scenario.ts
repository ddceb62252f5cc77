/**
 * Runs an app over a list of events in virtual time and keeps everything as a recording in memory: the way fixtures become
 * golden outputs, and the first half of every determinism test (the second is `replayRecording` on what this returns).
 *
 * I1  Time is a number: an event arrives at its own event time (or the time given), ticks come at fixed distances, tasks
 *     process all that is there before time moves on. So the result is a function of the events and the options.
 */
import { eventCodec } from '../codec/event-codec.ts';
import { WriterSchemas } from '../codec/writer-schemas.ts';
import { TaskRunner } from '../embedded/task-runner.ts';
import type { LogRecord, NewRecord } from '../log/log.ts';
import { MemoryLog } from '../log/memory-log.ts';
import {
  deadLetters,
  journalChunkSchema,
  type JournalChunk,
  type JournalEntry,
} from '../records/generated.ts';
import { cloudEventHeaders } from '../task/cloud-events.ts';
import { TaskCore } from '../task/task-core.ts';
import { avroType } from '../codec/avro-type.ts';
import { inputTopics, taskCount, validApp, type App } from '../topology/app.ts';
import type { Parameters } from '../topology/processor.ts';
import { eventTimeMsOf, keyOf, type Stream } from '../topology/stream.ts';
import { withoutAmbient } from './ambient-guard.ts';
import type { Recording } from './recording-reader.ts';

export interface ScenarioEvent {
  readonly topic: string;
  readonly event: object;
  /** When it reaches the log; by default at its event time. */
  readonly arrivesAtMs?: number;
  /** CloudEvents identity; by default unique. Two events with the same one are repetitions. */
  readonly id?: string;
}

export interface ScenarioOptions {
  readonly app: App;
  readonly events: readonly ScenarioEvent[];
  readonly parameters?: Readonly<Record<string, Parameters>>;
  /** Distance of wall-clock ticks. Default 100. */
  readonly tickMs?: number;
  /** How long time goes on after the last event. Default 0. */
  readonly runOnMs?: number;
  /** Commits after this many instants. Default 1. */
  readonly commitEvery?: () => number;
}

const recorder = 'scenario';
const journalType = avroType(journalChunkSchema.schema);

/** Runs the events through the app. Throws if a handler has a bug, or is not deterministic (ambient-guard.ts). */
export function runScenario(options: ScenarioOptions): Recording {
  return withoutAmbient(() => recordedScenario(options));
}

function recordedScenario(options: ScenarioOptions): Recording {
  const { tickMs = 100, runOnMs = 0, commitEvery = () => 1 } = options;
  const app = validApp(options.app);
  const log = new MemoryLog({ maxBytes: Infinity });
  const writers = new WriterSchemas();
  for (const stream of app.streams) {
    log.createTopic(stream.topic, stream.partitions);
    log.subscribe(recorder, stream.topic);
  }
  if (!log.topics.includes(deadLetters.topic)) {
    log.createTopic(deadLetters.topic, deadLetters.partitions);
    log.subscribe(recorder, deadLetters.topic);
  }
  const journals = new Map<string, JournalEntry[]>();
  const runners = makeRunners(options, app, log, writers, journals);
  const arrivals = arrivalsOf(options.events, app, writers);
  const startMs = arrivals[0]?.atMs ?? 0;
  const endMs = (arrivals[arrivals.length - 1]?.atMs ?? startMs) + runOnMs;
  let next = 0;
  let untilCommit = commitEvery();
  for (let nowMs = startMs; nowMs <= endMs + tickMs; nowMs += tickMs) {
    for (; next < arrivals.length && arrivals[next]!.atMs <= nowMs; next += 1)
      log.append([arrivals[next]!.record]);
    for (const runner of runners) runner.tick(nowMs, nowMs);
    untilCommit -= 1;
    const commitNow = untilCommit <= 0;
    if (commitNow) untilCommit = commitEvery();
    settle(runners, nowMs, commitNow || nowMs + tickMs > endMs + tickMs);
  }
  return inMemory(app, log, writers, journals, options.parameters ?? {});
}

function makeRunners(
  options: ScenarioOptions,
  app: App,
  log: MemoryLog,
  writers: WriterSchemas,
  journals: Map<string, JournalEntry[]>,
): TaskRunner[] {
  return app.processors.flatMap((processor) =>
    Array.from({ length: taskCount(processor) }, (_, partition) => {
      const parameters = options.parameters?.[processor.name] ?? {};
      const core = new TaskCore({ processor, partition, writers, parameters, strict: true });
      const entries: JournalEntry[] = [];
      journals.set(`${processor.name}/${partition}`, entries);
      return new TaskRunner(core, app.name, log, (_core, commit) => {
        if (commit.journal === null) return;
        const chunk = journalType.fromBuffer(commit.journal) as JournalChunk;
        for (const entry of chunk.entries) entries.push(entry);
      });
    }),
  );
}

function arrivalsOf(
  events: readonly ScenarioEvent[],
  app: App,
  writers: WriterSchemas,
): readonly { readonly atMs: number; readonly record: NewRecord }[] {
  const streams = new Map(
    app.streams.map((stream) => [stream.topic, { stream, codec: eventCodec(stream, writers) }]),
  );
  const arrivals = events.map(({ topic, event, arrivesAtMs, id }, index) => {
    const found = streams.get(topic);
    if (found === undefined)
      throw new TypeError(`event ${index} is for topic '${topic}', which the app does not declare`);
    const { stream, codec } = found;
    const timestampMs = eventTimeMsOf(stream, event);
    return {
      atMs: arrivesAtMs ?? timestampMs,
      record: {
        topic,
        key: Buffer.from(keyOf(stream, event)),
        value: codec.encode(event),
        timestampMs,
        headers: cloudEventHeaders(id ?? String(index), '/scenario', stream.name, timestampMs),
      },
    };
  });
  return arrivals.sort((a, b) => a.atMs - b.atMs);
}

/** Lets tasks process until nothing is left; with `commit`, outputs reach other tasks in the same instant. */
function settle(runners: readonly TaskRunner[], nowMs: number, commit: boolean): void {
  for (let fed = 1; fed > 0;) {
    fed = 0;
    for (const runner of runners) {
      fed += runner.pump(Infinity, nowMs);
      if (commit) runner.commit(nowMs);
      if (runner.error !== undefined) throw runner.error as Error;
    }
  }
}

function inMemory(
  app: App,
  log: MemoryLog,
  writers: WriterSchemas,
  journals: ReadonlyMap<string, readonly JournalEntry[]>,
  parameters: Readonly<Record<string, Parameters>>,
): Recording {
  const records = (topic: string, partition: number): readonly LogRecord[] =>
    log.read(topic, partition, 0, Infinity);
  return {
    name: 'scenario',
    manifest: {
      parameters,
      topics: log.topics.flatMap((topic) =>
        Array.from({ length: log.partitionCount(topic) }, (_, partition) => ({ topic, partition })),
      ),
      tasks: app.processors.flatMap((p) =>
        Array.from({ length: taskCount(p) }, (_, partition) => ({
          processor: p.name,
          partition,
          inputs: inputTopics(p),
        })),
      ),
    },
    writers,
    task: (processor, partition) =>
      Promise.resolve({
        processor,
        partition,
        state: [],
        journal: journals.get(`${processor}/${partition}`) ?? [],
      }),
    records: (topic, partition) => Promise.resolve(records(topic, partition)),
  };
}

/** The same app with another number of partitions for every stream: what it decides for each key should not change. */
export function withPartitions(app: App, partitions: number): App {
  const streams = new Map(app.streams.map((stream) => [stream.topic, { ...stream, partitions }]));
  const swap = (stream: Stream<unknown>): Stream<unknown> => streams.get(stream.topic) ?? stream;
  return {
    ...app,
    streams: [...streams.values()],
    processors: app.processors.map((processor) => ({
      ...processor,
      inputs: mapValues(processor.inputs, (i) => ('input' in i ? { ...i, input: swap(i.input) } : swap(i))),
      tables: mapValues(processor.tables, (i) => ('input' in i ? { ...i, input: swap(i.input) } : swap(i))),
      outputs: mapValues(processor.outputs, (o) => ('urgent' in o ? { urgent: swap(o.urgent) } : swap(o))),
    })),
  };
}

function mapValues<V>(record: Readonly<Record<string, V>>, change: (value: V) => V): Record<string, V> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}
