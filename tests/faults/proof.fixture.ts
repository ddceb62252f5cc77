/**
 * The proof of a fault test: nothing lost, nothing twice, nothing in another order, in outputs and in state.
 *
 *     const folding = await foldingOn(kafka, 'folding');      // the app and its topics
 *     ... faults, load ...
 *     const acknowledged = await load.stop();
 *     await untilFolded(kafka, folding, acknowledged.size);   // everything has come through both stages
 *     await workers.stopAll();                                // the state must stand still
 *     const proof = await proveExactlyOnce({ kafka, folding, acknowledged });
 *
 * It demands:
 *  1. a recording of everything, from empty states on, replays to outputs that are the same to the byte;
 *  2. the replay ends in the state that each changelog holds;
 *  3. without the replay: every input of the log is folded exactly once by each stage, counts of a key are 1..n, each output
 *     carries the digest of exactly the ids before it, and everything acknowledged is in the log.
 * Reading is read_committed, by Weir's reader, which kafka-reader.test.ts compares with librdkafka's.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { xxHash64Hex } from '#engine/functions/xxhash64.ts';
import type { KafkaConnection } from '#engine/kafka/connection.ts';
import { kafkajsConfig } from '#engine/kafka/connection.ts';
import { changelogTopic } from '#engine/kafka/names.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import { recordWindow } from '#engine/kafka/recorder/record-window.ts';
import { WindowClient } from '#engine/kafka/recorder/window-client.ts';
import { stateOf } from '#engine/kafka/recorder/window-start.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import type { LogRecord } from '#engine/log/log.ts';
import { openRecording } from '#engine/replay/recording-reader.ts';
import { expectIdentical, replayRecording, type ReplayedTask } from '#engine/replay/replay-recording.ts';
import { decodeMeta, encodeMeta, metaKey } from '#engine/task/state-codec.ts';
import type { ChangelogEntry } from '#engine/task/task-io.ts';
import type { App } from '#engine/topology/app.ts';
import type { Stream } from '#engine/topology/stream.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { verdict } from '../support/verdict.ts';
import { decidedEnds } from '../integration/decided-ends.fixture.ts';
import { foldingApp, type Fold, type Folding } from '../integration/folding.fixture.ts';

type Cluster = Pick<LocalKafka, 'bootstrapServers'>;

export const connectionTo = ({ bootstrapServers }: Cluster): KafkaConnection => ({
  brokers: bootstrapServers.split(','),
});

/** The folding app of a name, with its topics. */
export async function foldingOn(kafka: Cluster, name: string, partitions = 4): Promise<Folding> {
  const folding = foldingApp(name, partitions);
  await ensureTopics(connectionTo(kafka), plannedTopics(folding.app));
  return folding;
}

const untilMs = 120_000;

/**
 * Resolves when `count` outputs of the second stage are committed; goes on reading where it was. Rejects when none has come for two
 * minutes.
 */
export async function untilFolded(kafka: Cluster, { refolds }: Folding, count: number): Promise<void> {
  const reader = await KafkaReader.connect({ kafka: kafkajsConfig(connectionTo(kafka)) });
  try {
    const partitions = await Promise.all(
      Array.from({ length: refolds.partitions }, (_, p) => reader.assign(refolds.topic, p, 0)),
    );
    let giveUpAtMs = performance.now() + untilMs;
    for (let seen = 0; ;) {
      const before = seen;
      for (const partition of partitions) seen += partition.take(10_000).length;
      if (seen >= count) return;
      if (seen > before) giveUpAtMs = performance.now() + untilMs;
      else if (performance.now() > giveUpAtMs)
        throw new Error(
          `only ${seen} of ${count} items have come through, and none more in ${untilMs / 1_000} s`,
        );
      await sleep(50);
    }
  } finally {
    await reader.close();
  }
}

export interface Proof {
  /** Inputs in the log, each folded once by each stage. */
  readonly items: number;
  readonly tasks: readonly ReplayedTask[];
}

export interface ProofConfig {
  readonly kafka: Cluster;
  readonly folding: Folding;
  /** Ids of items that must be in the log; others may be too. */
  readonly acknowledged?: ReadonlySet<string>;
}

/** @throws Error that says what is wrong; see above */
export const proveExactlyOnce = ({ kafka, folding, acknowledged }: ProofConfig): Promise<Proof> =>
  verdict(async () => {
    const tasks = await replayEverything(kafka, folding.app);
    const items = await expectFolded(kafka, folding, acknowledged ?? new Set());
    return { items, tasks };
  });

/** Demands 1 and 2, of any app whose workers have stopped. @throws Error that says what is wrong */
export const proveReplayed = (kafka: Cluster, app: App): Promise<readonly ReplayedTask[]> =>
  verdict(() => replayEverything(kafka, app));

