/**
 * Apps: the streams and processors that run together, validated as a whole before anything starts.
 *
 * I1  An app that validates can be placed: every input exists, names are unique, inputs that share a task line up.
 * I2  Validation reports every problem at once, each naming the processor and stream.
 */
import { EngineError } from '../engine-error.ts';
import type { AnyInput, AnyOutput, Input, InputOptions, Processor, Urgent } from './processor.ts';
import type { Stream } from './stream.ts';

export interface App {
  /** Names the consumer groups and transactional ids. */
  readonly name: string;
  /** Every stream that the processors read or write, and those that only the sink reads. */
  readonly streams: readonly Stream<unknown>[];
  readonly processors: readonly Processor[];
}

export interface Problem {
  readonly code:
    | 'duplicate-stream'
    | 'duplicate-processor'
    | 'bad-name'
    | 'no-input'
    | 'unknown-stream'
    | 'missing-key'
    | 'missing-time'
    | 'not-co-partitioned'
    | 'missing-handler'
    | 'table-kind'
    | 'late-output'
    | 'bad-partitions';
  readonly message: string;
}

export function streamOfInput(input: AnyInput): Stream<unknown> {
  return isInput(input) ? input.input : input;
}

export function optionsOfInput(input: AnyInput): InputOptions {
  return isInput(input) ? input.options : {};
}

export function streamOfOutput(output: AnyOutput): Stream<unknown> {
  return isUrgent(output) ? output.urgent : output;
}

export function isUrgent(output: AnyOutput): output is Urgent<unknown> {
  return 'urgent' in output;
}

function isInput(input: AnyInput): input is Input<unknown> {
  return 'input' in input;
}

/** Topics of a processor's inputs and then its tables: input `i` of its journal is the i-th of them. */
export function inputTopics(processor: Processor): readonly string[] {
  return [...Object.values(processor.inputs), ...Object.values(processor.tables)].map(
    (input) => streamOfInput(input).topic,
  );
}

/** How many tasks a processor has: the number of partitions of its inputs. */
export function taskCount(processor: Processor): number {
  const first = Object.values(processor.inputs)[0];
  return first === undefined ? 0 : streamOfInput(first).partitions;
}

/** Returns the app if it is valid; throws one `invalid-topology` error that lists every problem otherwise. */
export function validApp(app: App): App {
  const problems = validateApp(app);
  if (problems.length === 0) return app;
  const list = problems.map((problem) => `  - ${problem.message} [${problem.code}]`).join('\n');
  throw new EngineError('invalid-topology', `app '${app.name}' cannot start:\n${list}`);
}

/** All that is wrong with an app; empty when it can run. */
export function validateApp(app: App): readonly Problem[] {
  return [
    ...streamProblems(app),
    ...duplicateProcessors(app),
    ...app.processors.flatMap((p) => processorProblems(app, p)),
  ];
}

function streamProblems(app: App): Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const stream of app.streams) {
    if (seen.has(stream.topic)) {
      problems.push({ code: 'duplicate-stream', message: `stream '${stream.topic}' is declared twice` });
    }
    seen.add(stream.topic);
    if (!Number.isInteger(stream.partitions) || stream.partitions < 1) {
      problems.push({
        code: 'bad-partitions',
        message: `stream '${stream.topic}' has ${stream.partitions} partitions; it needs 1 or more`,
      });
    }
    const fields = fieldNames(stream);
    if (!fields.has(stream.key.field)) {
      problems.push({
        code: 'missing-key',
        message: `stream '${stream.topic}' has no key: ${stream.name} has no field '${stream.key.field}'`,
      });
    }
    if (!fields.has(stream.time.field)) {
      problems.push({
        code: 'missing-time',
        message: `stream '${stream.topic}' has no event time: ${stream.name} has no field '${stream.time.field}'`,
      });
    }
  }
  return problems;
}

function fieldNames(stream: Stream<unknown>): Set<string> {
  const fields = stream.schema['fields'];
  if (!Array.isArray(fields)) return new Set();
  return new Set(fields.map((field: { name?: unknown }) => String(field.name)));
}

