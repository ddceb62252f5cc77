/** The sticky assignor on a real broker: who runs which tasks while members join, leave, are cut off and come back. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ISocketFactory, type KafkaConfig, logLevel } from 'kafkajs';
import { afterEach, describe, expect, it, type TestContext } from 'vitest';
import { stickyAssignor } from '#engine/kafka/driver/assignor.ts';
import type { StoredTask, Task } from '#engine/kafka/driver/placement.ts';
import { type Assignment, GroupMember } from '#engine/kafka/reader/group-member.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { createTopics, kafkaForFile } from './kafka.fixture.ts';

/** Longer than a slow machine keeps a member or the broker from running: no member is taken for gone meanwhile. */
const longMs = 120_000;
/** Of the member that is to be taken for gone. */
const shortMs = 4_000;
const local = kafkaForFile({ properties: { 'group.min.session.timeout.ms': '500' } });

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

const nameOf = ({ topic, partition }: Task): string => `${topic}-${partition}`;

/** The network of one member: while it is cut, connections break and none can be made. */
class Network {
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  readonly socketFactory: ISocketFactory = ({ host, port, onConnect }) => {
    const socket = connect({ host, port }, onConnect);
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    if (this.#isCut) this.#break(socket);
    return socket;
  };

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) this.#break(socket);
  }

  mend(): void {
    this.#isCut = false;
  }

  #break(socket: Socket): void {
    socket.destroy(new Error('the network is cut'));
  }
}

/** What a member has on disk: it stays when the member goes. Offsets grow with each assignment. */
type Disk = Map<string, StoredTask>;

/** A member that keeps a store of each task that it was given, and never forgets what it once owned. */
class Worker {
  readonly network = new Network();
  readonly disk: Disk;
  owned: readonly Task[] = [];
  generation = -1;
  /** How many tasks came to it that it did not own just before. */
  takeOvers = 0;
  isLost = false;
  readonly #sessionTimeoutMs: number;
  #member: GroupMember | undefined;

  constructor(disk: Disk = new Map(), sessionTimeoutMs = longMs) {
    this.disk = disk;
    this.#sessionTimeoutMs = sessionTimeoutMs;
  }

  async join(kafka: LocalKafka, app: string, topics: readonly string[]): Promise<this> {
    const config: KafkaConfig = {
      brokers: kafka.bootstrapServers.split(','),
      logLevel: logLevel.NOTHING,
      socketFactory: this.network.socketFactory,
    };
    this.#member = await GroupMember.join({
      kafka: config,
      groupId: app,
      topics,
      sessionTimeoutMs: this.#sessionTimeoutMs,
      rebalanceTimeoutMs: longMs,
      heartbeatMs: 50,
      assigner: stickyAssignor({
        claims: () => ({ generation: this.generation, owned: this.owned, stored: [...this.disk.values()] }),
      }),
      onAssigned: (assignment, generation) => {
        this.#own(assignment, generation);
      },
      beforeRebalance: () => Promise.resolve(),
      onLost: () => {
        this.isLost = true;
      },
    });
    closing.push(() => this.leave());
    return this;
  }

  async leave(): Promise<void> {
    this.network.mend();
    await this.#member?.leave();
  }

  names(): string[] {
    return this.owned.map(nameOf).sort();
  }

  #own(assignment: Assignment, generation: number): void {
    const before = new Set(this.names());
    this.owned = [...assignment].flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition })),
    );
    this.generation = generation;
    this.isLost = false;
    for (const task of this.owned) {
      if (!before.has(nameOf(task))) this.takeOvers += 1;
      this.disk.set(nameOf(task), { ...task, offset: 1_000 * generation });
    }
  }
}

async function until(isSo: () => boolean, what: () => string): Promise<void> {
  const giveUpAtMs = performance.now() + longMs;
  while (!isSo()) {
    if (performance.now() > giveUpAtMs) throw new Error(`not in ${longMs / 1_000} s: ${what()}`);
    await sleep(10);
  }
}

/** When all workers are of one generation and have all the tasks. */
async function settled(workers: readonly Worker[], tasks: number): Promise<void> {
  const show = (): string =>
    workers.map((worker) => `${worker.generation}: ${worker.names().join()}`).join('; ');
  await until(() => {
    const sameGeneration = new Set(workers.map(({ generation }) => generation)).size === 1;
    return sameGeneration && workers.flatMap((worker) => worker.names()).length === tasks;
  }, show);
  expect(new Set(workers.flatMap((worker) => worker.names())).size).toBe(tasks);
}

