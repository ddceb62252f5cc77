/**
 * Replays a recording through an app: every task, in the journalled order, optionally with other parameters.
 *
 * I1  With the parameters as recorded, each task's outputs are byte for byte the recorded ones.
 * I2  With other parameters ("what if"), a task whose inputs are outputs of a changed task takes those outputs instead of
 *     the recorded ones, put into its journalled order by time: before the first journalled record or tick that is later.
 *     What lies outside the log stays as it was recorded: an actuator's answers do not change with the commands.
 */
import { EngineError } from '../engine-error.ts';
import type { LogRecord } from '../log/log.ts';
import { partitionOf } from '../log/murmur2.ts';
import { deadLetters } from '../records/generated.ts';
import { headerText } from '../task/cloud-events.ts';
import type { OutputRecord, TaskInput } from '../task/task-io.ts';
import { streamOfInput, streamOfOutput, taskCount, type App } from '../topology/app.ts';
import type { Parameters, Processor } from '../topology/processor.ts';
import type { Stream } from '../topology/stream.ts';
import { firstDifference, sameOutput } from './compare-outputs.ts';
import type { Recording } from './recording-reader.ts';
import { journalledSteps, replayTask } from './replay-task.ts';

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
  /** What the recording holds of this task's outputs, per topic and partition in order. */
  readonly recorded: readonly OutputRecord[];
  /** Where the outputs differ from the recorded ones; undefined when they are the same to the byte. */
  readonly difference: string | undefined;
}

/** Replays every task of the app that the recording has; a processor it does not have is an error that names it. */
export async function replayRecording(
  recording: Recording,
  options: ReplayOptions,
): Promise<readonly ReplayedTask[]> {
  const { app } = options;
  const substituted = new Map<string, readonly LogRecord[]>();
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
      await substituteOutputs(recording, processor, tasks, substituted);
  }
  return replayed;
}

async function replayOne(
  recording: Recording,
  processor: Processor,
  partition: number,
  substituted: ReadonlyMap<string, readonly LogRecord[]>,
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
  const steps = withSubstitutes(journalled, streams, substituted, processor, partition);
  const { outputs, crashes } = replayTask({
    processor,
    partition,
    writers: recording.writers,
    parameters: { ...recording.manifest.parameters[processor.name], ...options.parameters?.[processor.name] },
    state: recordedTask.state,
    steps,
    ...(options.batchSize === undefined ? {} : { batchSize: options.batchSize(name) }),
    ...(options.crashBefore === undefined ? {} : { crashBefore: options.crashBefore(name, steps.length) }),
  });
  const recorded = await recordedOutputs(recording, processor, partition);
  return {
    task: name,
    processor: processor.name,
    partition,
    steps: steps.length,
    crashes,
    outputs,
    recorded,
    difference: firstDifference(recorded, outputs),
  };
}

/** What the recording's topics hold of one task's outputs: told apart by `ce_source`. */
async function recordedOutputs(
  recording: Recording,
  processor: Processor,
  partition: number,
): Promise<readonly OutputRecord[]> {
  const source = `/weir/${processor.name}/${partition}`;
  const topics = new Map(
    [...Object.values(processor.outputs).map(streamOfOutput), deadLetters].map((s) => [s.topic, s]),
  );
  const outputs: OutputRecord[] = [];
  for (const stream of topics.values()) {
    for (let p = 0; p < stream.partitions; p += 1) {
      for (const record of await recording.records(stream.topic, p)) {
        if (headerText(record.headers, 'ce_source') !== source) continue;
        outputs.push({ topic: stream.topic, ...record, key: record.key ?? Buffer.alloc(0) });
      }
    }
  }
  return outputs;
}

/** Replaces journalled records of substituted topics by the new ones, in the order of time. */
function withSubstitutes(
  journalled: readonly TaskInput[],
  streams: readonly Stream<unknown>[],
  substituted: ReadonlyMap<string, readonly LogRecord[]>,
  processor: Processor,
  partition: number,
): readonly TaskInput[] {
  const fresh: TaskInput[] = [];
  streams.forEach((stream, input) => {
    const table = input >= Object.keys(processor.inputs).length;
    for (let p = 0; p < stream.partitions; p += 1) {
      if (!table && p !== partition) continue;
      for (const record of substituted.get(`${stream.topic}/${p}`) ?? [])
        fresh.push({ kind: 'record', input, partition: p, record });
    }
  });
  const replaced = new Set(
    streams.flatMap((stream, input) => (substituted.has(`${stream.topic}/${partition}`) ? [input] : [])),
  );
  if (replaced.size === 0) return journalled;
  fresh.sort((a, b) => timeOf(a) - timeOf(b));
  const steps: TaskInput[] = [];
  let next = 0;
  for (const step of journalled) {
    if (step.kind === 'record' && replaced.has(step.input)) continue;
    for (; next < fresh.length && timeOf(fresh[next]!) <= timeOf(step); next += 1) steps.push(fresh[next]!);
    steps.push(step);
  }
  return [...steps, ...fresh.slice(next)];
}

function timeOf(step: TaskInput): number {
  return step.kind === 'tick' ? step.wallMs : step.record.timestampMs;
}

/** Puts a changed processor's outputs in place of its recorded ones, in every topic that it writes. */
async function substituteOutputs(
  recording: Recording,
  processor: Processor,
  tasks: readonly ReplayedTask[],
  substituted: Map<string, readonly LogRecord[]>,
): Promise<void> {
  const prefix = `/weir/${processor.name}/`;
  for (const stream of new Set(Object.values(processor.outputs).map(streamOfOutput))) {
    const fresh = tasks.flatMap((task) => task.outputs.filter((output) => output.topic === stream.topic));
    for (let p = 0; p < stream.partitions; p += 1) {
      const before = substituted.get(`${stream.topic}/${p}`) ?? (await recording.records(stream.topic, p));
      const others = before.filter(
        (record) => !(headerText(record.headers, 'ce_source') ?? '').startsWith(prefix),
      );
      const mine = fresh.filter((output) => partitionOf(output.key, stream.partitions) === p);
      const merged = [...others, ...mine].sort((a, b) => a.timestampMs - b.timestampMs);
      substituted.set(
        `${stream.topic}/${p}`,
        merged.map(({ key, value, timestampMs, headers }, offset) => ({
          offset,
          key,
          value,
          timestampMs,
          headers,
        })),
      );
    }
  }
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

/** Outputs only in one of two runs: what another parameter would have changed. Compared by content, not by position. */
export function outputChanges(
  before: readonly OutputRecord[],
  after: readonly OutputRecord[],
): { readonly removed: readonly OutputRecord[]; readonly added: readonly OutputRecord[] } {
  const rest = [...after];
  const removed: OutputRecord[] = [];
  for (const output of before) {
    const at = rest.findIndex((other) => sameOutput(output, other));
    if (at < 0) removed.push(output);
    else rest.splice(at, 1);
  }
  return { removed, added: rest };
}
