/**
 * Flow of least cost through a small network, one unit after the other: what `placement.ts` finds the best placement with.
 *
 * A task is a unit that flows to the sink; each arc is a decision with its price. Successive shortest paths, where a later
 * unit may send an earlier one elsewhere (Ahuja, Magnanti, Orlin, Network Flows, 9.7): so the sum is the least there
 * is, whatever the order of the units, which no rule of thumb gives.
 *
 * I1  After each `sendOne` the flow is the cheapest of all that carry the same units.
 * I2  The same calls in the same order give the same flow.
 */

export interface Arc {
  readonly from: number;
  readonly to: number;
  /** The price of the first unit. */
  readonly cost: number;
  /** By how much each unit is dearer than the one before: not negative, so that units spread over arcs. */
  readonly rise: number;
  readonly capacity: number;
  flow: number;
}

export interface Network {
  /** By node: the arcs that begin or end there. */
  readonly touching: readonly Arc[][];
}

/** A network of nodes 0 to `nodes` - 1 without arcs. */
export const networkOf = (nodes: number): Network => ({ touching: Array.from({ length: nodes }, () => []) });

/** Costs and rises are integers, at least 0; their sums along a path stay below 2^53. */
export function addArc(network: Network, arc: Omit<Arc, 'flow'>): Arc {
  const added: Arc = { ...arc, flow: 0 };
  network.touching[arc.from]!.push(added);
  network.touching[arc.to]!.push(added);
  return added;
}

/** The price of one more unit along an arc from `node`, or, against it, what one less gives back. */
function priceFrom(arc: Arc, node: number): number {
  if (arc.from === node) return arc.flow < arc.capacity ? arc.cost + arc.rise * arc.flow : Infinity;
  return arc.flow > 0 ? -(arc.cost + arc.rise * (arc.flow - 1)) : Infinity;
}

const otherEnd = (arc: Arc, node: number): number => (arc.from === node ? arc.to : arc.from);

/** By node: the arc by which the cheapest way from `source` comes. Bellman and Ford's, with a queue: prices may be negative. */
function cheapestWays({ touching }: Network, source: number, sink: number): (Arc | undefined)[] {
  const price = new Float64Array(touching.length).fill(Infinity);
  const by = new Array<Arc | undefined>(touching.length).fill(undefined);
  const isQueued = new Uint8Array(touching.length);
  const queue = [source];
  price[source] = 0;
  for (let next = 0; next < queue.length; next++) {
    const node = queue[next]!;
    isQueued[node] = 0;
    if (node === sink) continue;
    for (const arc of touching[node]!) {
      const end = otherEnd(arc, node);
      const through = price[node]! + priceFrom(arc, node);
      if (through >= price[end]!) continue;
      price[end] = through;
      by[end] = arc;
      if (isQueued[end] === 1) continue;
      isQueued[end] = 1;
      queue.push(end);
    }
  }
  return by;
}

/** Send one unit more from `source` to `sink`. @returns whether there was a way */
export function sendOne(network: Network, source: number, sink: number): boolean {
  const by = cheapestWays(network, source, sink);
  if (by[sink] === undefined) return false;
  for (let node = sink; node !== source;) {
    const arc = by[node]!;
    const before = otherEnd(arc, node);
    arc.flow += arc.from === before ? 1 : -1;
    node = before;
  }
  return true;
}
