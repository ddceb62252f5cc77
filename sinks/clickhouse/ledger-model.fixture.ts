/**
 * The protocol of partition-sink.ts as a small model (ledger-search.fixture.ts searches through everything that can happen to it).
 *
 * A world is a partition's log, the group's position with its promise, a table and the target of a view behind it, which remember
 * tokens, and the owners that are alive. A move is one step of one of them, or a fault.
 *
 * The model is harsher than Kafka: an owner that lost its partition goes on until a commit is refused. It leaves out rows that
 * ClickHouse refuses, and dead letters: ledger.test.ts has these, with the real code.
 */

/** A batch under way: offsets [from, to). */
export interface Batch {
  readonly from: number;
  readonly to: number;
  /** Made again from a promise. */
  readonly isRestored: boolean;
  /** From one that was old already. */
  readonly isOld: boolean;
  /** Sent before, without an answer. */
  readonly isRepeated: boolean;
}

/** What is in a table. */
interface Rows {
  /** Copies of each offset. */
  readonly copies: readonly number[];
  /** Those that it remembers. */
  readonly tokens: readonly string[];
}

/** A block on its way to ClickHouse. */
export interface Insert {
  readonly token: string;
  readonly offsets: readonly number[];
}

export interface Owner {
  /** Whether the partition is still its own; if not, its commits are refused. */
  readonly isCurrent: boolean;
  readonly step: 'join' | 'idle' | 'look' | 'insert' | 'wait' | 'verify' | 'done';
  readonly position: number;
  readonly batch?: Batch;
  /** What it waits for an answer to. */
  readonly sent?: Insert;
}

export interface World {
  /** `isOld`: so much went in since the promise that its token is not relied on (token-memory.ts), and may be forgotten. */
  readonly committed: { readonly offset: number; readonly to: number | null; readonly isOld: boolean };
  readonly table: Rows;
  readonly target: Rows;
  /** Offsets of which somebody was told that the target may lack them or have them twice. */
  readonly told: readonly boolean[];
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
  /** The table forgets a token. */
  readonly forgotten: number;
  /** The target of the view forgets a token. */
  readonly forgottenByTarget: number;
  /** ClickHouse is killed when it has noted a token and not yet kept the rows. */
  readonly killed: number;
  /** ClickHouse is killed, or the view fails, when the rows are in the table and not yet in the target. */
  readonly halfway: number;
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
  /** The next owner sends nothing when all rows are in the table. */
  | 'views not heeded'
  /** The next owner sends the rows again for the view however long ago they were promised. */
  | 'repeats what may be forgotten'
  /** A repair doubles in the target, and nobody is told. */
  | 'repair not told'
  /** A token is forgotten while an insert with it may still come. */
  | 'window too small'
  /**
   * An owner acts on the position that it has read without waiting for the group's answer to a later heartbeat
   * (kafka/confirmed.ts): one that lost the partition before takes up its successor's promise.
   */
  | 'position not confirmed';

export interface Move {
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

export class Protocol {
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
        // What grows old after it has been read is not forgotten before it is sent.
        const isRelied = !batch!.isOld || this.#changed === 'repeats what may be forgotten';
        if (!isPresent(world, batch!) || (isRelied && this.#changed !== 'views not heeded'))
          yield to('looks', { ...owner, step: 'insert' });
        else {
          const isTold = this.#changed !== 'views not heeded';
          yield to('looks, sends nothing', finished(owner), isTold ? tell(world, offsetsOf(batch!)) : world);
        }
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
        const missing = offsetsOf(batch!).filter((offset) => world.table.copies[offset] === 0);
        if (missing.length === 0) yield to('finds all', finished(owner));
        else {
          const token = `${tokenOf(batch!)}/missing-${missing.join()}`;
          const base = this.#changed === 'repair not told' ? world : tell(world, missing);
          yield to(`sends ${token}`, { ...owner, step: 'wait', sent: { token, offsets: missing } }, base);
        }
        return;
      }
      case 'done':
        if (position !== this.#records) throw new Error('done before the end');
    }
  }

