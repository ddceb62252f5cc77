/**
 * Processors: data plus pure functions.
 *
 * I1  Handlers are synchronous and deterministic: what they return follows from (state, event, at) alone. The replay
 *     driver makes ambient clocks and randomness throw.
 * I2  Handlers never change the state or the event that they are given; they return a new state. The engine relies on it:
 *     an event may be in several states, and a state is encoded when it is committed; the replay driver freezes both.
 * I3  `at` is one object reused by the engine between calls: take values from it, never keep it.
 */
import type { EventOf, RecordSchema, Stream } from './stream.ts';

/** A value that a processor's threshold or switch may have; set with `--set <processor>.<name>=<value>` in a replay. */
export type Parameter = number | string | boolean;
export type Parameters = Readonly<Record<string, Parameter>>;

/** How the engine treats one input. All have defaults; see `input`. */
export interface InputOptions {
  /** How much later than the largest event time seen an event may come before it is late. Default 0. */
  readonly allowedLatenessMs?: number;
  /** A partition silent for this much wall time, with nothing left to read, no longer holds back the watermark. Default 5,000. */
  readonly idleAfterMs?: number;
  /** Event times further ahead of the wall clock than this are refused (dead letter): one bad clock must not make all others late. Default 300,000. */
  readonly maxAheadMs?: number;
  /** Remembers the last so many (ce_source, ce_id) of each key and drops repetitions. Default 0: off. */
  readonly deduplicateLast?: number;
}

/** A stream as the input of a processor, with options. */
export interface Input<T> {
  readonly input: Stream<T>;
  readonly options: InputOptions;
}

/** Declares an input with options other than the defaults. */
export function input<T>(stream: Stream<T>, options: InputOptions): Input<T> {
  return { input: stream, options };
}

/** A stream as an output that is committed at once instead of at the commit interval. */
export interface Urgent<T> {
  readonly urgent: Stream<T>;
}

/** Declares an output whose records must reach their readers at once (commands): emitting one commits the transaction. */
export function urgent<T>(stream: Stream<T>): Urgent<T> {
  return { urgent: stream };
}

export type AnyInput = Stream<unknown> | Input<unknown>;
export type AnyOutput = Stream<unknown> | Urgent<unknown>;
export type InputEvent<I> = I extends Input<infer T> ? T : EventOf<I>;
export type OutputEvent<O> = O extends Urgent<infer T> ? T : EventOf<O>;

/** Read access to a broadcast table: the newest value of each key as of this point of the task's order. */
export interface TableView<T> {
  get(key: string): T | undefined;
  readonly size: number;
  /** Entries in the order of their keys (UTF-16 code units). */
  entries(): Iterable<readonly [string, T]>;
}

/** Where and when a handler runs. */
export interface At<Tables, P> {
  /** The key that the state belongs to. */
  readonly key: string;
  /** Event time of the record, or the time that a timer was set for. */
  readonly eventTimeMs: number;
  /** The task's watermark after this input was taken into account; -Infinity before the first record. */
  readonly watermarkMs: number;
  /** Wall time as of the last tick of the task, journalled; not this instant's. */
  readonly wallMs: number;
  /** True for a record behind the watermark that reached the handler because of `late: 'handle'`. */
  readonly late: boolean;
  /** Position of the record; for a timer, topic is '' and partition is the task's, offset -1. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Deterministic and unique for this call: `<topic>/<partition>/<offset>`, or `<processor>/<partition>/<key>/<timer>@<time>/<record or tick that let it fire>`. */
  readonly cause: string;
  readonly parameters: P;
  readonly tables: { readonly [K in keyof Tables]: TableView<InputEvent<Tables[K]>> };
}

/** One output record. The key defaults to the stream's key field. `value: null` on a table stream deletes `key`. */
export type Emission<Outputs> = {
  readonly [K in keyof Outputs]:
    | { readonly to: K; readonly value: OutputEvent<Outputs[K]> }
    | { readonly to: K; readonly value: null; readonly key: string };
}[keyof Outputs];

/** Sets a timer of this key (replacing one of the same name), or clears it. */
export type TimerChange<Timers> =
  { readonly set: keyof Timers & string; readonly atMs: number } | { readonly clear: keyof Timers & string };

/** What a handler wants done. Leaving a part out changes nothing there. */
export interface Result<S, Outputs, Timers> {
  /** The key's new state; null forgets the key (its timers stay). */
  readonly state?: S | null;
  readonly emit?: readonly Emission<Outputs>[];
  readonly timers?: readonly TimerChange<Timers>[];
  /** Sends the record to the dead letters with this reason; nothing else of the result may be given. */
  readonly reject?: string;
}

