/**
 * What is changed behind the tasks' backs: records removed before they were read, committed positions, changelogs. No choice
 * would be right for everybody, so the task that it concerns stops and says what and where; all others go on.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import { afterEach, describe, expect, it, type TestContext } from 'vitest';
import { eventCodec } from '#engine/codec/event-codec.ts';
import { WriterSchemas } from '#engine/codec/writer-schemas.ts';
import { EngineError } from '#engine/engine-error.ts';
import { kafkajsConfig } from '#engine/kafka/connection.ts';
import { KafkaRuntime, type KafkaRuntimeOptions } from '#engine/kafka/driver/kafka-runtime.ts';
import { changelogTopic, offsetsGroup } from '#engine/kafka/names.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import { ensureTopics } from '#engine/kafka/topics/ensure-topics.ts';
import { plannedTopics } from '#engine/kafka/topics/planned-topics.ts';
import type { Stream } from '#engine/topology/stream.ts';
import { resolveKafka } from '#local/kafka/artifacts.ts';
import { findJava } from '#local/kafka/java.ts';
import { runProgram } from '#local/kafka/run-program.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { clientOf, kafkaForFile } from '../integration/kafka.fixture.ts';
import type { Fold, Folding, Item } from '../integration/folding.fixture.ts';
import { ItemLoad } from './item-load.fixture.ts';
import { connectionTo, foldingOn, proveExactlyOnce, readRecords, untilFolded } from './proof.fixture.ts';
import { Workers } from './workers.fixture.ts';

const local = kafkaForFile();
const partitions = 2;
const allTasks = 4;
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** An app with its topics, and what is done to it. */
class Scene {
  readonly kafka: LocalKafka;
  readonly folding: Folding;
  readonly admin: Admin;
  readonly errors = new Map<string, EngineError>();
  readonly notes: string[] = [];
  readonly acknowledged = new Set<string>();

  private constructor(kafka: LocalKafka, folding: Folding, admin: Admin) {
    this.kafka = kafka;
    this.folding = folding;
    this.admin = admin;
  }

  static async of(context: TestContext, name: string): Promise<Scene> {
    const kafka = local.of(context);
    const admin = clientOf(kafka).admin();
    await admin.connect();
    undo.push(() => admin.disconnect());
    return new Scene(kafka, await foldingOn(kafka, name, partitions), admin);
  }

  async start(options: Partial<KafkaRuntimeOptions> = {}): Promise<KafkaRuntime> {
    this.errors.clear();
    const runtime = await KafkaRuntime.start({
      app: this.folding.app,
      connection: connectionTo(this.kafka),
      writers: new WriterSchemas(),
      onTaskError: (task, error) => {
        expect(error).toBeInstanceOf(EngineError);
        this.errors.set(task, error as EngineError);
      },
      onTrouble: (task, { message }) => this.notes.push(`${task} ${message}`),
      ...options,
    });
    undo.push(() => runtime.stop(60_000));
    return runtime;
  }

  /** Writes items of `things` for some time, with ids of their own. */
  async write(forMs: number, things = 50): Promise<void> {
    const load = await ItemLoad.start({
      kafka: this.kafka,
      folding: this.folding,
      perSecond: 400,
      things,
      firstId: this.acknowledged.size,
    });
    await sleep(forMs);
    for (const id of await load.stop()) this.acknowledged.add(id);
  }

  /** Runs until all that was written is processed, and stops. */
  async processAll(options: Partial<KafkaRuntimeOptions> = {}): Promise<void> {
    const runtime = await this.start(options);
    await untilFolded(this.kafka, this.folding, this.acknowledged.size);
    expect(await runtime.stop(60_000)).toBe(true);
    expect(this.errors.size).toBe(0);
  }

