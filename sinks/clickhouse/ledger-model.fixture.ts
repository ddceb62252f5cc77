/**
 * The protocol of partition-sink.ts as a small model, and a search through everything that can happen to it.
 *
 * A world is a partition's log, the group's position with its promise, a table that remembers tokens, and the owners that are
 * alive. A move is one step of one of them, or a fault. `explore` visits every world that any order of moves leads to, nearest first,
 * so the way that it prints to a fault is the shortest one.
 *
 * The model is harsher than Kafka: an owner that lost its partition goes on until a commit is refused. It leaves out rows that
 * ClickHouse refuses, and dead letters: ledger.test.ts has these, with the real code.
 */

/** A batch under way: offsets [from, to). */
interface Batch {
  readonly from: number;
  readonly to: number;
  /** Made again from a promise. */
  readonly isRestored: boolean;
  /** Sent before, without an answer. */
  readonly isRepeated: boolean;
}

/** A block on its way to ClickHouse. */
interface Insert {
  readonly token: string;
  readonly offsets: readonly number[];
}

interface Owner {
  /** Whether the partition is still its own; if not, its commits are refused. */
  readonly isCurrent: boolean;
  readonly step: 'join' | 'idle' | 'look' | 'insert' | 'wait' | 'verify' | 'done';
  readonly position: number;
  readonly batch?: Batch;
  /** What it waits for an answer to. */
  readonly sent?: Insert;
}

interface World {
  readonly committed: { readonly offset: number; readonly to: number | null };
  /** Copies of each offset in the table. */
  readonly rows: readonly number[];
  /** Those that ClickHouse remembers. */
  readonly tokens: readonly string[];
  readonly owners: readonly Owner[];
  /** Inserts that nobody waits for any more, and that may still arrive. */
  readonly stray: readonly Insert[];
  readonly left: Faults;
}

/** How many of each may happen. */
export interface Faults {
  /** An owner dies. */
  readonly crashes: number;
  /** The partition goes to another owner, and the one before does not know. */
  readonly rebalances: number;
  /** An answer is lost or late: the owner sends its insert again. */
  readonly repeats: number;
  /** ClickHouse forgets a token. */
  readonly forgotten: number;
  /** ClickHouse is killed when it has noted a token and not yet kept the rows. */
  readonly killed: number;
}

/** A way to break the protocol, or an assumption of it. */
export type Mutation =
  /** Inserts without a promise, then commits. */
  | 'no intent'
  | 'commit before insert'
  | 'no token'
  /** Commits of an owner that has lost the partition are accepted. */
  | 'generation not checked'
  /** The next owner makes batches of its own instead of the promised one. */
  | 'promise not kept'
  /** The next owner inserts without looking whether the rows are there. */
  | 'no look before repeating'
  /** An insert that was answered by the memory of a token is believed. */
  | 'no look after repeating'
  /** A token is forgotten while an insert with it may still come. */
  | 'window too small'
  /**
   * An owner acts on the position that it has read without waiting for the group's answer to a later heartbeat
   * (kafka/confirmed.ts): one that lost the partition before takes up its successor's promise.
   */
  | 'position not confirmed';

export interface Found {
  readonly worlds: number;
  /** What went wrong, with the moves that lead to it; undefined when nothing can. */
  readonly fault?: { readonly what: string; readonly moves: readonly string[] };
}

interface Move {
  readonly name: string;
  readonly world: World;
}

const maxBatch = 2;
const maxOwners = 2;

const offsetsOf = ({ from, to }: Pick<Batch, 'from' | 'to'>): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i);
const tokenOf = ({ from, to }: Pick<Batch, 'from' | 'to'>): string => `${from}-${to}`;
const count = (left: Faults, fault: keyof Faults): Faults => ({ ...left, [fault]: left[fault] - 1 });

/** Of a repair's token: that of the batch that it repairs. */
const batchOf = (token: string): string => token.split('/')[0]!;

