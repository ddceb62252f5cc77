/** A processor resolved for running: its inputs in order, its codecs, its options with their defaults. */
import { eventCodec, type EventCodec } from '../codec/event-codec.ts';
import type { WriterSchemas } from '../codec/writer-schemas.ts';
import { EngineError } from '../engine-error.ts';
import { isUrgent, optionsOfInput, streamOfInput, streamOfOutput } from '../topology/app.ts';
import type { ErasedHandler, Parameter, Parameters, Processor } from '../topology/processor.ts';
import type { Stream } from '../topology/stream.ts';

export interface InputPlan {
  readonly name: string;
  readonly stream: Stream<unknown>;
  readonly codec: EventCodec<unknown>;
  /** Undefined for a broadcast table. */
  readonly handler: ErasedHandler | undefined;
  readonly allowedLatenessMs: number;
  readonly idleAfterMs: number;
  readonly maxAheadMs: number;
  readonly deduplicateLast: number;
}

export interface OutputPlan {
  readonly name: string;
  readonly stream: Stream<unknown>;
  readonly codec: EventCodec<unknown>;
  readonly urgent: boolean;
}

export interface TaskPlan {
  readonly processor: Processor;
  /** The processor's inputs, then its tables, each in the order of declaration. */
  readonly inputs: readonly InputPlan[];
  readonly outputs: ReadonlyMap<string, OutputPlan>;
  readonly parameters: Parameters;
}

/** Resolves a processor. `overrides` replace parameters by name; unknown names and other types are refused. */
export function taskPlan(processor: Processor, writers: WriterSchemas, overrides: Parameters): TaskPlan {
  const plan = (tables: boolean): InputPlan[] =>
    Object.entries(tables ? processor.tables : processor.inputs).map(([name, declared]) => {
      const stream = streamOfInput(declared);
      const options = optionsOfInput(declared);
      return {
        name,
        stream,
        codec: eventCodec(stream, writers),
        handler: tables ? undefined : processor.on[name],
        allowedLatenessMs: options.allowedLatenessMs ?? 0,
        idleAfterMs: options.idleAfterMs ?? 5_000,
        maxAheadMs: options.maxAheadMs ?? 300_000,
        deduplicateLast: options.deduplicateLast ?? 0,
      };
    });
  const outputs = Object.entries(processor.outputs).map(([name, declared]) => {
    const stream = streamOfOutput(declared);
    return [name, { name, stream, codec: eventCodec(stream, writers), urgent: isUrgent(declared) }] as const;
  });
  return {
    processor,
    inputs: [...plan(false), ...plan(true)],
    outputs: new Map(outputs),
    parameters: overridden(processor, overrides),
  };
}

function overridden(processor: Processor, overrides: Parameters): Parameters {
  for (const [name, value] of Object.entries(overrides)) {
    const known: Parameter | undefined = processor.parameters[name];
    if (known === undefined) {
      const names = Object.keys(processor.parameters).join(', ') || 'none';
      throw new EngineError(
        'parameter',
        `processor '${processor.name}' has no parameter '${name}'; it has: ${names}`,
      );
    }
    if (typeof known !== typeof value) {
      throw new EngineError(
        'parameter',
        `parameter '${processor.name}.${name}' is a ${typeof known}, not the ${typeof value} ${value}`,
      );
    }
  }
  // Frozen always: one handler's change of a parameter would be seen by the others, and by no replay.
  return Object.freeze({ ...processor.parameters, ...overrides });
}