  /** For the stores of a process. */
  async directory(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'weir-changed-'));
    undo.push(() => rm(directory, { recursive: true, force: true }));
    return directory;
  }

  async makeAnew(topics: string[]): Promise<void> {
    const { admin, kafka, folding } = this;
    await admin.deleteTopics({ topics });
    const isLeft = async (): Promise<boolean> =>
      (await admin.listTopics()).some((topic) => topics.includes(topic));
    await until(async () => !(await isLeft()), 'the topics are gone');
    await ensureTopics(connectionTo(kafka), plannedTopics(folding.app));
  }

  /** All topics of the app and all positions: nothing is left but local stores. */
  async beginAnew(): Promise<void> {
    const { app } = this.folding;
    await this.admin.deleteGroups(app.processors.map(({ name }) => offsetsGroup(app.name, name)));
    const topics = plannedTopics(app).map(({ topic }) => topic);
    await this.makeAnew(topics.filter((topic) => topic.startsWith(`${app.name}.`)));
    this.acknowledged.clear();
  }

  async prove(): Promise<void> {
    const { kafka, folding, acknowledged } = this;
    expect((await proveExactlyOnce({ kafka, folding, acknowledged })).items).toBe(acknowledged.size);
  }

  async read<T>(stream: Stream<T>): Promise<{ readonly partition: number; readonly event: T }[]> {
    const reader = await KafkaReader.connect({ kafka: kafkajsConfig(connectionTo(this.kafka)) });
    try {
      const codec = eventCodec(stream, new WriterSchemas());
      const records = await readRecords(reader, stream);
      return records.map(({ partition, record }) => ({ partition, event: codec.decode(record.value!) }));
    } finally {
      await reader.close();
    }
  }

  /** The position that the task committed last. */
  async position(topic: string, partition: number): Promise<number> {
    const groupId = offsetsGroup(this.folding.app.name, 'folding.first');
    const [found] = await this.admin.fetchOffsets({ groupId, topics: [topic] });
    return Number(found!.partitions.find((one) => one.partition === partition)!.offset);
  }
}

async function until(
  isSo: () => Promise<boolean> | boolean,
  what: string,
  timeoutMs = 120_000,
): Promise<void> {
  for (const giveUpAtMs = performance.now() + timeoutMs; !(await isSo());) {
    if (performance.now() > giveUpAtMs) throw new Error(`not in ${timeoutMs / 1_000} s: ${what}`);
    await sleep(50);
  }
}

/** What a message tells to run, without the program's name. */
const commandIn = (message: string): string[] =>
  /kafka-consumer-groups\.sh (.*), then start again$/.exec(message)![1]!.split(' ');

/** Kafka's own `kafka-consumer-groups.sh`. */
async function runGroupCommand({ bootstrapServers, version }: LocalKafka, change: string[]): Promise<void> {
  const { exitCode, output } = await runProgram(
    await findJava(),
    [
      '-cp',
      join(await resolveKafka(version), '*'),
      'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
      '--bootstrap-server',
      bootstrapServers,
      ...change,
    ],
    { timeoutMs: 60_000 },
  );
  expect(exitCode, output).toBe(0);
  expect(output).toContain('Successful');
}

const hasAll = (all: ReadonlySet<string>, some: ReadonlySet<string>): boolean =>
  [...some].every((id) => all.has(id));

const runningOf = (runtime: KafkaRuntime): string[] =>
  runtime
    .status()
    .filter(({ phase }) => phase === 'running')
    .map(({ task }) => task)
    .sort();

