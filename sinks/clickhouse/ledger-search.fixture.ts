/**
 * The search through everything that can happen to the protocol of ledger-model.fixture.ts: every world that any order of moves
 * leads to, nearest first, so the way that it prints to a fault is the shortest one.
 */
import {
  Protocol,
  type Batch,
  type Faults,
  type Insert,
  type Mutation,
  type Owner,
  type World,
} from './ledger-model.fixture.ts';

export interface Found {
  readonly worlds: number;
  /** What went wrong, with the moves that lead to it; undefined when nothing can. */
  readonly fault?: { readonly what: string; readonly moves: readonly string[] };
}

/** What is wrong with a world; `isEnd`: nothing more can happen in it. */
function wrongWith({ table, target, told, committed }: World, isEnd: boolean): string | undefined {
  const { offset: position } = committed;
  for (const [name, { copies }] of [
    ['table', table],
    ['target', target],
  ] as const) {
    const isWrong = (offset: number): boolean => name === 'table' || !told[offset]!;
    const doubled = copies.findIndex((count, offset) => count > 1 && isWrong(offset));
    if (doubled >= 0) return `duplicate: offset ${doubled} is in the ${name} ${copies[doubled]!} times`;
    const lost = copies.findIndex((count, offset) => count === 0 && offset < position && isWrong(offset));
    if (lost >= 0) return `loss: the position is ${position}, and offset ${lost} is not in the ${name}`;
  }
  if (isEnd && (position < table.copies.length || committed.to !== null))
    return `stuck at position ${position}`;
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
  const empty = { copies: new Array<number>(records).fill(0), tokens: [] };
  const first: World = {
    committed: { offset: 0, to: null, isOld: false },
    table: empty,
    target: empty,
    told: new Array<boolean>(records).fill(false),
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
function keyOf({ committed, table, target, told, owners, stray, left }: World): string {
  const inserts = (list: readonly Insert[]): string => list.map(({ token }) => token).join(';');
  const batchKey = ({ from, to, isRestored, isOld, isRepeated }: Batch): string =>
    `${from}-${to}${isRestored ? 'r' : ''}${isOld ? 'o' : ''}${isRepeated ? 'a' : ''}`;
  const of = ({ isCurrent, step, position, batch, sent }: Owner): string =>
    `${isCurrent ? '+' : '-'}${step}${position}${batch === undefined ? '' : batchKey(batch)}>${sent?.token ?? ''}`;
  return [
    committed.offset,
    committed.to,
    committed.isOld,
    table.copies.join(),
    table.tokens.join(';'),
    target.copies.join(),
    target.tokens.join(';'),
    told.join(),
    owners.map(of).join('&'),
    inserts(stray),
    Object.values(left).join(),
  ].join('|');
}
