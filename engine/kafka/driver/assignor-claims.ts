/**
 * What a member says of its tasks when it joins the group, as bytes: the `userData` of its subscription.
 *
 * One byte for the version, then JSON, tasks grouped by topic: it is read by people in `kafka-consumer-groups`' dumps too.
 *
 * I1  No more than `maxClaimBytes`: the coordinator keeps all members' in one record of at most 1 MB. What does not fit is
 *     left out, first the stores that came least far, then tasks: that costs a restore, or a move, and nothing else.
 * I2  Decoding never throws, whatever the bytes: what is not understood is not claimed.
 */
import type { StoredTask, Task } from './placement.ts';

export interface Claims {
  /** The group's generation in which `owned` was assigned; -1 for none. */
  readonly generation: number;
  /** The tasks that this member runs now. */
  readonly owned: readonly Task[];
  /** The tasks whose store is on this member's disk, run by it or not, with the changelog offset of each. */
  readonly stored: readonly StoredTask[];
}

const version = 1;
export const maxClaimBytes = 16_384;
export const noClaims: Claims = { generation: -1, owned: [], stored: [] };

/** Topic -> numbers: a partition for each owned task; partition and offset, by turns, for each stored one. */
type ByTopic = Record<string, number[]>;

export function byTopic<T extends Task>(
  tasks: readonly T[],
  numbersOf: (task: T) => readonly number[],
): ByTopic {
  const topics = new Map<string, number[]>();
  for (const task of tasks) topics.set(task.topic, [...(topics.get(task.topic) ?? []), ...numbersOf(task)]);
  return Object.fromEntries(topics);
}

function encode({ generation, owned, stored }: Claims): Buffer {
  const json = JSON.stringify({
    g: generation,
    o: byTopic(owned, ({ partition }) => [partition]),
    s: byTopic(stored, ({ partition, offset }) => [partition, offset]),
  });
  return Buffer.concat([Buffer.from([version]), Buffer.from(json, 'utf8')]);
}

/** The bytes of `claims`, or of as many of them as fit. */
export function encodeClaims(claims: Claims): Buffer {
  let { owned, stored } = claims;
  stored = stored.toSorted((a, b) => b.offset - a.offset);
  for (;;) {
    const bytes = encode({ ...claims, owned, stored });
    if (bytes.length <= maxClaimBytes || (owned.length === 0 && stored.length === 0)) return bytes;
    if (stored.length > 0) stored = stored.slice(0, stored.length >> 1);
    else owned = owned.slice(0, owned.length >> 1);
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** The pairs of topic and numbers in what should be a `ByTopic`. */
function numbersByTopic(value: unknown): (readonly [string, readonly number[]])[] {
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([topic, numbers]) =>
    Array.isArray(numbers) && numbers.every(isWhole) ? [[topic, numbers] as const] : [],
  );
}

function pairs(topic: string, numbers: readonly number[]): StoredTask[] {
  const stored: StoredTask[] = [];
  for (let i = 0; i + 1 < numbers.length; i += 2)
    stored.push({ topic, partition: numbers[i]!, offset: numbers[i + 1]! });
  return stored;
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    // Another program's bytes, or a newer Weir's: I2.
    return undefined;
  }
}

/** What `bytes` claim; nothing when they are not ours. */
export function decodeClaims(bytes: Buffer | null | undefined): Claims {
  if (bytes?.[0] !== version) return noClaims;
  const value = parse(bytes.toString('utf8', 1));
  if (!isRecord(value)) return noClaims;
  return {
    generation: isWhole(value['g']) ? value['g'] : noClaims.generation,
    owned: numbersByTopic(value['o']).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition })),
    ),
    stored: numbersByTopic(value['s']).flatMap(([topic, numbers]) => pairs(topic, numbers)),
  };
}