function duplicateProcessors(app: App): Problem[] {
  const names = app.processors.map((p) => p.name);
  return [...new Set(names.filter((name, i) => names.indexOf(name) !== i))].map((name) => ({
    code: 'duplicate-processor',
    message: `two processors are named '${name}'; a name must be unique, for it names the changelog and the metrics`,
  }));
}

function processorProblems(app: App, processor: Processor): Problem[] {
  const problems: Problem[] = [];
  const add = (code: Problem['code'], message: string): void => {
    problems.push({ code, message: `processor '${processor.name}': ${message}` });
  };
  if (!/^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)+$/.test(processor.name)) {
    add('bad-name', `a name is <subsystem>.<what-it-does> in lower case with dashes`);
  }
  const known = new Map(app.streams.map((stream) => [stream.topic, stream]));
  const checkStream = (kind: string, name: string, stream: Stream<unknown>): void => {
    const declared = known.get(stream.topic);
    if (declared === undefined)
      add('unknown-stream', `${kind} '${name}' is stream '${stream.topic}', which the app does not declare`);
    else if (declared.partitions !== stream.partitions)
      add(
        'bad-partitions',
        `${kind} '${name}' takes stream '${stream.topic}' to have ${stream.partitions} partitions; the app declares it with ${declared.partitions}`,
      );
  };
  const inputs = Object.entries(processor.inputs);
  if (inputs.length === 0) add('no-input', 'it has no input');
  for (const [name, declared] of inputs) {
    checkStream('input', name, streamOfInput(declared));
    if (typeof processor.on[name] !== 'function')
      add('missing-handler', `input '${name}' has no handler in 'on'`);
  }
  for (const name of Object.keys(processor.on)) {
    if (!(name in processor.inputs))
      add('missing-handler', `'on.${name}' handles an input that it does not have`);
  }
  for (const [name, declared] of Object.entries(processor.outputs))
    checkStream('output', name, streamOfOutput(declared));
  for (const [name, declared] of Object.entries(processor.tables)) {
    checkStream('table', name, streamOfInput(declared));
    if (streamOfInput(declared).kind !== 'table')
      add(
        'table-kind',
        `table '${name}' is stream '${streamOfInput(declared).topic}', which is not compacted (kind 'table')`,
      );
  }
  if (typeof processor.late === 'object' && !(processor.late.to in processor.outputs)) {
    add('late-output', `late records go to '${processor.late.to}', which is not among its outputs`);
  }
  readTwice([...inputs, ...Object.entries(processor.tables)], add);
  coPartitioning(inputs, add);
  return problems;
}

/** One position for each topic and partition is what a task commits: it cannot read a topic twice. */
function readTwice(
  read: readonly (readonly [string, AnyInput])[],
  add: (code: Problem['code'], message: string) => void,
): void {
  const byTopic = new Map<string, string>();
  for (const [name, declared] of read) {
    const { topic } = streamOfInput(declared);
    const other = byTopic.get(topic);
    if (other !== undefined)
      add(
        'duplicate-stream',
        `'${other}' and '${name}' are both stream '${topic}'; a task reads a topic once`,
      );
    byTopic.set(topic, name);
  }
}

function coPartitioning(
  inputs: [string, AnyInput][],
  add: (code: Problem['code'], message: string) => void,
): void {
  const first = inputs[0];
  if (first === undefined) return;
  const [firstName, firstInput] = first;
  const a = streamOfInput(firstInput);
  for (const [name, declared] of inputs.slice(1)) {
    const b = streamOfInput(declared);
    if (a.partitions !== b.partitions) {
      add(
        'not-co-partitioned',
        `inputs are not co-partitioned: '${firstName}' (${a.topic}) has ${a.partitions} partitions, '${name}' (${b.topic}) has ${b.partitions}`,
      );
    }
    if (a.key.entity !== b.key.entity) {
      add(
        'not-co-partitioned',
        `inputs are not co-partitioned: '${firstName}' (${a.topic}) is keyed by ${a.key.entity}, '${name}' (${b.topic}) by ${b.key.entity}`,
      );
    }
  }
}
