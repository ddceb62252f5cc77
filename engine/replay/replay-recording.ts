/**
 * Replays a recording through an app: every task, in the journalled order, optionally with other parameters.
 *
 * I1  With the parameters as recorded, each task's outputs are byte for byte the recorded ones.
 * I2  With other parameters ("what if"), a task whose inputs are outputs of a changed task takes those outputs instead of
 *     the recorded ones (substitute.ts). What lies outside the log stays as it was recorded: an actuator's answers do not
 *     change with the commands.
 */
import { EngineError } from '../engine-error.ts';
import type { LogRecord } from '../log/log.ts';
import { deadLetters } from '../records/generated.ts';
import { headerText } from '../task/cloud-events.ts';
import type { ChangelogEntry, OutputRecord } from '../task/task-io.ts';
import { inputTopics, streamOfInput, streamOfOutput, taskCount, type App } from '../topology/app.ts';
import type { Parameters, Processor } from '../topology/processor.ts';
import { contentOf, firstDifference } from './compare-outputs.ts';
import { recordedWindow } from './recorded-window.ts';
import type { Recording, TaskRecording } from './recording-reader.ts';
import { journalledSteps, replayTask } from './replay-task.ts';
import { substituteOutputs, withSubstitutes, type Substitutes } from './substitute.ts';

export interface ReplayOptions {
  readonly app: App;
  /** By processor: parameters other than those recorded. */
  readonly parameters?: Readonly<Record<string, Parameters>>;
  /** For each task: how many steps each batch has. */
  readonly batchSize?: (task: string) => () => number;
  /** For each task, given its number of steps: before which steps it crashes. */
  readonly crashBefore?: (task: string, steps: number) => ReadonlySet<number>;
  readonly onTask?: (task: ReplayedTask) => void;
}

export interface ReplayedTask {
  /** `<processor>-<partition>` */
  readonly task: string;
  readonly processor: string;
  readonly partition: number;
  readonly steps: number;
  readonly crashes: number;
  readonly outputs: readonly OutputRecord[];
  /** What the recording holds of this task's outputs in its window, per topic and partition in order. */
  readonly recorded: readonly OutputRecord[];
  /** The task's state after the window, as changelog entries in the order of their keys. */
  readonly finalState: readonly ChangelogEntry[];
  /** Where the outputs differ from the recorded ones; undefined when they are the same to the byte. */
  readonly difference: string | undefined;
}

/** Replays every task of the app that the recording has; a processor it does not have is an error that names it. */
export async function replayRecording(
  recording: Recording,
  options: ReplayOptions,
): Promise<readonly ReplayedTask[]> {
  const { app } = options;
  refuseOtherTasks(recording, app);
  const substituted = new Map() as Substitutes;
  const replayed: ReplayedTask[] = [];
  for (const processor of upstreamFirst(app.processors)) {
    const tasks: ReplayedTask[] = [];
    for (let partition = 0; partition < taskCount(processor); partition += 1) {
      const task = await replayOne(recording, processor, partition, substituted, options);
      options.onTask?.(task);
      tasks.push(task);
    }
    replayed.push(...tasks);
    if (tasks.some((task) => task.difference !== undefined))
      await substituteOutputs(
        recording,
        processor,
        tasks.flatMap((task) => task.outputs),
        await ownOutputs(recording, processor),
        substituted,
      );
  }
  return replayed;
}

/** The recording and the app must have the same tasks with the same inputs: else a replay would leave out what it cannot compare. */
function refuseOtherTasks({ name, manifest }: Recording, app: App): void {
  const recordedTasks = new Map(
    manifest.tasks.map((task) => [`${task.processor}-${task.partition}`, task.inputs]),
  );
  for (const processor of app.processors) {
    const inputs = inputTopics(processor).join(', ');
    for (let partition = 0; partition < taskCount(processor); partition += 1) {
      const task = `${processor.name}-${partition}`;
      const recorded = recordedTasks.get(task);
      recordedTasks.delete(task);
      if (recorded === undefined)
        throw new EngineError('recording', `the recording ${name} has no task ${task}`);
      if (recorded.join(', ') !== inputs) {
        throw new EngineError(
          'recording',
          `the recording ${name} has task ${task} with the inputs ${recorded.join(', ')}; the app has it with ${inputs}, so its journal cannot be followed`,
        );
      }
    }
  }
  const [left] = recordedTasks.keys();
  if (left !== undefined) {
    throw new EngineError(
      'recording',
      `the recording ${name} has task ${left}, which the app does not have: replay it with the Weir that recorded it`,
    );
  }
}