describe('an input that lost records before they were read', () => {
  it('stops its task, which says where, and no other; told to skip, the task goes on and says what it skipped', async (context) => {
    const scene = await Scene.of(context, 'truncated');
    const { folding, admin } = scene;
    const { topic } = folding.items;
    await scene.write(1_000);
    await scene.processAll();
    const before = scene.acknowledged.size;
    await scene.write(1_000);
    const from = await scene.position(topic, 0);
    const kept = from + 50;
    const [lost, left] = [(await scene.read(folding.items)).filter(({ partition }) => partition === 0), kept];
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(kept) }] });
    const gone = new Set(lost.slice(from, left).map(({ event }) => event.id));
    expect(gone.size).toBe(50);

    const stopped = await scene.start();
    await until(() => scene.errors.size === 1, 'the task fails');
    await until(() => runningOf(stopped).length === allTasks - 1, 'the others run');
    expect(runningOf(stopped)).toEqual(['folding.first-1', 'folding.second-0', 'folding.second-1']);
    const error = scene.errors.get('folding.first-0')!;
    expect(error.code).toBe('offset-out-of-range');
    expect(error.message).toContain(`${topic}/0: retention removed`);
    expect(error.message).toContain(`offset ${from} to before ${kept}`);
    expect(error.message).toContain('folding.first-0');
    expect(error.message).toContain('--skip-truncated');
    const others = new Set(
      [...(await scene.read(folding.items)), ...(await scene.read(folding.others))]
        .filter(({ partition }) => partition === 1)
        .map(({ event }) => event.id),
    );
    const refolded = async (): Promise<Set<string>> =>
      new Set((await scene.read<Fold>(folding.refolds)).map(({ event }) => event.last));
    await until(async () => hasAll(await refolded(), others), 'the others process all of theirs');
    expect(await scene.position(topic, 0), 'position of the task that stopped').toBe(from);
    await stopped.stop(60_000);
    expect(scene.acknowledged.size - before).toBeGreaterThan(100);

    const skipping = await scene.start({ truncatedInputs: 'skip' });
    const expected = new Set([...scene.acknowledged].filter((id) => !gone.has(id)));
    await until(async () => hasAll(await refolded(), expected), 'all that is left is processed');
    expect(await skipping.stop(60_000)).toBe(true);
    expect(scene.errors.size).toBe(0);
    const [note] = scene.notes.filter((one) => one.includes('skipped'));
    expect(note).toContain('folding.first-0');
    expect(note).toContain(`${topic}/0`);
    expect(note).toContain(`${from} to before ${kept}`);
    const outputs = (await scene.read<Fold>(folding.refolds)).map(({ event }) => event.last).sort();
    expect(outputs, 'each item that was left, once, and none that was removed').toEqual([...expected].sort());
  });

  it('is found out by a task that was running as well', async (context) => {
    const scene = await Scene.of(context, 'overtaken');
    const { kafka, folding, admin } = scene;
    const { topic } = folding.items;
    const { bootstrapServers } = kafka;
    const workers = new Workers({
      bootstrapServers,
      app: 'overtaken',
      partitions,
      sessionTimeoutMs: 30_000,
      truncatedInputs: 'skip',
    });
    undo.push(() => workers.killAll());
    const worker = workers.start();
    await worker.ready(allTasks);
    await scene.write(500);
    await untilFolded(kafka, folding, scene.acknowledged.size);
    worker.freeze();
    await sleep(300);
    await scene.write(1_000);
    // What its connection holds already was sent before; it asks for what comes after.
    const offsets = await admin.fetchTopicOffsets(topic);
    const { high } = offsets.find(({ partition }) => partition === 0)!;
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: high }] });
    await scene.write(500);
    worker.thaw();
    await worker.until(
      () => worker.troubles.some(({ message }) => message.includes('skipped')),
      'is to say what it skips',
    );
    const newest = (await scene.read<Item>(folding.items)).map(({ event }) => event.id);
    await until(async () => {
      const done = new Set((await scene.read<Fold>(folding.refolds)).map(({ event }) => event.last));
      return newest.every((id) => done.has(id));
    }, 'what was written since is processed');
    await worker.stop();
    const outputs = (await scene.read<Fold>(folding.refolds)).map(({ event }) => event.last);
    expect(outputs.length, 'no item twice').toBe(new Set(outputs).size);
  });
});

describe('an input of which retention has removed nothing but what was read', () => {
  it('is gone on with, though its last offset was a marker of a transaction', async (context) => {
    const scene = await Scene.of(context, 'quiet');
    const { folding, admin } = scene;
    await scene.write(1_000);
    await scene.processAll();
    // Tasks have written them: behind the last record of each partition is the marker of its transaction.
    for (const { topic } of [folding.folds, folding.urgentFolds])
      for (const { partition, high } of await admin.fetchTopicOffsets(topic))
        await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: high }] });
    await scene.write(500);
    await scene.processAll();
    expect(scene.notes.filter((note) => note.includes('retention'))).toEqual([]);
    const outputs = (await scene.read<Fold>(folding.refolds)).map(({ event }) => event.last);
    expect(outputs.toSorted()).toEqual([...scene.acknowledged].toSorted());
  });
});

