/**
 * Which member of the group runs which tasks: a pure function of what the members say of themselves.
 *
 * Written as a flow of least cost (`placement-flow.ts`): task -> slot (a processor at a member) -> member -> sink. Want
 * of balance is the burden; what has a price is each task that leaves its owner, and then what it has to restore.
 *
 * I1  Every task that some member may have is placed exactly once, and no other.
 * I2  Members of the same topics have loads that differ by at most 1, in all and for each processor alone (both are
 *     always possible at once). Where members have other topics, the sum of their squared loads is the least, and of
 *     such placements those are taken whose processors are spread best.
 * I3  No placement that is as balanced keeps more tasks with their owners. A member that joins takes what balance requires.
 * I4  Of those, none has less to restore, by the offsets of the stores: a task that must move goes to the member that has
 *     most of it on disk. So a member that comes back, under a new id, gets its own tasks back.
 * I5  The order of tasks and members means nothing; claims on tasks that are none, and nonsense offsets, neither.
 */
import { addArc, type Arc, type Network, networkOf, sendOne } from './placement-flow.ts';

/** A task, named by its partition of its processor's changelog topic. */
export interface Task {
  readonly topic: string;
  readonly partition: number;
}

/** A task's store on a member's disk, with the changelog offset up to which it has come. */
export interface StoredTask extends Task {
  readonly offset: number;
}

export interface Member {
  readonly id: string;
  /** The group's generation in which it owned `owned`; of several owners the newest is believed, then the lowest id. */
  readonly generation: number;
  readonly owned: readonly Task[];
  readonly stored: readonly StoredTask[];
  /** The topics whose tasks it runs; all by default. */
  readonly topics?: readonly string[];
}

const nameOf = ({ topic, partition }: Task): string => `${topic}-${partition}`;

const compare = <T extends string | number>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);
const byName = (a: Task, b: Task): number => compare(a.topic, b.topic) || a.partition - b.partition;

/** The price of restoring the task whose store has come furthest, from nothing. */
const wholeRestore = 1_000_000;

/** Of a task: at members that claim nothing, and at those that do. */
interface Prices {
  readonly anywhere: number;
  readonly at: ReadonlyMap<string, number>;
}

/** Task name -> its owner: the claim of the newest generation, then of the lowest id. */
function ownersOf(members: readonly Member[]): Map<string, string> {
  const owners = new Map<string, string>();
  // Later entries replace earlier ones.
  const weakestFirst = members.toSorted((a, b) => a.generation - b.generation || compare(b.id, a.id));
  for (const { id, owned } of weakestFirst) for (const task of owned) owners.set(nameOf(task), id);
  return owners;
}

/** Task name -> member -> offset of its store. */
function storesOf(members: readonly Member[]): Map<string, Map<string, number>> {
  const stores = new Map<string, Map<string, number>>();
  for (const { id, stored } of members)
    for (const task of stored) {
      if (!Number.isFinite(task.offset) || task.offset < 0) continue;
      const name = nameOf(task);
      const offsets = stores.get(name) ?? new Map<string, number>();
      stores.set(name, offsets.set(id, Math.max(task.offset, offsets.get(id) ?? 0)));
    }
  return stores;
}

function pricesOf(tasks: readonly Task[], members: readonly Member[]): Prices[] {
  const owners = ownersOf(members);
  const stores = storesOf(members);
  const furthest = Math.max(1, ...[...stores.values()].map((offsets) => Math.max(...offsets.values())));
  // One move more costs more than to restore all.
  const move = (wholeRestore + 1) * tasks.length;
  return tasks.map((task) => {
    const name = nameOf(task);
    const offsets = stores.get(name) ?? new Map<string, number>();
    const best = Math.max(0, ...offsets.values());
    const restoreFrom = (offset: number): number => Math.ceil(((best - offset) / furthest) * wholeRestore);
    const at = new Map<string, number>();
    for (const [id, offset] of offsets) at.set(id, move + restoreFrom(offset));
    const owner = owners.get(name);
    if (owner !== undefined) at.set(owner, 0);
    return { anywhere: move + restoreFrom(0) + 1, at };
  });
}

