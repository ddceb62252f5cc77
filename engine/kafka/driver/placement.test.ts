import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Member, placeTasks, type Task } from './placement.ts';

type Placement = ReadonlyMap<string, readonly Task[]>;

const nameOf = ({ topic, partition }: Task): string => `${topic}-${partition}`;
const tasksOf = (counts: Readonly<Record<string, number>>): Task[] =>
  Object.entries(counts).flatMap(([topic, count]) =>
    Array.from({ length: count }, (_, partition) => ({ topic, partition })),
  );
const newcomer = (id: string): Member => ({ id, generation: -1, owned: [], stored: [] });

/** The members as they would come to the next rebalance: each owns, and has stored, what it was given. */
const settled = (placement: Placement, generation = 1): Member[] =>
  [...placement].map(([id, owned]) => ({
    id,
    generation,
    owned,
    stored: owned.map((task) => ({ ...task, offset: 1_000 })),
  }));

const homes = (placement: Placement): Map<string, string> =>
  new Map([...placement].flatMap(([id, tasks]) => tasks.map((task) => [nameOf(task), id] as const)));

/** Names of the tasks that are with another member than before, sorted. */
function moved(before: Placement, after: Placement): string[] {
  const homesBefore = homes(before);
  return [...homes(after)].flatMap(([name, id]) => (homesBefore.get(name) === id ? [] : [name])).sort();
}

const loads = (placement: Placement, topic?: string): number[] =>
  [...placement.values()].map(
    (of) => of.filter((task) => topic === undefined || task.topic === topic).length,
  );
const spread = (numbers: readonly number[]): number => Math.max(...numbers) - Math.min(...numbers);
const squares = (numbers: readonly number[]): number => numbers.reduce((sum, n) => sum + n * n, 0);

const topics = ['a', 'b', 'c'];
const anyTask = fc.record({ topic: fc.constantFrom(...topics), partition: fc.nat(3) });
const anyMember = fc.record({
  id: fc.constantFrom('m1', 'm2', 'm3', 'm4', 'm5'),
  generation: fc.integer({ min: -1, max: 3 }),
  owned: fc.array(anyTask, { maxLength: 8 }),
  stored: fc.array(
    fc.record({
      topic: fc.constantFrom(...topics),
      partition: fc.nat(3),
      offset: fc.oneof(fc.nat(20), fc.constantFrom(-1, NaN, Infinity)),
    }),
    { maxLength: 8 },
  ),
});
const anyMembers = fc.uniqueArray(anyMember, { minLength: 1, maxLength: 5, selector: ({ id }) => id });
const anyTasks = fc.uniqueArray(anyTask, { maxLength: 12, selector: nameOf });

describe('any claims on any tasks', () => {
  it('place each task once, balanced in all and by processor', () => {
    fc.assert(
      fc.property(anyTasks, anyMembers, (tasks, members) => {
        const placement = placeTasks(tasks, members);
        expect([...placement.keys()].sort()).toEqual(members.map(({ id }) => id).sort());
        expect([...placement.values()].flat().map(nameOf).sort()).toEqual(tasks.map(nameOf).sort());
        for (const topic of [undefined, ...topics])
          expect(spread(loads(placement, topic)), topic ?? 'in all').toBeLessThanOrEqual(1);
      }),
      { numRuns: 500 },
    );
  });

  it('give the same whatever the order', () => {
    const shuffled = <T>(items: readonly T[]) =>
      fc.shuffledSubarray([...items], { minLength: items.length, maxLength: items.length });
    const orders = fc
      .tuple(anyTasks, anyMembers)
      .chain(([tasks, members]) =>
        fc.tuple(fc.constant([tasks, members] as const), shuffled(tasks), shuffled(members)),
      );
    fc.assert(
      fc.property(orders, ([[tasks, members], otherTasks, otherMembers]) => {
        const sorted = (placement: Placement): unknown => [...placement].sort(([a], [b]) => (a < b ? -1 : 1));
        expect(sorted(placeTasks(otherTasks, otherMembers))).toEqual(sorted(placeTasks(tasks, members)));
      }),
    );
  });

  it('move nothing when asked again', () => {
    fc.assert(
      fc.property(anyTasks, anyMembers, (tasks, members) => {
        const placement = placeTasks(tasks, members);
        expect(moved(placement, placeTasks(tasks, settled(placement)))).toEqual([]);
      }),
    );
  });
});

