/**
 * Runs this process's share of an app's tasks on Kafka. More processes with the same app share its tasks among them.
 *
 * I1  One loop steps all tasks in turns and gives way to the event loop every few milliseconds, so heartbeats, commits and HTTP
 *     go on under load and during a restore.
 * I2  A rebalance stops nobody: tasks that stay go on through it. Those that are taken away commit what they have and end; if the
 *     new owner is faster, it has fenced them, and what they had not committed is done again there.
 * I3  When the group has lost this process, its tasks are dropped before it joins again.
 * I4  A task that fails for good is told once and keeps nothing else from running.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { WriterSchemas } from '../../codec/writer-schemas.ts';
import { EngineError } from '../../engine-error.ts';
import { deadLetters } from '../../records/generated.ts';
import { streamOfOutput, taskCount, validApp, type App } from '../../topology/app.ts';
import type { Parameters } from '../../topology/processor.ts';
import { kafkajsConfig, type KafkaConnection } from '../connection.ts';
import { changelogTopic, membershipGroup, offsetsGroup } from '../names.ts';
import { type Assignment, GroupMember } from '../reader/group-member.ts';
import { KafkaReader } from '../reader/kafka-reader.ts';
import { createCluster, type KafkaCluster } from '../reader/kafkajs-cluster.ts';
import { stickyAssignor } from './assignor.ts';
import type { Claims } from './assignor-claims.ts';
import { KafkaTask } from './kafka-task.ts';
import { OffsetsHandle } from './offsets-handle.ts';
import { SchemaGate } from './schema-gate.ts';
import { SchemasFollower } from './schemas-follower.ts';
import { patiently } from '../patiently.ts';
import type { TaskEnvironment, TruncatedInputs } from './task-environment.ts';
import type { TaskStatus } from './task-status.ts';
import { TaskStores } from './task-stores.ts';
import { clusterIdOf } from '../cluster-id.ts';
import { topicIdOf } from '../topic-id.ts';
import { within } from './within.ts';

export interface KafkaRuntimeOptions {
  readonly app: App;
  readonly connection: KafkaConnection;
  readonly writers: WriterSchemas;
  /** Of this process alone: checkpoints of its tasks' states. Without it a task reads its whole changelog when it is taken over. */
  readonly stateDir?: string;
  /** By processor name: values that replace its parameters. */
  readonly parameters?: Readonly<Record<string, Parameters>>;
  /** Outputs that are not urgent become visible at this interval. 100 ms by default. */
  readonly commitIntervalMs?: number;
  /** How often tasks learn the wall time: the resolution of wall-clock timers and of idleness. 100 ms by default. */
  readonly tickIntervalMs?: number;
  /** After so long without a heartbeat this process's tasks are given to others. 10 s by default. */
  readonly sessionTimeoutMs?: number;
  /** 500 ms by default. */
  readonly heartbeatMs?: number;
  /** How long a record waits for its writer's schema to be announced. 10 s by default. */
  readonly schemaWaitMs?: number;
  readonly truncatedInputs?: TruncatedInputs;
  /** How long a fetch waits at the broker for something new: also how long a task that was taken over may wait for its first. 100 ms by default. */
  readonly fetchWaitMs?: number;
  /** Called once for each task that fails for good. */
  readonly onTaskError?: (task: string, error: unknown) => void;
  /** What somebody should know though it mends itself; `task` is empty when it concerns all. */
  readonly onTrouble?: (task: string, error: EngineError) => void;
}

/** How long the loop feeds tasks before it lets others run. */
const sliceMs = 4;
const recordsPerTurn = 256;
const commitOnReleaseMs = 5_000;
const longestIdleMs = 1_000;
/** A cluster that has just been started, or whose leaders move, answers later. */
const startTimeoutMs = 20_000;
/** As long as an offset of a partition whose leader moves is waited for. */
const topicIdTimeoutMs = 5_000;

export class KafkaRuntime {
  readonly #options: KafkaRuntimeOptions;
  readonly #tasks = new Map<string, KafkaTask>();
  /** Tasks that are being given back, by id: the next life of one begins when its last has ended. */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #handles = new Map<string, Promise<OffsetsHandle>>();
  readonly #partitions: ReadonlyMap<string, number>;
  readonly #stopping = new AbortController();
  #stores: TaskStores | undefined;
  readonly #cluster: KafkaCluster;
  readonly #writers: WriterSchemas;
  #reader!: KafkaReader;
  #follower: SchemasFollower | undefined;
  #member: GroupMember | undefined;
  #env!: TaskEnvironment;
  #loop: Promise<void> = Promise.resolve();
  #wake: (() => void) | undefined;
  #turn = 0;
  /** Turns in a row in which no task took a record. */
  #unfed = 0;
  #generation = -1;
  #turnedAtMs = performance.now();