/** What a member may have of a processor. */
interface Slot {
  readonly topic: string;
  readonly member: number;
  readonly node: number;
}

const slotsOf = (topics: readonly string[], members: readonly Member[], firstNode: number): Slot[] =>
  topics
    .flatMap((topic) =>
      members.flatMap(({ topics: own }, member) =>
        own === undefined || own.includes(topic) ? [{ topic, member }] : [],
      ),
    )
    .map((slot, i) => ({ ...slot, node: firstNode + i }));

/** The same member twice would be two members. */
function distinct<T>(items: readonly T[], nameOfItem: (item: T) => string): T[] {
  return [...new Map(items.map((item) => [nameOfItem(item), item])).values()];
}

/** Member id -> its tasks, by topic and partition. Every member is in it. */
export function placeTasks(
  givenTasks: readonly Task[],
  givenMembers: readonly Member[],
): Map<string, readonly Task[]> {
  const tasks = distinct(givenTasks, nameOf).sort(byName);
  const members = distinct(givenMembers, ({ id }) => id).sort((a, b) => compare(a.id, b.id));
  const placed = new Map<string, Task[]>(members.map(({ id }) => [id, []]));
  const plan = planOf(tasks, members);
  for (const [index] of tasks.entries()) sendOne(plan.network, index, plan.sink);
  for (const [index, task] of tasks.entries()) {
    const slot = plan.choices[index]!.find(({ arc }) => arc.flow > 0)?.slot ?? plan.anySlot(task.topic);
    if (slot !== undefined) placed.get(members[slot.member]!.id)!.push(task);
  }
  return placed;
}

interface Plan {
  readonly network: Network;
  readonly sink: number;
  /** By task: where one of its claims is honoured when the arc carries it. */
  readonly choices: readonly (readonly { readonly arc: Arc; readonly slot: Slot }[])[];
  /** Where the next task of the topic goes whose claims are not honoured: one is as good as another there. */
  readonly anySlot: (topic: string) => Slot | undefined;
}

function planOf(tasks: readonly Task[], members: readonly Member[]): Plan {
  const topics = [...new Set(tasks.map(({ topic }) => topic))];
  const firstSlot = tasks.length + topics.length;
  const slots = slotsOf(topics, members, firstSlot);
  const firstMember = firstSlot + slots.length;
  const sink = firstMember + members.length;
  const network = networkOf(sink + 1);
  const prices = pricesOf(tasks, members);
  // One slot's or more: members are balanced first.
  const memberRise = tasks.length + 1;
  const anyNode = (topic: string): number => tasks.length + topics.indexOf(topic);
  const open = { price: 0, rise: 0, capacity: Infinity };
  const anyArcs = slots.map((slot) => ({
    slot,
    arc: addArc(network, { ...open, from: anyNode(slot.topic), to: slot.node }),
  }));
  for (const { node, member } of slots)
    addArc(network, { ...open, rise: 1, from: node, to: firstMember + member });
  for (const [member] of members.entries())
    addArc(network, { ...open, rise: memberRise, from: firstMember + member, to: sink });
  const choices = tasks.map(({ topic }, from) => {
    const { anywhere, at } = prices[from]!;
    addArc(network, { from, to: anyNode(topic), price: anywhere, rise: 0, capacity: 1 });
    return slots.flatMap((slot) => {
      const price = slot.topic === topic ? at.get(members[slot.member]!.id) : undefined;
      if (price === undefined) return [];
      return [{ slot, arc: addArc(network, { from, to: slot.node, price, rise: 0, capacity: 1 }) }];
    });
  });
  const anySlot = (topic: string): Slot | undefined => {
    const free = anyArcs.find(({ arc, slot }) => slot.topic === topic && arc.flow > 0);
    if (free !== undefined) free.arc.flow -= 1;
    return free?.slot;
  };
  return { network, sink, choices, anySlot };
}
