/**
 * Replays a list of events through one processor in virtual time: the driver of golden replays and of scenario tests.
 *
 * Events arrive in the order of their arrival times, are put on their partitions by their keys, and wall time passes in
 * ticks in between, so timers on either clock fire as they would have.
 *
 * I1  The outputs of a key depend on that key's events and on time alone. Grouped by topic and key, they are the same for
 *     every number of partitions, but for what names a position.
 * I2  Batch boundaries and crash points change nothing (replay-task.ts).
 */
import { eventCodec, type EventCodec } from '../codec/event-codec.ts';
import { WriterSchemas } from '../codec/writer-schemas.ts';
import { EngineError } from '../engine-error.ts';
import type { LogRecord } from '../log/log.ts';
import { partitionOf } from '../log/murmur2.ts';
import { deadLetters } from '../records/generated.ts';
import type { TaskInput } from '../task/task-io.ts';
import { streamOfInput, streamOfOutput, taskCount } from '../topology/app.ts';
import type { Parameters, Processor } from '../topology/processor.ts';
import { eventTimeMsOf, keyOf, type Stream } from '../topology/stream.ts';
import { replayTask } from './replay-task.ts';

/** An event on its way to a processor. One line of a fixture. */
export interface TopicEvent {
  readonly topic: string;
  readonly event: object;
  /** When it arrives, milliseconds; by default at its own event time. Events that arrive together keep the list's order. */
  readonly arrivalMs?: number;
}

export interface EventReplayOptions {
  readonly processor: Processor;
  readonly events: readonly TopicEvent[];
  readonly parameters?: Parameters;
  /** By default as the streams have it. */
  readonly partitions?: number;
  /** Time between ticks of the wall clock. Default 100. */
  readonly tickMs?: number;
  /** How long time goes on after the last arrival. Default 0. */
  readonly settleMs?: number;
  readonly batchSize?: () => number;
  /** By the number of a task's steps: before which of them it crashes. */
  readonly crashBefore?: (steps: number) => ReadonlySet<number>;
}

/** What a processor emitted, dead letters included. */
export interface EmittedEvent {
  readonly topic: string;
  readonly key: string;
  readonly value: unknown;
}

/** Replays the events. The outputs come in the order of topic, then key, then emission. */
export function replayEvents(options: EventReplayOptions): readonly EmittedEvent[] {
  const { processor, events } = options;
  const writers = new WriterSchemas();
  const partitions = options.partitions ?? taskCount(processor);
  const arrivals = arrivalsOf(processor, events, partitions, writers);
  const emitted: EmittedEvent[] = [];
  for (let partition = 0; partition < partitions; partition += 1) {
    const steps = stepsOf(arrivals, partition, options);
    const { outputs } = replayTask({
      processor,
      partition,
      writers,
      state: [],
      steps,
      ...(options.parameters === undefined ? {} : { parameters: options.parameters }),
      ...(options.batchSize === undefined ? {} : { batchSize: options.batchSize }),
      ...(options.crashBefore === undefined ? {} : { crashBefore: options.crashBefore(steps.length) }),
    });
    const codecs = codecsOf(processor, writers);
    for (const { topic, key, value } of outputs) {
      emitted.push({
        topic,
        key: key.toString('utf8'),
        value: value === null ? null : codecs.get(topic)!.decode(value),
      });
    }
  }
  return emitted
    .map((event, order) => ({ event, order }))
    .sort(
      (a, b) =>
        compareText(a.event.topic, b.event.topic) ||
        compareText(a.event.key, b.event.key) ||
        a.order - b.order,
    )
    .map(({ event }) => event);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

interface Arrival {
  readonly arrivalMs: number;
  readonly step: TaskInput & { readonly kind: 'record' };
}

/** The events as records on their partitions, in order of arrival. */
function arrivalsOf(
  processor: Processor,
  events: readonly TopicEvent[],
  partitions: number,
  writers: WriterSchemas,
): readonly Arrival[] {
  const inputs = Object.values(processor.inputs).map(streamOfInput);
  const codecs = inputs.map((stream) => eventCodec(stream, writers));
  const offsets = new Map<string, number>();
  return events
    .map(({ topic, event, arrivalMs }, line) => {
      const input = inputs.findIndex((stream) => stream.topic === topic);
      const stream = inputs[input];
      if (stream === undefined) {
        throw new EngineError(
          'unknown-topic',
          `event ${line + 1}: '${topic}' is no input of '${processor.name}'`,
        );
      }
      return { input, stream, event, arrivalMs: arrivalMs ?? eventTimeMsOf(stream, event) };
    })
    .sort((a, b) => a.arrivalMs - b.arrivalMs)
    .map(({ input, stream, event, arrivalMs }) => {
      const key = Buffer.from(keyOf(stream, event));
      const partition = partitionOf(key, partitions);
      const offset = offsets.get(`${input}/${partition}`) ?? 0;
      offsets.set(`${input}/${partition}`, offset + 1);
      const value = codecs[input]!.encode(event);
      const record: LogRecord = {
        offset,
        key,
        value,
        timestampMs: eventTimeMsOf(stream, event),
        headers: {},
      };
      return { arrivalMs, step: { kind: 'record', input, partition, record } };
    });
}

/** A task's steps: its records, with ticks at even times in between and one before each arrival. */
function stepsOf(
  arrivals: readonly Arrival[],
  partition: number,
  options: EventReplayOptions,
): readonly TaskInput[] {
  const { tickMs = 100, settleMs = 0 } = options;
  const first = arrivals[0];
  const last = arrivals.at(-1);
  if (first === undefined || last === undefined) return [];
  const steps: TaskInput[] = [];
  const tick = (wallMs: number): void => {
    steps.push({ kind: 'tick', wallMs, caughtUp: () => true });
  };
  let nextTickMs = first.arrivalMs;
  const passTo = (timeMs: number): void => {
    for (; nextTickMs <= timeMs; nextTickMs += tickMs) tick(nextTickMs);
  };
  for (const { arrivalMs, step } of arrivals) {
    passTo(arrivalMs);
    if (step.partition === partition) steps.push(step);
  }
  passTo(last.arrivalMs + settleMs);
  return steps;
}

function codecsOf(processor: Processor, writers: WriterSchemas): ReadonlyMap<string, EventCodec<unknown>> {
  const streams: Stream<unknown>[] = [...Object.values(processor.outputs).map(streamOfOutput), deadLetters];
  return new Map(streams.map((stream) => [stream.topic, eventCodec(stream, writers)]));
}