  #joined(owner: Owner, { offset, to, isOld }: World['committed']): Owner {
    if (to === null || this.#changed === 'promise not kept')
      return { ...owner, step: 'idle', position: offset };
    const batch = { from: offset, to, isRestored: true, isOld, isRepeated: false };
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
      yield this.#commit(world, index, { offset: position, to: null, isOld: false }, next);
    } else if (position === this.#records)
      yield { name: `owner ${index} is done`, world: withOwner(world, index, { ...owner, step: 'done' }) };
    for (let to = position + 1; to <= Math.min(position + maxBatch, this.#records); to += 1) {
      const batch = { from: position, to, isRestored: false, isOld: false, isRepeated: false };
      const next: Owner = { ...owner, step: 'insert', batch };
      if (this.#changed === 'no intent')
        yield { name: `owner ${index} takes ${tokenOf(batch)}`, world: withOwner(world, index, next) };
      else if (this.#changed === 'commit before insert')
        yield this.#commit(world, index, { offset: to, to: null, isOld: false }, next);
      else yield this.#commit(world, index, { offset: position, to, isOld: false }, next);
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

  /** The table takes a block, then the target; `isHalf`: the target's turn does not come. */
  #arrived(world: World, insert: Insert, isHalf = false): World {
    const table = this.#taken(world.table, insert);
    return { ...world, table, target: isHalf ? world.target : this.#taken(world.target, insert) };
  }

  #taken(into: Rows, { token, offsets }: Insert): Rows {
    if (this.#changed !== 'no token' && into.tokens.includes(token)) return into;
    const copies = into.copies.map((count, offset) => count + (offsets.includes(offset) ? 1 : 0));
    return { copies, tokens: [...into.tokens, token].sort() };
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
    if (left.halfway > 0) {
      const half = this.#arrived({ ...world, left: count(left, 'halfway') }, sent, true);
      yield {
        name: `ClickHouse dies with ${sent.token} in the table alone`,
        world: withOwner(half, index, again),
      };
    }
    const { table } = world;
    if (left.killed > 0 && !table.tokens.includes(sent.token)) {
      const tokens = [...table.tokens, sent.token].sort();
      const noted = { ...world, table: { ...table, tokens }, left: count(left, 'killed') };
      yield { name: `ClickHouse dies with ${sent.token} noted`, world: withOwner(noted, index, again) };
    }
  }

  /** The window outlives whatever may still be sent of a batch, its repairs too, and a promise that is not old. */
  *#forgettings(world: World): Generator<Move> {
    const { committed, left } = world;
    if (left.forgotten + left.forgottenByTarget === 0) return;
    if (committed.to !== null && !committed.isOld)
      yield { name: 'the promise grows old', world: { ...world, committed: { ...committed, isOld: true } } };
    for (const [where, fault] of [
      ['table', 'forgotten'],
      ['target', 'forgottenByTarget'],
    ] as const) {
      if (left[fault] === 0) continue;
      for (const token of world[where].tokens) {
        if (this.#mayCome(world, batchOf(token)) && this.#changed !== 'window too small') continue;
        const tokens = world[where].tokens.filter((one) => one !== token);
        yield {
          name: `the ${where} forgets ${token}`,
          world: { ...world, [where]: { ...world[where], tokens }, left: count(left, fault) },
        };
      }
    }
  }

  /** Whether something of a batch may still be sent under its token. */
  #mayCome({ committed, owners, stray }: World, batch: string): boolean {
    return (
      stray.some(({ token }) => batchOf(token) === batch) ||
      owners.some((owner) => owner.batch !== undefined && tokenOf(owner.batch) === batch) ||
      (committed.to !== null &&
        !committed.isOld &&
        tokenOf({ from: committed.offset, to: committed.to }) === batch)
    );
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

const isPresent = ({ table }: World, batch: Batch): boolean =>
  offsetsOf(batch).every((offset) => table.copies[offset]! > 0);

const tell = (world: World, offsets: readonly number[]): World => ({
  ...world,
  told: world.told.map((isTold, offset) => isTold || offsets.includes(offset)),
});

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