const takeOvers = (workers: readonly Worker[]): number =>
  workers.reduce((sum, worker) => sum + worker.takeOvers, 0);

/** An app of two processors with 6 and 3 tasks, and as many workers, who joined one after the other. */
async function appOf(context: TestContext, app: string, count: number) {
  const kafka = local.of(context);
  const topics = [`${app}.a-changelog`, `${app}.b-changelog`];
  await createTopics(kafka, [
    { topic: topics[0]!, partitions: 6 },
    { topic: topics[1]!, partitions: 3 },
  ]);
  const workers: Worker[] = [];
  const add = async (disk?: Disk, sessionTimeoutMs?: number): Promise<Worker> => {
    const worker = await new Worker(disk, sessionTimeoutMs).join(kafka, app, topics);
    workers.push(worker);
    await settled(workers, 9);
    return worker;
  };
  const remove = async (worker: Worker): Promise<void> => {
    workers.splice(workers.indexOf(worker), 1);
    await worker.leave();
    await settled(workers, 9);
  };
  for (let i = 0; i < count; i++) await add();
  return { kafka, topics, workers, add, remove };
}

describe('the tasks of an app', () => {
  it('move no more than balance requires when it grows to three members and shrinks to two', async (context) => {
    const { workers, add, remove } = await appOf(context, 'scaled', 1);
    expect(takeOvers(workers)).toBe(9);
    await add();
    expect(takeOvers(workers)).toBe(9 + 4);
    const third = await add();
    expect(takeOvers(workers)).toBe(9 + 4 + 3);
    for (const { owned } of workers) {
      expect(owned.filter(({ topic }) => topic === 'scaled.a-changelog')).toHaveLength(2);
      expect(owned.filter(({ topic }) => topic === 'scaled.b-changelog')).toHaveLength(1);
    }
    const before = takeOvers(workers) - third.takeOvers;
    await remove(third);
    expect(takeOvers(workers)).toBe(before + 3);
  });

  it('come back to the disk that has them when a member restarts', async (context) => {
    const { workers, add, remove } = await appOf(context, 'restarted', 3);
    const [first, ...others] = workers;
    const had = [first!.names(), ...others.map((worker) => worker.names())];
    await remove(first!);
    const again = await add(first!.disk);
    expect([again.names(), ...others.map((worker) => worker.names())]).toEqual(had);
  });

  it('go from a member that is cut off to the others, and back when its network is mended', async (context) => {
    const { workers, add } = await appOf(context, 'cut', 2);
    const rest = [...workers];
    const cut = await add(undefined, shortMs);
    const had = workers.map((worker) => worker.names());
    const before = takeOvers(rest);
    cut.network.cut();
    await settled(rest, 9);
    expect(takeOvers(rest)).toBe(before + 3);
    await until(
      () => cut.isLost,
      () => 'the one that is cut off has lost its tasks',
    );

    // It claims what it had, of an old generation: the others' claims are newer, balance alone gives it something.
    cut.network.mend();
    await settled(workers, 9);
    expect(workers.map((worker) => worker.names())).toEqual(had);
    expect(takeOvers(rest)).toBe(before + 3);
  });
});

describe('members of one app that run different processors', () => {
  it('are given their own, also by a leader that does not know them', async (context) => {
    const { kafka, topics, workers } = await appOf(context, 'mixed', 1);
    await createTopics(kafka, [{ topic: 'mixed.c-changelog', partitions: 2 }]);
    const other = await new Worker().join(kafka, 'mixed', [topics[1]!, 'mixed.c-changelog']);
    await settled([...workers, other], 11);
    expect(workers[0]!.names()).toEqual(
      [0, 1, 2, 3, 4, 5].map((partition) => `mixed.a-changelog-${partition}`),
    );
    expect(other.owned).toHaveLength(5);
  });
});

describe('a member of another protocol', () => {
  it('is refused by the group', async (context) => {
    const { kafka, topics } = await appOf(context, 'refused', 1);
    const joining = GroupMember.join({
      kafka: { brokers: kafka.bootstrapServers.split(','), logLevel: logLevel.NOTHING },
      groupId: 'refused',
      topics,
      onAssigned: () => undefined,
      beforeRebalance: () => Promise.resolve(),
      onLost: () => undefined,
    });
    await expect(joining).rejects.toMatchObject({ code: 'group-refused' });
  });
});
