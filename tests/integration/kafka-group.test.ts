/** Membership in a consumer group, its commits, and a partition as the sink reads it, on a real broker. */
import { setTimeout as sleep } from 'node:timers/promises';
import { logLevel, type PartitionAssigner, PartitionAssigners } from 'kafkajs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Assignment, GroupMember, type GroupMemberConfig } from '#engine/kafka/reader/group-member.ts';
import { KafkaReader } from '#engine/kafka/reader/kafka-reader.ts';
import { kafkaPartitionSource } from '#engine/kafka/reader/partition-source.ts';
import type { LocalKafka } from '#local/kafka/start-kafka.ts';
import { createTopics, kafkaForFile } from './kafka.fixture.ts';
import { TestProducer } from './librdkafka.fixture.ts';

const local = kafkaForFile();

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Longer than a slow machine keeps a member or the broker from running: no member is taken for gone meanwhile. */
const longMs = 120_000;

const configOf = (kafka: LocalKafka) => ({
  brokers: kafka.bootstrapServers.split(','),
  logLevel: logLevel.NOTHING,
});

/** A member that writes down what happens to it. */
async function join(
  kafka: LocalKafka,
  topic: string,
  config: Partial<GroupMemberConfig> = {},
): Promise<{ member: GroupMember; events: string[] }> {
  const events: string[] = [];
  const show = (assignment: Assignment): string => (assignment.get(topic) ?? []).join(',');
  const member = await GroupMember.join({
    kafka: configOf(kafka),
    groupId: `group-${topic}`,
    topics: [topic],
    heartbeatMs: 50,
    sessionTimeoutMs: longMs,
    rebalanceTimeoutMs: longMs,
    onAssigned: (assignment) => events.push(`assigned ${show(assignment)}`),
    beforeRebalance: () => {
      events.push('prepare');
      return Promise.resolve();
    },
    onLost: () => events.push('lost'),
    ...config,
  });
  closing.push(() => member.leave());
  return { member, events };
}

async function until(isSo: () => boolean): Promise<void> {
  const giveUpAtMs = performance.now() + longMs;
  while (!isSo()) {
    if (performance.now() > giveUpAtMs) throw new Error(`not in ${longMs / 1_000} s: ${isSo.toString()}`);
    await sleep(10);
  }
}

const sizes = (...members: readonly GroupMember[]): number[] =>
  members.map(({ assignment }) => [...assignment.values()].flat().length);

