/**
 * Flow of least cost through a small network, one unit after the other: what `placement.ts` finds the best placement with.
 * Costs are of two orders: any burden outweighs every price.
 *
 * A task is a unit that flows to the sink; each arc is a decision with its cost. Successive shortest paths, where a later
 * unit may send an earlier one elsewhere (Ahuja, Magnanti, Orlin, Network Flows, 9.7): so the sum is the least there
 * is, whatever the order of the units, which no rule of thumb gives.
 *
 * I1  After each `sendOne` the flow is the cheapest of all that carry the same units.
 * I2  The same calls in the same order give the same flow.
 */

export interface Arc {
  readonly from: number;
  readonly to: number;
  /** Of each unit, a whole number. */
  readonly price: number;
  /** The first unit is no burden, each more is one by this much more than the one before: so units spread over arcs. */
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

/** Prices and rises are whole numbers from 0 on; those of a path add up to less than 2^53. */
export function addArc(network: Network, arc: Omit<Arc, 'flow'>): Arc {
  const added: Arc = { ...arc, flow: 0 };
  network.touching[arc.from]!.push(added);
  network.touching[arc.to]!.push(added);
  return added;
}

const otherEnd = (arc: Arc, node: number): number => (arc.from === node ? arc.to : arc.from);

/** Whether a unit can go from `node` along the arc, or against it, which takes one back that went along. */
const isOpen = (arc: Arc, node: number): boolean =>
  arc.from === node ? arc.flow < arc.capacity : arc.flow > 0;
const burdenFrom = (arc: Arc, node: number): number =>
  arc.from === node ? arc.rise * arc.flow : -arc.rise * (arc.flow - 1);
const priceFrom = (arc: Arc, node: number): number => (arc.from === node ? arc.price : -arc.price);

/** By node: the arc by which the cheapest way from `source` comes. Bellman and Ford's, with a queue: costs may be negative. */
function cheapestWays({ touching }: Network, source: number, sink: number): (Arc | undefined)[] {
  const burdens = new Float64Array(touching.length).fill(Infinity);
  const prices = new Float64Array(touching.length).fill(Infinity);
  const by = new Array<Arc | undefined>(touching.length).fill(undefined);
  const isQueued = new Uint8Array(touching.length);
  const queue = [source];
  burdens[source] = 0;
  prices[source] = 0;
  for (let next = 0; next < queue.length; next++) {
    const node = queue[next]!;
    isQueued[node] = 0;
    if (node === sink) continue;
    for (const arc of touching[node]!) {
      if (!isOpen(arc, node)) continue;
      const end = otherEnd(arc, node);
      const burden = burdens[node]! + burdenFrom(arc, node);
      const price = prices[node]! + priceFrom(arc, node);
      if (burden > burdens[end]! || (burden === burdens[end]! && price >= prices[end]!)) continue;
      burdens[end] = burden;
      prices[end] = price;
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