async function replayOne(
  recording: Recording,
  processor: Processor,
  partition: number,
  substituted: Substitutes,
  options: ReplayOptions,
): Promise<ReplayedTask> {
  const name = `${processor.name}-${partition}`;
  const recordedTask = await recording.task(processor.name, partition);
  const streams = [...Object.values(processor.inputs), ...Object.values(processor.tables)].map(streamOfInput);
  const byInput: Map<number, readonly LogRecord[]>[] = [];
  for (const [input, stream] of streams.entries()) {
    const partitions = new Map<number, readonly LogRecord[]>();
    const table = input >= Object.keys(processor.inputs).length;
    for (const p of table ? Array.from({ length: stream.partitions }, (_, i) => i) : [partition]) {
      partitions.set(p, await recording.records(stream.topic, p));
    }
    byInput.push(partitions);
  }
  const journalled = journalledSteps(
    recordedTask.journal,
    (input, p) => byInput[input]?.get(p) ?? [],
    `task ${name}`,
  );
  const steps = withSubstitutes(
    journalled,
    streams.map((stream) => stream.topic),
    byInput.flatMap((partitions, input) => [...partitions.keys()].map((p) => ({ input, partition: p }))),
    substituted,
  );
  const { outputs, finalState, crashes } = replayTask({
    processor,
    partition,
    writers: recording.writers,
    parameters: { ...recording.manifest.parameters[processor.name], ...options.parameters?.[processor.name] },
    state: recordedTask.state,
    steps,
    ...(options.batchSize === undefined ? {} : { batchSize: options.batchSize(name) }),
    ...(options.crashBefore === undefined ? {} : { crashBefore: options.crashBefore(name, steps.length) }),
  });
  const recorded = await recordedOutputs(recording, processor, recordedTask);
  return {
    task: name,
    processor: processor.name,
    partition,
    steps: steps.length,
    crashes,
    outputs,
    recorded,
    finalState,
    difference: firstDifference(recorded, outputs),
  };
}

/** Tells a processor's recorded outputs, of its tasks' windows, from other records of the same topics. */
async function ownOutputs(
  recording: Recording,
  processor: Processor,
): Promise<(record: Pick<LogRecord, 'headers'>) => boolean> {
  const windows = new Map<string, (id: string) => boolean>();
  for (let partition = 0; partition < taskCount(processor); partition += 1) {
    const task = await recording.task(processor.name, partition);
    windows.set(sourceOf(processor, partition), recordedWindow(task, inputTopics(processor)));
  }
  return ({ headers }) =>
    windows.get(headerText(headers, 'ce_source') ?? '')?.(headerText(headers, 'ce_id') ?? '') ?? false;
}

const sourceOf = ({ name }: Processor, partition: number): string => `/weir/${name}/${partition}`;

/** What the recording's topics hold of one task's outputs: told apart by `ce_source`, and by `ce_id` from those outside its window. */
async function recordedOutputs(
  recording: Recording,
  processor: Processor,
  task: TaskRecording,
): Promise<readonly OutputRecord[]> {
  const source = sourceOf(processor, task.partition);
  const isInWindow = recordedWindow(task, inputTopics(processor));
  const written = new Set(
    [...Object.values(processor.outputs).map(streamOfOutput), deadLetters].map((stream) => stream.topic),
  );
  const outputs: OutputRecord[] = [];
  for (const { topic, partition: p } of recording.manifest.topics) {
    if (!written.has(topic)) continue;
    for (const record of await recording.records(topic, p)) {
      if (headerText(record.headers, 'ce_source') !== source) continue;
      if (!isInWindow(headerText(record.headers, 'ce_id') ?? '')) continue;
      outputs.push({ topic, ...record, key: record.key ?? Buffer.alloc(0) });
    }
  }
  return outputs;
}

/** Processors ordered so that one comes after those whose outputs it reads; within a cycle, in the app's order. */
function upstreamFirst(processors: readonly Processor[]): readonly Processor[] {
  const ordered: Processor[] = [];
  const visiting = new Set<Processor>();
  const visit = (processor: Processor): void => {
    if (ordered.includes(processor) || visiting.has(processor)) return;
    visiting.add(processor);
    const read = new Set(
      [...Object.values(processor.inputs), ...Object.values(processor.tables)].map(
        (i) => streamOfInput(i).topic,
      ),
    );
    for (const other of processors) {
      if (Object.values(other.outputs).some((output) => read.has(streamOfOutput(output).topic))) visit(other);
    }
    ordered.push(processor);
  };
  processors.forEach(visit);
  return ordered;
}

/** Throws unless every task gave exactly the recorded outputs; the message names the first difference of each. */
export function expectIdentical(replayed: readonly ReplayedTask[]): void {
  const differing = replayed.filter((task) => task.difference !== undefined);
  if (differing.length === 0) return;
  const list = differing.map((task) => `  ${task.task}: ${task.difference ?? ''}`).join('\n');
  throw new EngineError('recording', `the replay differs from the recording:\n${list}`);
}

/**
 * Outputs only in one of two runs: what another parameter would have changed. Compared by content: topic, key, time and
 * value. Ids name positions and are left out.
 */
export function outputChanges(
  before: readonly OutputRecord[],
  after: readonly OutputRecord[],
): { readonly removed: readonly OutputRecord[]; readonly added: readonly OutputRecord[] } {
  return { removed: onlyInFirst(before, after), added: onlyInFirst(after, before) };
}

/** Multiset difference, in the order of the first. Of equal outputs the first ones count as being in both. */
function onlyInFirst(
  first: readonly OutputRecord[],
  second: readonly OutputRecord[],
): readonly OutputRecord[] {
  const counts = new Map<string, number>();
  for (const output of second) {
    const content = contentOf(output);
    counts.set(content, (counts.get(content) ?? 0) + 1);
  }
  return first.filter((output) => {
    const content = contentOf(output);
    const count = counts.get(content) ?? 0;
    if (count > 0) counts.set(content, count - 1);
    return count === 0;
  });
}