/** What makes one placement better than another, most important first, all to be small. */
function badness(home: readonly number[], tasks: readonly Task[], members: readonly Member[]): number[] {
  const count = (topic?: string): number[] =>
    members.map(
      (_, m) => home.filter((at, t) => at === m && (topic ?? tasks[t]!.topic) === tasks[t]!.topic).length,
    );
  const spreads = topics.reduce((sum, topic) => sum + squares(count(topic)), 0);
  const offsetOf = ({ stored }: Member, of: Task): number =>
    Math.max(
      -1,
      ...stored
        .filter((s) => nameOf(s) === nameOf(of) && s.offset >= 0 && s.offset < Infinity)
        .map((s) => s.offset),
    );
  const furthest = Math.max(1, ...members.flatMap((member) => tasks.map((task) => offsetOf(member, task))));
  let moves = 0;
  let restored = 0;
  for (const [t, task] of tasks.entries()) {
    const at = members[home[t]!]!;
    const owner = members
      .filter(({ owned }) => owned.some((one) => nameOf(one) === nameOf(task)))
      .sort((a, b) => b.generation - a.generation || (a.id < b.id ? -1 : 1))
      .at(0);
    if (owner === at) continue;
    moves += 1;
    const best = Math.max(0, ...members.map((member) => offsetOf(member, task)));
    const here = offsetOf(at, task);
    restored += Math.ceil(((best - Math.max(0, here)) / furthest) * 1e6) + (here < 0 ? 1 : 0);
  }
  return [squares(count()), spreads, moves, restored];
}

const isBetter = (a: readonly number[], b: readonly number[]): boolean => {
  const differs = a.findIndex((value, i) => value !== b[i]);
  return differs >= 0 && a[differs]! < b[differs]!;
};

/** Every way to give each of the tasks one of the members that run it. */
function everyHome(tasks: readonly Task[], members: readonly Member[]): number[][] {
  let homes: number[][] = [[]];
  for (const { topic } of tasks) {
    const able = members.flatMap((member, m) => (member.topics?.includes(topic) === false ? [] : [m]));
    homes = homes.flatMap((home) => able.map((m) => [...home, m]));
  }
  return homes;
}