describe('positions that were changed from outside', () => {
  it('stop the task also where they leave records out', async (context) => {
    const scene = await Scene.of(context, 'ahead');
    const { folding, admin } = scene;
    const { topic } = folding.items;
    await scene.write(500);
    await scene.processAll();
    const own = await scene.position(topic, 1);
    await scene.write(500);
    const groupId = offsetsGroup('ahead', 'folding.first');
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 1, offset: String(own + 1) }] });
    const runtime = await scene.start();
    await until(() => scene.errors.size === 1, 'the task fails');
    expect(scene.errors.get('folding.first-1')).toMatchObject({ code: 'positions-differ' });
    expect(scene.errors.get('folding.first-1')!.message).toContain(`--to-offset ${own}`);
    await runtime.stop(60_000);
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 1, offset: String(own) }] });
    await scene.processAll();
    await scene.prove();
  });

  it('stop the task, which says how to put them back; put back so, nothing is lost or repeated', async (context) => {
    const scene = await Scene.of(context, 'reset');
    const { folding, admin } = scene;
    const { topic } = folding.items;
    await scene.write(1_000);
    await scene.processAll();
    await scene.write(500);
    const own = await scene.position(topic, 1);
    const groupId = offsetsGroup('reset', 'folding.first');
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 1, offset: '3' }] });
    const runtime = await scene.start();
    await until(() => scene.errors.size === 1, 'the task fails');
    await until(() => runningOf(runtime).length === allTasks - 1, 'the others run');
    const error = scene.errors.get('folding.first-1')!;
    expect(error.code).toBe('positions-differ');
    expect(error.message).toContain(`${topic}/1 up to offset ${own}, but group ${groupId} says 3`);
    expect(error.message).toContain(`--to-offset ${own}`);
    await runtime.stop(60_000);
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 1, offset: String(own) }] });
    await scene.processAll();
    await scene.prove();
  });

  it('matter not when the brokers only forgot them', async (context) => {
    const scene = await Scene.of(context, 'forgotten');
    await scene.write(1_000);
    await scene.processAll();
    await scene.write(500);
    await scene.admin.deleteGroups([offsetsGroup('forgotten', 'folding.first')]);
    await scene.processAll();
    await scene.prove();
  });
});

describe('a changelog that was made anew', () => {
  for (const isStored of [false, true])
    it(`stops its tasks, ${isStored ? 'also where a local store holds the old one' : 'without a local store'}`, async (context) => {
      const scene = await Scene.of(context, `renewed-${String(isStored)}`);
      const { folding } = scene;
      const options = isStored ? { stateDir: await scene.directory() } : {};
      await scene.write(1_000);
      await scene.processAll(options);
      const before = scene.acknowledged.size;
      const topic = changelogTopic(folding.app.name, 'folding.first');
      await scene.makeAnew([topic]);
      const runtime = await scene.start(options);
      await until(() => scene.errors.size === partitions, 'its tasks fail');
      await until(() => runningOf(runtime).length === allTasks - partitions, 'the others run');
      expect(runningOf(runtime)).toEqual(['folding.second-0', 'folding.second-1']);
      for (const [task, { code, message }] of scene.errors) {
        expect(code, message).toBe('state-lost');
        expect(message).toContain(task);
        expect(message).toContain(offsetsGroup(folding.app.name, 'folding.first'));
        expect(message).toContain('the changelog holds no state');
      }
      const commands = [...scene.errors.values()].map(({ message }) => commandIn(message));
      const { length } = await scene.read<Fold>(folding.folds);
      await scene.write(300);
      await sleep(500);
      expect((await scene.read<Fold>(folding.folds)).length, 'folds of a stage that stopped').toBe(length);
      await runtime.stop(60_000);

      for (const command of commands) await runGroupCommand(scene.kafka, command);
      const anew = await scene.start(options);
      await until(
        () => anew.status().length === allTasks && anew.status().every(({ isSettled }) => isSettled),
        'all is processed',
      );
      expect(await anew.stop(60_000)).toBe(true);
      expect(scene.errors.size).toBe(0);
      const folds = [...(await scene.read(folding.folds)), ...(await scene.read(folding.urgentFolds))];
      expect(new Set(folds.map(({ event }) => event.last)), 'each item').toEqual(scene.acknowledged);
      expect(folds.length, 'what was folded before, once more').toBe(before + scene.acknowledged.size);
    });

  it('is read from its start by who has a local store of the former one that is shorter', async (context) => {
    const scene = await Scene.of(context, 'begun-anew');
    const { folding } = scene;
    const [own, other] = [await scene.directory(), await scene.directory()];
    const changelog = changelogTopic(folding.app.name, 'folding.first');
    const ends = async (): Promise<number> =>
      Math.min(...(await scene.admin.fetchTopicOffsets(changelog)).map(({ high }) => Number(high)));
    // Things that are not met again lie in the stores only.
    await scene.write(500, 100);
    await scene.processAll({ stateDir: own });
    const before = await scene.admin.fetchTopicOffsets(changelog);
    const former = Math.max(...before.map(({ high }) => Number(high)));
    await scene.beginAnew();
    do {
      await scene.write(300);
      await scene.processAll({ stateDir: other });
    } while ((await ends()) <= former);
    await scene.write(500, 100);
    await scene.processAll({ stateDir: own });
    await scene.prove();
    const thrownAway = scene.notes.filter((note) => note.includes('thrown away'));
    expect(thrownAway).toHaveLength(allTasks);
    for (const note of thrownAway) expect(note).toContain('its topicId is');
  });
});
