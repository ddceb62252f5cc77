/**
 * Which offsets the next request to a broker asks for. A request names a partition once, but several may read it: tasks of
 * two processors, or every task a broadcast table.
 *
 * I1  Readers at the same offset share an answer, and so does one further on, as far as the answer reaches: after a while
 *     those that read the same partition read it together.
 * I2  The offsets of a partition take turns, so none starves: a request that leaves out one with more to read does not wait
 *     at the broker for new data, and one beside a full reader only briefly, for there may be room in it at any time.
 * I3  Each round begins with another partition: a broker serves the first ones first.
 */
import type { FetchPosition } from './kafkajs-cluster.ts';
import type { PartitionReader } from './partition-reader.ts';

/** Who may take from the answer, with its seeks so far, for `accept`. */
export interface Waiting {
  readonly reader: PartitionReader;
  readonly seeks: number;
}

export interface PlannedFetch {
  readonly position: FetchPosition;
  readonly waiting: readonly Waiting[];
}

export interface FetchPlan {
  readonly fetches: readonly PlannedFetch[];
  /** How long the broker may wait for new data. */
  readonly maxWaitMs: number;
}

/** A full reader's records are read after so long at the latest: at most a hundred requests a second for nothing. */
const besideFullMs = 10;

interface Wanted extends Waiting {
  readonly position: FetchPosition;
}

const nameOf = ({ topic, partition }: FetchPosition): string => `${topic}-${partition}`;

/**
 * What to fetch for `readers`, all of partitions of one broker; no fetch when none wants anything. The broker waits up to
 * `maxWaitMs` where nobody else waits for it.
 */
export function planFetches(readers: Iterable<PartitionReader>, round: number, maxWaitMs: number): FetchPlan {
  const byPartition = new Map<string, Wanted[]>();
  let waitMs = maxWaitMs;
  for (const reader of readers) {
    const wanted = reader.wanted();
    if (wanted === undefined) {
      if (reader.isFull) waitMs = Math.min(waitMs, besideFullMs);
      continue;
    }
    const name = nameOf(wanted.position);
    const others = byPartition.get(name);
    if (others === undefined) byPartition.set(name, [{ reader, ...wanted }]);
    else others.push({ reader, ...wanted });
  }
  const fetches: PlannedFetch[] = [];
  for (const wanted of byPartition.values()) {
    const { planned, leftOut } = takeTurn(wanted, round);
    fetches.push(planned);
    if (leftOut.some(({ reader }) => reader.expectsMore)) waitMs = 0;
  }
  const first = fetches.length === 0 ? 0 : round % fetches.length;
  return { fetches: [...fetches.slice(first), ...fetches.slice(0, first)], maxWaitMs: waitMs };
}

/** The offset of a partition whose turn it is. */
function takeTurn(
  wanted: readonly Wanted[],
  round: number,
): { readonly planned: PlannedFetch; readonly leftOut: readonly Wanted[] } {
  const offsets = [...new Set(wanted.map(({ position }) => position.fetchOffset))].sort((a, b) => a - b);
  const offset = offsets[round % offsets.length]!;
  const asked = wanted.find(({ position }) => position.fetchOffset === offset)!;
  return {
    planned: {
      position: asked.position,
      waiting: wanted.filter(({ position }) => position.fetchOffset >= offset),
    },
    leftOut: wanted.filter(({ position }) => position.fetchOffset !== offset),
  };
}