describe('a group', () => {
  it('shares its partitions, waits for those who prepare, and gives back what a leaver had', async (context) => {
    const kafka = local.of(context);
    await createTopics(kafka, [{ topic: 'shared', partitions: 4 }]);
    let release = (): void => undefined;
    const prepared = new Promise<void>((resolve) => {
      release = resolve;
    });
    const first = await join(kafka, 'shared', { beforeRebalance: () => prepared });
    expect(first.events).toEqual(['assigned 0,1,2,3']);

    const joining = join(kafka, 'shared');
    expect(await Promise.race([joining, sleep(1_000, 'waits')])).toBe('waits');
    await first.member.commit('shared', 0, 5, 'while preparing');
    const sinceMs = performance.now();
    await until(() => first.member.heardAtMs > sinceMs);
    // Not by joining anew.
    expect(first.events).toHaveLength(1);
    release();
    const second = await joining;
    // It asked to join before that; what happened while it waited for the answer it cannot know.
    expect(second.member.heardAtMs).toBeLessThan(sinceMs);
    await until(() => first.events.length === 2);
    expect(sizes(first.member, second.member)).toEqual([2, 2]);

    await second.member.leave();
    await until(() => first.events.length === 3);
    expect(first.events[2]).toBe('assigned 0,1,2,3');
    expect(await first.member.committed('shared', 0)).toEqual({ offset: 5, metadata: 'while preparing' });
    expect(await first.member.committed('shared', 1)).toBeUndefined();
  });

  it("refuses a commit for a partition that is not the member's", async (context) => {
    const kafka = local.of(context);
    await createTopics(kafka, [{ topic: 'fenced' }]);
    const { member } = await join(kafka, 'fenced');
    await expect(member.commit('fenced', 1, 0, '')).rejects.toMatchObject({ code: 'fenced' });
    await member.leave();
    await expect(member.commit('fenced', 0, 0, '')).rejects.toMatchObject({ code: 'fenced' });
  });

  it('tells a member that was too slow to prepare that it lost everything', async (context) => {
    const kafka = local.of(context);
    await createTopics(kafka, [{ topic: 'slow', partitions: 2 }]);
    const slow = await join(kafka, 'slow', {
      rebalanceTimeoutMs: 600,
      beforeRebalance: () => sleep(3_000),
    });
    const quick = await join(kafka, 'slow', { rebalanceTimeoutMs: 600 });
    // The other one may be too slow as well, which has the group share anew.
    await until(() => slow.events.length >= 3 && sizes(slow.member, quick.member).join() === '1,1');
    expect(slow.events[1]).toBe('lost');
  });

  it('tells a member that stood still while it prepared that it lost everything', async (context) => {
    const kafka = local.of(context);
    await createTopics(kafka, [{ topic: 'still', partitions: 2 }]);
    const generations: string[][] = [];
    const assigner: PartitionAssigner = (config) => {
      const inner = PartitionAssigners.roundRobin(config);
      return {
        ...inner,
        assign: (group) => {
          generations.push(group.members.map(({ memberId }) => memberId));
          return inner.assign(group);
        },
      };
    };
    const config = { rebalanceTimeoutMs: 300, assigner };
    let stands = true;
    const still = await join(kafka, 'still', {
      ...config,
      // As a process that is not scheduled: not even heartbeats go out, and then it is ready at once.
      beforeRebalance: () => {
        if (stands) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_000);
        stands = false;
        return Promise.resolve();
      },
    });
    const other = await join(kafka, 'still', config);
    await until(() => sizes(still.member, other.member).join() === '1,1');
    // A broker that stands still for as long has waited for it.
    const isForgotten = !generations.at(-1)!.includes(generations[0]![0]!);
    expect(still.events.includes('lost')).toBe(isForgotten);
  });

  it('hears of a rebalance after the clock was set back', async (context) => {
    const kafka = local.of(context);
    await createTopics(kafka, [{ topic: 'back', partitions: 2 }]);
    const first = await join(kafka, 'back');
    const now = Date.now;
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() - 3_600_000);
    closing.push(() => {
      clock.mockRestore();
      return Promise.resolve();
    });
    const second = await join(kafka, 'back');
    await until(() => sizes(first.member, second.member).join() === '1,1');
    expect(first.events.slice(0, 2)).toEqual(['assigned 0,1', 'prepare']);
  });

  it('takes a member in again after its broker was away', async (context) => {
    const kafka = local.of(context);
    await createTopics(kafka, [{ topic: 'away' }]);
    const troubles: string[] = [];
    const { member } = await join(kafka, 'away', {
      onTrouble: ({ code }) => troubles.push(code),
    });
    await member.commit('away', 0, 7, 'kept');
    await kafka.brokers[0]!.kill();
    await until(() => troubles.length > 0);
    await kafka.brokers[0]!.restart();
    const isCommitted = async (): Promise<boolean> => {
      try {
        await member.commit('away', 0, 8, 'after');
        return true;
      } catch {
        return false;
      }
    };
    while (!(await isCommitted())) await sleep(50);
    expect(await member.committed('away', 0)).toEqual({ offset: 8, metadata: 'after' });
  });
});

describe('a partition as the sink reads it', () => {
  it('gives any range again, and nothing only at its end', async (context) => {
    const kafka = local.of(context);
    const topic = 'sunk';
    await createTopics(kafka, [{ topic }]);
    const producer = await TestProducer.connect(kafka.bootstrapServers, { 'transactional.id': topic });
    closing.push(() => producer.close());
    const write = (...values: string[]): Promise<void> =>
      producer.write(values.map((value) => ({ topic, partition: 0, key: null, value: Buffer.from(value) })));
    for (const values of [['a', 'b'], ['c'], ['d', 'e']]) {
      await producer.begin();
      await write(...values);
      await (values.includes('c') ? producer.abort() : producer.commit());
    }
    const { member } = await join(kafka, topic);
    const reader = await KafkaReader.connect({ kafka: configOf(kafka), maxWaitMs: 20 });
    closing.push(() => reader.close());
    // The last transaction was answered for before its marker was written.
    await expect.poll(() => reader.offsetOf(topic, 0, 'end'), { timeout: longMs }).toBe(8);
    const forever = new AbortController().signal;
    const source = await kafkaPartitionSource(reader, member, { topic, partition: 0 }, forever);
    const offsets = async (from: number, max: number): Promise<number[]> =>
      (await source.read(from, max)).map(({ offset }) => offset);

    // Offsets: a 0, b 1, COMMIT 2, c 3, ABORT 4, d 5, e 6, COMMIT 7.
    expect(await offsets(0, 3)).toEqual([0, 1, 5]);
    expect(await offsets(6, 10)).toEqual([6]);
    expect(await offsets(7, 10)).toEqual([]);
    expect(await source.endOffset()).toBe(8);
    expect(await offsets(1, 2)).toEqual([1, 5]);
    expect(await offsets(2, 2)).toEqual([5, 6]);
    expect(await offsets(8, 2)).toEqual([]);

    await source.commit(6, 'to 8');
    expect(await source.committed()).toEqual({ offset: 6, metadata: 'to 8' });
    const arrived = source.waitForData(8, AbortSignal.timeout(longMs));
    await producer.begin();
    await write('f');
    await producer.commit();
    await arrived;
    expect(await offsets(8, 10)).toEqual([8]);
  });
});