describe('no other placement', () => {
  it('is more balanced, or moves less, or has better stores', () => {
    const fewTasks = fc.uniqueArray(anyTask, { minLength: 1, maxLength: 5, selector: nameOf });
    const ofSomeTopics = fc
      .tuple(anyMember, fc.option(fc.subarray(topics)))
      .map(([member, own]): Member => (own === null ? member : { ...member, topics: own }));
    const fewMembers = fc.uniqueArray(ofSomeTopics, { minLength: 1, maxLength: 3, selector: ({ id }) => id });
    fc.assert(
      fc.property(fewTasks, fewMembers, (tasks, members) => {
        const homesThere = everyHome(tasks, members);
        fc.pre(homesThere.length > 0);
        const placed = homes(placeTasks(tasks, members));
        const ours = badness(
          tasks.map((task) => members.findIndex(({ id }) => id === placed.get(nameOf(task)))),
          tasks,
          members,
        );
        for (const other of homesThere) {
          const theirs = badness(other, tasks, members);
          if (isBetter(theirs, ours)) expect(ours, `${other.join(',')} is better`).toEqual(theirs);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('scaling', () => {
  const tasks = tasksOf({ a: 6, b: 6, c: 6 });

  it('from one member to three moves two thirds, and back to two only what the leaver had', () => {
    const one = placeTasks(tasks, [newcomer('m1')]);
    const three = placeTasks(tasks, [...settled(one), newcomer('m2'), newcomer('m3')]);
    expect(moved(one, three)).toHaveLength(12);
    const two = placeTasks(
      tasks,
      settled(three).filter(({ id }) => id !== 'm2'),
    );
    expect(moved(three, two)).toEqual(three.get('m2')!.map(nameOf).sort());
  });

  it('by a member that joins moves only what that member gets', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 12 }), (count, partitions) => {
        const one = tasksOf({ only: partitions });
        const before = placeTasks(
          one,
          Array.from({ length: count }, (_, i) => newcomer(`m${i}`)),
        );
        const after = placeTasks(one, [...settled(before), newcomer('late')]);
        expect(moved(before, after)).toEqual(after.get('late')!.map(nameOf).sort());
        expect(after.get('late')).toHaveLength(Math.floor(partitions / (count + 1)));
      }),
    );
  });
});

describe('a member that restarts', () => {
  const tasks = tasksOf({ a: 5, b: 4 });
  const three = placeTasks(tasks, ['m1', 'm2', 'm3'].map(newcomer));
  const [first, second, third] = settled(three);
  const restarted: Member = { ...first!, id: 'z9', generation: -1, owned: [] };

  it('gets its tasks back by its disk, though its id is another', () => {
    const after = placeTasks(tasks, [restarted, second!, third!]);
    expect(after.get('z9')).toEqual(three.get('m1'));
    expect(after.get('m2')).toEqual(three.get('m2'));
  });

  it('gets them back also when others had them meanwhile and came further', () => {
    const meanwhile = placeTasks(tasks, [second!, third!]);
    expect(moved(three, meanwhile)).toEqual(three.get('m1')!.map(nameOf).sort());
    const others = settled(meanwhile, 2).map((member) => ({
      ...member,
      stored: member.stored.map((task) => ({ ...task, offset: 2_000 })),
    }));
    const after = placeTasks(tasks, [...others, restarted]);
    expect(after.get('z9')).toEqual(three.get('m1'));
    expect(moved(meanwhile, after)).toEqual(three.get('m1')!.map(nameOf).sort());
  });
});

describe('claims that contradict each other', () => {
  const task = { topic: 'a', partition: 0 };
  const owner = (id: string, generation: number): Member => ({ ...newcomer(id), generation, owned: [task] });
  it.each([
    { claims: [owner('m1', 4), owner('m2', 5)], winner: 'm2', why: 'the newer generation' },
    { claims: [owner('m2', 4), owner('m1', 4)], winner: 'm1', why: 'the lower id of one generation' },
    {
      claims: [owner('m1', 4), { ...newcomer('m0'), stored: [{ ...task, offset: 9 }] }],
      winner: 'm1',
      why: 'the owner over a store',
    },
    {
      claims: ['m1', 'm2'].map((id, i) => ({ ...newcomer(id), stored: [{ ...task, offset: i }] })),
      winner: 'm2',
      why: 'the store that came furthest',
    },
  ])('are won by $why', ({ claims, winner }) => {
    expect(homes(placeTasks([task], claims)).get('a-0')).toBe(winner);
  });
});

describe('members of different topics', () => {
  it('are given tasks of their own topics alone, balanced as far as that goes', () => {
    const tasks = tasksOf({ a: 4, b: 4 });
    const placement = placeTasks(tasks, [
      { ...newcomer('both'), topics: ['a', 'b'] },
      { ...newcomer('only-b'), topics: ['b'] },
    ]);
    expect(placement.get('both')).toEqual(tasksOf({ a: 4 }));
    expect(placement.get('only-b')).toEqual(tasksOf({ b: 4 }));
  });

  it('leave a task to nobody that nobody runs', () => {
    expect(placeTasks(tasksOf({ a: 1 }), [{ ...newcomer('m1'), topics: ['b'] }])).toEqual(
      new Map([['m1', []]]),
    );
    expect(placeTasks(tasksOf({ a: 1 }), [])).toEqual(new Map());
  });
});

it('places 1,000 tasks on 20 members within seconds of the CPU', () => {
  const tasks = tasksOf(Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`p${i}`, 50])));
  const members = Array.from({ length: 19 }, (_, i) => newcomer(`m${i}`));
  const before = placeTasks(tasks, members);
  const started = process.cpuUsage();
  const after = placeTasks(tasks, [...settled(before), newcomer('late')]);
  expect(process.cpuUsage(started).user / 1_000).toBeLessThan(5_000);
  expect(spread(loads(after))).toBe(0);
});