  private constructor(options: KafkaRuntimeOptions) {
    this.#options = options;
    const { app, connection } = options;
    this.#writers = options.writers;
    validApp(app);
    this.#partitions = new Map(
      [
        ...app.streams,
        ...app.processors.flatMap((p) => Object.values(p.outputs).map(streamOfOutput)),
        deadLetters,
      ].map(({ topic, partitions }) => [topic, partitions]),
    );
    this.#cluster = createCluster(kafkajsConfig(connection));
  }

  /**
   * Joins the app's group and runs what is given to this process, until `stop`. The app's topics must exist (`ensureTopics`).
   *
   * @throws EngineError `invalid-topology`, `kafka-unreachable`, `kafka-refused`, `unknown-topic`, `group-refused`, `no-librdkafka`
   */
  static async start(options: KafkaRuntimeOptions): Promise<KafkaRuntime> {
    const runtime = new KafkaRuntime(options);
    try {
      await runtime.#start();
      return runtime;
    } catch (error) {
      await runtime.stop(2_000);
      throw error;
    }
  }

  /** Every task that this process has, or that failed in it. */
  status(): readonly TaskStatus[] {
    return [...this.#tasks.values()].map((task) => task.status());
  }

  /** Milliseconds since the loop turned last: health checks fail when it stands still. */
  get stalledMs(): number {
    return performance.now() - this.#turnedAtMs;
  }

  /** Whether the group has given this process its share, and every task of it runs. */
  get isReady(): boolean {
    const isMember = this.#member !== undefined && this.#generation >= 0;
    return isMember && [...this.#tasks.values()].every(({ phase }) => phase === 'running');
  }

  /**
   * Commits what was processed, leaves the group so that others take over at once, and ends. Resolves to whether all of it was
   * committed within `timeoutMs`.
   */
  async stop(timeoutMs: number): Promise<boolean> {
    const deadlineMs = performance.now() + timeoutMs;
    const left = (): number => Math.max(0, deadlineMs - performance.now());
    this.#stopping.abort();
    this.#wake?.();
    await this.#loop;
    const tasks = [...this.#tasks.values()];
    await within(
      timeoutMs,
      Promise.all([...tasks.map((task) => task.release(timeoutMs * 0.6)), ...this.#leaving.values()]),
    );
    await within(left(), this.#member?.leave() ?? Promise.resolve());
    await within(
      Math.max(left(), 500),
      Promise.allSettled([
        this.#follower?.stop(),
        ...[...this.#handles.values()].map(async (handle) => (await handle).close(1_000)),
        this.#cluster.disconnect(),
        (this.#reader as KafkaReader | undefined)?.close(),
      ]),
    );
    return tasks.every((task) => task.isInOrder);
  }

  async #start(): Promise<void> {
    const { app, connection } = this.#options;
    const trouble = (error: EngineError): void => {
      this.#trouble('', error);
    };
    this.#reader = await KafkaReader.connect({
      kafka: kafkajsConfig(connection),
      maxWaitMs: this.#options.fetchWaitMs ?? 100,
      onProgress: () => {
        this.#wake?.();
      },
      onTrouble: trouble,
    });
    await this.#cluster.connect();
    const onNews = (): void => {
      this.#wake?.();
    };
    this.#follower = await patiently(
      () => SchemasFollower.start(this.#reader, this.#writers, onNews, trouble),
      { timeoutMs: startTimeoutMs, signal: this.#stopping.signal },
    );
    this.#stores = await TaskStores.find({
      directory: this.#options.stateDir,
      app: app.name,
      processors: app.processors.map(({ name }) => name),
      clusterId: await clusterIdOf(connection),
      topicIdOf: (topic, partition) =>
        patiently(() => topicIdOf(this.#cluster, topic, partition), {
          timeoutMs: topicIdTimeoutMs,
          signal: this.#stopping.signal,
        }),
      onTrouble: (task, error) => {
        this.#trouble(task, error);
      },
    });
    this.#env = this.#environment();
    this.#loop = this.#run();
    this.#member = await GroupMember.join({
      kafka: kafkajsConfig(connection),
      groupId: membershipGroup(app.name),
      topics: app.processors.map(({ name }) => changelogTopic(app.name, name)),
      assigner: stickyAssignor({ claims: () => this.#claims() }),
      sessionTimeoutMs: this.#options.sessionTimeoutMs ?? 10_000,
      heartbeatMs: this.#options.heartbeatMs ?? 500,
      onAssigned: (assignment, generation) => {
        this.#assign(assignment, generation);
      },
      // Nothing is to be done before it is known what goes away (I2).
      beforeRebalance: () => Promise.resolve(),
      onLost: () => {
        this.#lose();
      },
      onTrouble: trouble,
    });
  }

  #environment(): TaskEnvironment {
    const { app, connection, parameters = {} } = this.#options;
    return {
      app,
      connection,
      writers: this.#writers,
      reader: this.#reader,
      cluster: this.#cluster,
      gate: new SchemaGate(this.#writers, this.#options.schemaWaitMs ?? 10_000),
      parameters,
      settings: {
        commitIntervalMs: this.#options.commitIntervalMs ?? 100,
        tickIntervalMs: this.#options.tickIntervalMs ?? 100,
        // A broker with nothing new answers after the wait: three of them, and some time for both sides.
        staleMs: 3 * (this.#options.fetchWaitMs ?? 100) + 200,
        truncatedInputs: this.#options.truncatedInputs ?? 'stop',
      },
      partitionsOf: (topic) => this.#partitions.get(topic)!,
      offsetsOf: (processor, signal) => this.#offsetsOf(processor, signal),
      openStore: (processor, partition) => this.#stores!.open(processor, partition),
      confirmed: (sinceMs, signal) => this.#confirmed(sinceMs, signal),
      wake: () => {
        this.#wake?.();
      },
      onTrouble: (task, error) => {
        this.#trouble(task, error);
      },
    };
  }

  #trouble(task: string, error: EngineError): void {
    this.#options.onTrouble?.(task, error);
  }

  #offsetsOf(processor: string, signal: AbortSignal): Promise<OffsetsHandle> {
    const { app, connection } = this.#options;
    let handle = this.#handles.get(processor);
    if (handle === undefined) {
      handle = OffsetsHandle.open(connection, offsetsGroup(app.name, processor), this.#stopping.signal);
      this.#handles.set(processor, handle);
      handle.catch(() => this.#handles.delete(processor));
    }
    return abortable(handle, signal);
  }

  /** The group's answer to a heartbeat that was sent after `sinceMs` is what counts. */
  async #confirmed(sinceMs: number, signal: AbortSignal): Promise<void> {
    while ((this.#member?.heardAtMs ?? -Infinity) <= sinceMs) await sleep(20, undefined, { signal });
  }

  #claims(): Claims {
    const { app } = this.#options;
    const owned = [...this.#tasks.values()].map(({ processor, partition }) => ({
      topic: changelogTopic(app.name, processor.name),
      partition,
    }));
    return { generation: this.#generation, owned, stored: this.#stores?.stored() ?? [] };
  }

  #assign(assignment: Assignment, generation: number): void {
    this.#generation = generation;
    if (this.#stopping.signal.aborted) return;
    const { app } = this.#options;
    const wanted = new Map<string, () => KafkaTask>();
    for (const processor of app.processors)
      for (const partition of assignment.get(changelogTopic(app.name, processor.name)) ?? [])
        if (partition < taskCount(processor))
          wanted.set(`${processor.name}-${partition}`, () => this.#newTask(processor, partition));
    for (const [id, task] of this.#tasks)
      if (!wanted.has(id)) this.#leave(task, task.release(commitOnReleaseMs));
    for (const [id, make] of wanted) if (!this.#tasks.has(id)) this.#begin(id, make);
    this.#wake?.();
  }

  /** Starts a task, after its last life here has ended. */
  #begin(id: string, make: () => KafkaTask): void {
    const generation = this.#generation;
    void (this.#leaving.get(id) ?? Promise.resolve()).then(() => {
      const isStillWanted = generation === this.#generation && !this.#stopping.signal.aborted;
      if (isStillWanted && !this.#tasks.has(id)) this.#tasks.set(id, make());
    });
  }

  #newTask(processor: App['processors'][number], partition: number): KafkaTask {
    return new KafkaTask(this.#env, processor, partition, ({ id }, error) => {
      this.#options.onTaskError?.(id, error);
    });
  }

  #leave(task: KafkaTask, ending: Promise<void>): void {
    this.#tasks.delete(task.id);
    const ended = ending.finally(() => {
      if (this.#leaving.get(task.id) === ended) this.#leaving.delete(task.id);
    });
    this.#leaving.set(task.id, ended);
  }

  #lose(): void {
    this.#generation = -1;
    for (const task of this.#tasks.values()) this.#leave(task, task.drop());
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const startMs = performance.now();
      this.#turnedAtMs = startMs;
      const tasks = [...this.#tasks.values()];
      for (let turn = 0; turn < tasks.length; turn += 1) {
        this.#turn = (this.#turn + 1) % tasks.length;
        const fed = tasks[this.#turn]!.pump(recordsPerTurn, performance.now());
        this.#unfed = fed > 0 ? 0 : this.#unfed + 1;
        if (performance.now() - startMs > sliceMs) break;
      }
      // Who had no turn, because others took long over nothing, may have records at hand: no arrival will tell of them.
      if (this.#unfed < tasks.length) await this.#breathe();
      else await this.#idle(tasks);
    }
  }

  /** Lets others run. What arrives meanwhile may be for a task that has just had its turn. */
  async #breathe(): Promise<void> {
    this.#wake = () => {
      this.#unfed = 0;
    };
    await giveWay();
    this.#wake = undefined;
  }

  /** Waits until a task may have something to do. */
  async #idle(tasks: readonly KafkaTask[]): Promise<void> {
    this.#unfed = 0;
    const nowMs = performance.now();
    let dueMs = nowMs + longestIdleMs;
    for (const task of tasks) dueMs = Math.min(dueMs, task.dueMs(nowMs));
    if (dueMs <= nowMs) {
      await giveWay();
      return;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, dueMs - nowMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }
}

function giveWay(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(new EngineError('log-closed', 'the task is being closed'));
    };
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', abort);
    });
    if (signal.aborted) abort();
  });
}