class Protocol {
  readonly #records: number;
  readonly #changed: Mutation | undefined;

  constructor(records: number, changed: Mutation | undefined) {
    this.#records = records;
    this.#changed = changed;
  }

  /** What can happen next. */
  *moves(world: World): Generator<Move> {
    for (const [index, owner] of world.owners.entries()) {
      yield* this.#steps(world, index, owner);
      yield* this.#ownersFaults(world, index, owner);
    }
    for (const [index, insert] of world.stray.entries()) {
      const without = { ...world, stray: world.stray.filter((_, i) => i !== index) };
      yield { name: `stray ${insert.token} arrives`, world: this.#arrived(without, insert) };
    }
    yield* this.#forgettings(world);
    yield* starts(world);
  }

  *#steps(world: World, index: number, owner: Owner): Generator<Move> {
    const to = (name: string, next: Owner, base = world): Move => ({
      name: `owner ${index} ${name}`,
      world: withOwner(base, index, next),
    });
    const { position, batch } = owner;
    switch (owner.step) {
      case 'join':
        if (!owner.isCurrent && this.#changed !== 'position not confirmed')
          yield { name: `owner ${index} hears that it is none`, world: without(world, index) };
        else yield to('reads the position', this.#joined(owner, world.committed));
        return;
      case 'idle':
        yield* this.#idle(world, index, owner);
        return;
      case 'look': {
        const isThere = isPresent(world, batch!);
        yield to('looks', isThere ? finished(owner) : { ...owner, step: 'insert' });
        return;
      }
      case 'insert':
        yield to(`sends ${tokenOf(batch!)}`, {
          ...owner,
          step: 'wait',
          sent: { token: tokenOf(batch!), offsets: offsetsOf(batch!) },
        });
        return;
      case 'wait':
        yield to('is answered', this.#answered(owner), this.#arrived(world, owner.sent!));
        return;
      case 'verify': {
        const missing = offsetsOf(batch!).filter((offset) => world.rows[offset] === 0);
        if (missing.length === 0) yield to('finds all', finished(owner));
        else {
          const token = `${tokenOf(batch!)}/missing-${missing.join()}`;
          yield to(`sends ${token}`, { ...owner, step: 'wait', sent: { token, offsets: missing } });
        }
        return;
      }
      case 'done':
        if (position !== this.#records) throw new Error('done before the end');
    }
  }

  #joined(owner: Owner, { offset, to }: World['committed']): Owner {
    if (to === null || this.#changed === 'promise not kept')
      return { ...owner, step: 'idle', position: offset };
    const batch = { from: offset, to, isRestored: true, isRepeated: false };
    const step = this.#changed === 'no look before repeating' ? 'insert' : 'look';
    return { ...owner, step, position: offset, batch };
  }

  /** Takes the next batch, of any size, or leaves no promise behind. */
  *#idle(world: World, index: number, owner: Owner): Generator<Move> {
    const { position } = owner;
    const { committed } = world;
    if (committed.offset !== position || committed.to !== null) {
      const isEnd = position === this.#records;
      const next: Owner = isEnd ? { ...owner, step: 'done' } : owner;
      yield this.#commit(world, index, { offset: position, to: null }, next);
    } else if (position === this.#records)
      yield { name: `owner ${index} is done`, world: withOwner(world, index, { ...owner, step: 'done' }) };
    for (let to = position + 1; to <= Math.min(position + maxBatch, this.#records); to += 1) {
      const batch = { from: position, to, isRestored: false, isRepeated: false };
      const next: Owner = { ...owner, step: 'insert', batch };
      if (this.#changed === 'no intent')
        yield { name: `owner ${index} takes ${tokenOf(batch)}`, world: withOwner(world, index, next) };
      else if (this.#changed === 'commit before insert')
        yield this.#commit(world, index, { offset: to, to: null }, next);
      else yield this.#commit(world, index, { offset: position, to }, next);
    }
  }

  #commit(world: World, index: number, committed: World['committed'], next: Owner): Move {
    const what = `commits ${committed.offset}${committed.to === null ? '' : `, promises to ${committed.to}`}`;
    if (world.owners[index]!.isCurrent || this.#changed === 'generation not checked')
      return { name: `owner ${index} ${what}`, world: withOwner({ ...world, committed }, index, next) };
    return { name: `owner ${index} ${what}: refused, stops`, world: without(world, index) };
  }

  #answered(owner: Owner): Owner {
    const { batch, sent, ...rest } = owner;
    const isRepair = sent!.token.includes('/');
    const isDoubtful = isRepair || batch!.isRestored || batch!.isRepeated;
    if (isDoubtful && this.#changed !== 'no look after repeating')
      return { ...rest, step: 'verify', batch: batch! };
    return finished(owner);
  }

  #arrived(world: World, { token, offsets }: Insert): World {
    if (this.#changed !== 'no token' && world.tokens.includes(token)) return world;
    const rows = world.rows.map((copies, offset) => copies + (offsets.includes(offset) ? 1 : 0));
    return { ...world, rows, tokens: [...world.tokens, token].sort() };
  }

  *#ownersFaults(world: World, index: number, owner: Owner): Generator<Move> {
    const { left } = world;
    const stray = owner.sent === undefined ? world.stray : [...world.stray, owner.sent];
    if (left.crashes > 0 && owner.step !== 'done')
      yield {
        name: `owner ${index} dies`,
        world: without({ ...world, stray: sorted(stray), left: count(left, 'crashes') }, index),
      };
    const { batch, sent, ...rest } = owner;
    if (sent === undefined) return;
    const isRepair = sent.token.includes('/');
    const again: Owner = {
      ...rest,
      step: isRepair ? 'verify' : 'insert',
      batch: { ...batch!, isRepeated: true },
    };
    if (left.repeats > 0) {
      const fewer = { ...world, left: count(left, 'repeats') };
      yield {
        name: `owner ${index} waits no longer`,
        world: withOwner({ ...fewer, stray: sorted(stray) }, index, again),
      };
      yield {
        name: `owner ${index}'s answer is lost`,
        world: withOwner(this.#arrived(fewer, sent), index, again),
      };
    }
    if (left.killed > 0 && !world.tokens.includes(sent.token)) {
      const noted = { ...world, tokens: [...world.tokens, sent.token].sort(), left: count(left, 'killed') };
      yield { name: `ClickHouse dies with ${sent.token} noted`, world: withOwner(noted, index, again) };
    }
  }

  /** The window outlives whatever may still be sent of a batch, its repairs too. */
  *#forgettings(world: World): Generator<Move> {
    if (world.left.forgotten === 0) return;
    for (const token of world.tokens) {
      const isOf = ({ token: own }: Insert): boolean => batchOf(own) === batchOf(token);
      const mayCome =
        world.stray.some(isOf) ||
        world.owners.some(({ batch }) => batch !== undefined && batchOf(token) === tokenOf(batch));
      if (mayCome && this.#changed !== 'window too small') continue;
      yield {
        name: `ClickHouse forgets ${token}`,
        world: {
          ...world,
          tokens: world.tokens.filter((one) => one !== token),
          left: count(world.left, 'forgotten'),
        },
      };
    }
  }
}

/** A new owner: where none is current, or because the partition is taken away. */
function* starts(world: World): Generator<Move> {
  const owner: Owner = { isCurrent: true, step: 'join', position: 0 };
  const current = world.owners.find(({ isCurrent }) => isCurrent);
  if (world.owners.length >= maxOwners || current?.step === 'done') return;
  if (current === undefined)
    yield { name: 'an owner starts', world: { ...world, owners: [...world.owners, owner] } };
  else if (world.left.rebalances > 0)
    yield {
      name: 'a rebalance: another owner starts',
      world: {
        ...world,
        owners: [...world.owners.map((one) => ({ ...one, isCurrent: false })), owner],
        left: count(world.left, 'rebalances'),
      },
    };
}

function finished({ isCurrent, batch }: Owner): Owner {
  return { isCurrent, step: 'idle', position: batch!.to };
}

const isPresent = ({ rows }: World, batch: Batch): boolean =>
  offsetsOf(batch).every((offset) => rows[offset]! > 0);

const sorted = (inserts: readonly Insert[]): readonly Insert[] =>
  inserts.toSorted((a, b) => (a.token < b.token ? -1 : 1));

const withOwner = (world: World, index: number, owner: Owner): World => ({
  ...world,
  owners: world.owners.map((one, i) => (i === index ? owner : one)),
});

const without = (world: World, index: number): World => ({
  ...world,
  owners: world.owners.filter((_, i) => i !== index),
});

/** What is wrong with a world; `isEnd`: nothing more can happen in it. */
function wrongWith({ rows, committed }: World, isEnd: boolean): string | undefined {
  const doubled = rows.findIndex((copies) => copies > 1);
  if (doubled >= 0) return `duplicate: offset ${doubled} is in the table ${rows[doubled]!} times`;
  const lost = rows.findIndex((copies, offset) => copies === 0 && offset < committed.offset);
  if (lost >= 0) return `loss: the position is ${committed.offset}, and offset ${lost} is not in the table`;
  if (isEnd && (committed.offset < rows.length || committed.to !== null))
    return `stuck at position ${committed.offset}`;
  return undefined;
}

/** A world with the way to it. */
interface Visit {
  readonly world: World;
  readonly by: string;
  readonly before: Visit | undefined;
}

/** Visits every world that can be reached with these faults, up to the first that is wrong. */
export function explore(records: number, faults: Faults, changed?: Mutation): Found {
  const protocol = new Protocol(records, changed);
  const first: World = {
    committed: { offset: 0, to: null },
    rows: new Array<number>(records).fill(0),
    tokens: [],
    owners: [],
    stray: [],
    left: faults,
  };
  const seen = new Set([keyOf(first)]);
  let edge: Visit[] = [{ world: first, by: 'nothing yet', before: undefined }];
  while (edge.length > 0) {
    const next: Visit[] = [];
    for (const visit of edge) {
      let isEnd = true;
      for (const { name, world } of protocol.moves(visit.world)) {
        isEnd = false;
        const key = keyOf(world);
        if (seen.has(key)) continue;
        seen.add(key);
        next.push({ world, by: name, before: visit });
      }
      const what = wrongWith(visit.world, isEnd);
      if (what !== undefined) return { worlds: seen.size, fault: { what, moves: wayTo(visit) } };
    }
    edge = next;
  }
  return { worlds: seen.size };
}

function wayTo(visit: Visit): string[] {
  const moves: string[] = [];
  for (let at = visit; at.before !== undefined; at = at.before) moves.unshift(at.by);
  return moves;
}

/** Worlds are built in one way only up to the order of an owner's members. */
function keyOf({ committed, rows, tokens, owners, stray, left }: World): string {
  const inserts = (list: readonly Insert[]): string => list.map(({ token }) => token).join(';');
  const batchKey = ({ from, to, isRestored, isRepeated }: Batch): string =>
    `${from}-${to}${isRestored ? 'r' : ''}${isRepeated ? 'a' : ''}`;
  const of = ({ isCurrent, step, position, batch, sent }: Owner): string =>
    `${isCurrent ? '+' : '-'}${step}${position}${batch === undefined ? '' : batchKey(batch)}>${sent?.token ?? ''}`;
  return [
    committed.offset,
    committed.to,
    rows.join(),
    tokens.join(';'),
    owners.map(of).join('&'),
    inserts(stray),
    Object.values(left).join(),
  ].join('|');
}