/** What to do with a record behind the watermark: process it as usual, count and drop it, or send a note of it to an output. */
export type Late<Inputs, Outputs> =
  | 'handle'
  | 'drop'
  | {
      readonly to: keyof Outputs & string;
      readonly as: (
        event: InputEvent<Inputs[keyof Inputs]>,
        at: {
          readonly input: keyof Inputs & string;
          readonly eventTimeMs: number;
          readonly watermarkMs: number;
          readonly cause: string;
        },
      ) => OutputEvent<Outputs[keyof Outputs]>;
    };

export type TimerHandler<S, Outputs, Tables, P, Timers> = (
  state: S,
  at: At<Tables, P>,
) => Result<S, Outputs, Timers> | undefined;

export interface StateDefinition<S> {
  readonly schema: RecordSchema<S>;
  /** Raised by one with each change of the schema; older states are resolved to it by Avro's rules on restore. */
  readonly version: number;
  readonly initial: (key: string) => S;
}

type NoTables = Readonly<Record<never, never>>;

/** A processor's definition; see the file header for what its functions may do. */
export interface ProcessorDefinition<Inputs, Outputs, S, Tables, P, Timers extends Record<string, unknown>> {
  /** `<subsystem>.<what-it-does>`; stable, for it names the changelog, the journal and the metrics. */
  readonly name: string;
  /** Co-partitioned streams: same entity as key, same number of partitions. */
  readonly inputs: Inputs;
  readonly outputs: Outputs;
  /** Broadcast tables: compacted streams that every task reads whole. */
  readonly tables?: Tables;
  readonly state: StateDefinition<S>;
  readonly parameters?: P;
  readonly on: {
    readonly [K in keyof Inputs]: (
      state: S,
      event: InputEvent<Inputs[K]>,
      at: At<Tables, P>,
    ) => Result<S, Outputs, Timers> | undefined;
  };
  /** Timers by name: on event time, fired by the watermark; or on wall time, fired by ticks. */
  readonly timers?: {
    readonly [K in keyof Timers]:
      | {
          readonly clock: 'event';
          readonly fire: TimerHandler<S, Outputs, Tables, P, Record<string, unknown>>;
        }
      | {
          readonly clock: 'wall';
          readonly fire: TimerHandler<S, Outputs, Tables, P, Record<string, unknown>>;
        };
  };
  readonly late: Late<Inputs, Outputs>;
}

/** A processor with its types erased, as the engine runs it. Values of its functions are checked by the Avro encoders. */
export interface Processor {
  readonly name: string;
  readonly inputs: Readonly<Record<string, AnyInput>>;
  readonly outputs: Readonly<Record<string, AnyOutput>>;
  readonly tables: Readonly<Record<string, AnyInput>>;
  readonly state: StateDefinition<unknown>;
  readonly parameters: Parameters;
  readonly on: Readonly<Record<string, ErasedHandler>>;
  readonly timers: Readonly<
    Record<string, { readonly clock: 'event' | 'wall'; readonly fire: ErasedTimerHandler }>
  >;
  readonly late: ErasedLate;
}

export type ErasedResult = Result<unknown, Record<string, AnyOutput>, Record<string, unknown>>;
export type ErasedAt = At<Record<string, AnyInput>, Parameters>;
export type ErasedHandler = (state: unknown, event: unknown, at: ErasedAt) => ErasedResult | undefined;
export type ErasedTimerHandler = (state: unknown, at: ErasedAt) => ErasedResult | undefined;
export type ErasedLate =
  | 'handle'
  | 'drop'
  | {
      readonly to: string;
      readonly as: (
        event: unknown,
        at: {
          readonly input: string;
          readonly eventTimeMs: number;
          readonly watermarkMs: number;
          readonly cause: string;
        },
      ) => unknown;
    };

/**
 * Declares a processor. Types of states, events, outputs and timers are inferred and checked; nothing runs here.
 * Validation of the whole happens in `validateApp`.
 */
export function processor<
  Inputs extends Readonly<Record<string, AnyInput>>,
  Outputs extends Readonly<Record<string, AnyOutput>>,
  S,
  Tables extends Readonly<Record<string, AnyInput>> = NoTables,
  P extends Parameters = Readonly<Record<never, never>>,
  Timers extends Record<string, unknown> = Record<never, never>,
>(definition: ProcessorDefinition<Inputs, Outputs, S, Tables, P, Timers>): Processor {
  const { tables, parameters, timers, ...rest } = definition;
  return {
    ...rest,
    tables: tables ?? {},
    parameters: parameters ?? {},
    timers: timers ?? {},
  } as unknown as Processor;
}
