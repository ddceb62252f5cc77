/**
 * Where a window begins: for each task its state and the number of its next journal chunk, for each partition the offset from
 * which on the window needs it.
 *
 * Tasks go on meanwhile, and the brokers make the parts of a transaction visible one partition after the other. So the order of
 * the questions matters:
 *
 * I1  First the ends of outputs and journals are noted, then how far the changelog is *written*, then the changelog is read
 *     to an end that is not before that. What a transaction had made visible at the first step was written before the second,
 *     so it is in the state; no chunk after the state has its journal or an output before the noted ends.
 * I2  A changelog is read up to a last stable offset: no transaction lies across it, so the state is that of a commit.
 */
import { EngineError } from '../../engine-error.ts';
import { deadLetters } from '../../records/generated.ts';
import { decodeMeta, metaKey } from '../../task/state-codec.ts';
import type { ChangelogEntry } from '../../task/task-io.ts';
import { streamOfInput, streamOfOutput, taskCount, type App } from '../../topology/app.ts';
import type { Processor } from '../../topology/processor.ts';
import { changelogTopic, journalTopic } from '../names.ts';
import type { WindowClient } from './window-client.ts';

export interface Place {
  readonly topic: string;
  readonly partition: number;
}

export interface TaskStart {
  readonly processor: Processor;
  readonly partition: number;
  /** Empty for a task that has not committed yet. */
  readonly state: readonly ChangelogEntry[];
  /** Number of the first chunk of the window. */
  readonly seq: number;
  /** Offset in the journal from which on that chunk is found. */
  readonly journalFrom: number;
}

export interface WindowStart {
  readonly tasks: readonly TaskStart[];
  /** Offset from which on a partition is recorded, by `placeName`. */
  readonly from: ReadonlyMap<string, number>;
  readonly outputs: readonly Place[];
}

export const placeName = ({ topic, partition }: Place): string => `${topic}/${partition}`;

/** Every partition that the app's tasks write their outputs to. */
function outputPlaces(app: App): Place[] {
  const partitions = new Map([[deadLetters.topic, deadLetters.partitions]]);
  for (const { outputs } of app.processors)
    for (const output of Object.values(outputs)) {
      const stream = streamOfOutput(output);
      partitions.set(stream.topic, stream.partitions);
    }
  return [...partitions].flatMap(([topic, count]) => placesOf(topic, count));
}

function placesOf(topic: string, count: number): Place[] {
  return Array.from({ length: count }, (_, partition) => ({ topic, partition }));
}

/** What a task reads: the partition of its number of each input, and all of each table. */
export function inputPlaces(processor: Processor, partition: number): Place[] {
  const inputs = Object.values(processor.inputs).map((input) => ({
    topic: streamOfInput(input).topic,
    partition,
  }));
  const tables = Object.values(processor.tables).flatMap((table) => {
    const { topic, partitions } = streamOfInput(table);
    return placesOf(topic, partitions);
  });
  return [...inputs, ...tables];
}

/** @param beginning whether to record from empty states and the beginnings of all partitions on */
export async function findStart(client: WindowClient, app: App, beginning: boolean): Promise<WindowStart> {
  const kind = beginning ? 'start' : 'end';
  const from = new Map<string, number>();
  const outputs = outputPlaces(app);
  for (const place of outputs)
    from.set(placeName(place), await client.offset(place.topic, place.partition, kind));
  const all = app.processors.flatMap((processor) =>
    Array.from({ length: taskCount(processor) }, (_, partition) => ({ processor, partition })),
  );
  const journals: number[] = [];
  for (const { processor, partition } of all)
    journals.push(await client.offset(journalTopic(app.name, processor.name), partition, kind));
  const tasks: TaskStart[] = [];
  for (const [i, { processor, partition }] of all.entries()) {
    const state = beginning ? [] : await stateOf(client, changelogTopic(app.name, processor.name), partition);
    const meta = metaOf(state);
    const seq = meta?.journal_seq ?? 0;
    tasks.push({ processor, partition, state, seq, journalFrom: journals[i]! });
    for (const place of inputPlaces(processor, partition)) {
      const read = meta?.partitions.find((p) => p.topic === place.topic && p.partition === place.partition);
      await includeFrom(client, from, place, read?.next_offset ?? -1);
    }
  }
  return { tasks, from, outputs };
}

/** @param next offset that a task reads next; -1 when it has read nothing yet */
async function includeFrom(
  client: WindowClient,
  from: Map<string, number>,
  place: Place,
  next: number,
): Promise<void> {
  const first = await client.offset(place.topic, place.partition, 'start');
  const known = from.get(placeName(place)) ?? Infinity;
  from.set(placeName(place), Math.min(known, Math.max(next, first)));
}

function metaOf(state: readonly ChangelogEntry[]): ReturnType<typeof decodeMeta> | undefined {
  const entry = state.find(({ key }) => key.equals(metaKey));
  return entry === undefined || entry.value === null ? undefined : decodeMeta(entry.value);
}

/** The newest entry of each key of a changelog, as of a moment after the call. */
export async function stateOf(
  client: WindowClient,
  topic: string,
  partition: number,
): Promise<readonly ChangelogEntry[]> {
  const written = await client.offset(topic, partition, 'written');
  const end = await client.endFrom(topic, partition, written);
  const start = await client.offset(topic, partition, 'start');
  const entries = new Map<string, ChangelogEntry>();
  await client.read(topic, partition, [start, end], ({ key, value, offset }) => {
    if (key === null)
      throw new EngineError(
        'recording',
        `${topic}/${partition} offset ${offset} has no key: it is no changelog of Weir's`,
      );
    const id = key.toString('latin1');
    if (value === null) entries.delete(id);
    else entries.set(id, { key, value });
  });
  return [...entries.values()].sort((a, b) => a.key.compare(b.key));
}