async function replayEverything(kafka: Cluster, app: App): Promise<readonly ReplayedTask[]> {
  await decidedEnds(connectionTo(kafka), plannedTopics(app));
  const directory = await mkdtemp(join(tmpdir(), 'weir-proof-'));
  try {
    const connection = connectionTo(kafka);
    const manifest = await recordWindow({
      app,
      connection,
      directory,
      writers: new WriterSchemas(),
      from: 'beginning',
      until: AbortSignal.abort(),
    });
    const recording = await openRecording(directory);
    const tasks = await replayRecording(recording, { app });
    expectIdentical(tasks);
    const chunks = new Map(
      manifest.tasks.map(({ processor, partition, journal }) => [
        `${processor}-${partition}`,
        journal.records,
      ]),
    );
    await expectStates(connection, app, tasks, chunks);
    return tasks;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function expectStates(
  connection: KafkaConnection,
  app: App,
  tasks: readonly ReplayedTask[],
  chunks: ReadonlyMap<string, number>,
): Promise<void> {
  const client = await WindowClient.connect(connection, () => undefined);
  try {
    for (const { task, processor, partition, steps, finalState } of tasks) {
      const state = await stateOf(client, changelogTopic(app.name, processor), partition);
      // A task that has taken nothing has committed nothing, not even its empty state.
      if (steps === 0) expect(state, `state of ${task}`).toEqual([]);
      else expect(state.map(plain), `state of ${task}`).toEqual(afterCommits(finalState, chunks.get(task)!));
    }
  } finally {
    await client.close();
  }
}

/** The replay commits in other portions, so it counts other chunks: that number alone is put right. */
function afterCommits(state: readonly ChangelogEntry[], chunks: number): string[] {
  return state.map(({ key, value }) =>
    plain({
      key,
      value: key.equals(metaKey) ? encodeMeta({ ...decodeMeta(value!), journal_seq: chunks }) : value,
    }),
  );
}

const plain = ({ key, value }: ChangelogEntry): string =>
  `${key.toString('latin1')} ${value?.toString('hex') ?? 'deleted'}`;

async function expectFolded(
  kafka: Cluster,
  folding: Folding,
  acknowledged: ReadonlySet<string>,
): Promise<number> {
  const { items, others, folds, urgentFolds, refolds } = folding;
  const reader = await KafkaReader.connect({ kafka: kafkajsConfig(connectionTo(kafka)) });
  try {
    const inputs = [...(await readAll(reader, items)), ...(await readAll(reader, others))];
    const ids = new Set(inputs.map(({ id }) => id));
    expect(ids.size, 'ids of the inputs are unique').toBe(inputs.length);
    expect(
      [...acknowledged].filter((id) => !ids.has(id)),
      'acknowledged inputs that are not in the log',
    ).toEqual([]);
    const first = [...(await readAll(reader, folds)), ...(await readAll(reader, urgentFolds))];
    expectChains('first stage', first, ids);
    expectChains('second stage', await readAll(reader, refolds), ids);
    return inputs.length;
  } finally {
    await reader.close();
  }
}

/** Of each key: counts 1..n, and each digest that of the ids up to it. Over all keys: each id once. */
function expectChains(stage: string, folds: readonly Fold[], ids: ReadonlySet<string>): void {
  const seen = new Map<string, number>();
  const byThing = new Map<string, Fold[]>();
  for (const fold of folds) {
    seen.set(fold.last, (seen.get(fold.last) ?? 0) + 1);
    const chain = byThing.get(fold.thing);
    if (chain === undefined) byThing.set(fold.thing, [fold]);
    else chain.push(fold);
  }
  const wrong = [...ids].filter((id) => seen.get(id) !== 1).map((id) => `${id}: ${seen.get(id) ?? 0} times`);
  expect(wrong, `${stage}: inputs that were not folded exactly once`).toEqual([]);
  expect(
    [...seen.keys()].filter((id) => !ids.has(id)),
    `${stage}: folds of no input`,
  ).toEqual([]);
  for (const [thing, chain] of byThing) {
    let digest = '';
    chain.sort((a, b) => a.count - b.count);
    for (const [i, fold] of chain.entries()) {
      digest = xxHash64Hex(`${digest}${fold.last}`);
      expect({ count: fold.count, digest: fold.digest }, `${stage}, ${thing}`).toEqual({
        count: i + 1,
        digest,
      });
    }
  }
}

async function readAll<T>(reader: KafkaReader, stream: Stream<T>): Promise<T[]> {
  const codec = eventCodec(stream, new WriterSchemas());
  const records = await readRecords(reader, stream);
  return records.map(({ record }) => codec.decode(record.value!));
}

export interface ReadRecord {
  readonly partition: number;
  readonly record: LogRecord;
}

/** Every committed record of a topic, by partition and offset, from the first that is kept. */
export async function readRecords(
  reader: KafkaReader,
  { topic, partitions }: Pick<Stream<unknown>, 'topic' | 'partitions'>,
): Promise<ReadRecord[]> {
  const all: ReadRecord[] = [];
  const { signal } = new AbortController();
  for (let p = 0; p < partitions; p += 1) {
    const end = await reader.offsetOf(topic, p, 'end');
    const partition = await reader.assign(topic, p, await reader.offsetOf(topic, p, 'start'));
    while (partition.position < end) {
      await partition.settled(signal);
      for (const record of partition.take(5_000)) all.push({ partition: p, record });
      if (partition.available === 0 && partition.position < end) await sleep(5);
    }
    reader.unassign(partition);
  }
  return all;
}
