/**
 * What retention has removed before the sink had taken it: offsets before the partition's start and past the group's position.
 *
 * I1  A promise is no row. Where what it promised is gone, its rows have to be there: nobody can make the batch again, and a sink
 *     that comes to it stops (`intent-invalid`).
 * I2  What a sink that goes on meanwhile has come past is not lost: its position is asked after the start.
 * I3  What a promise left out became no dead letter yet: that is written together with the next position.
 */
import type { ClickHouseClient } from '@clickhouse/client';
import type { Committed } from '#engine/log/log.ts';
import { countPresent } from '../audit.ts';
import { parseIntent } from '../intent.ts';
import type { Table } from '../tables.ts';

export interface LostOffsets {
  /** Offsets that had neither row nor dead letter when retention removed them. */
  readonly lost: number;
  readonly firstLost: number | null;
}

const none: LostOffsets = { lost: 0, firstLost: null };

/** A position with what it promises. */
export interface PromisedFrom {
  /** Before `start`. */
  readonly position: number;
  /** The end of the promise; the position without one. */
  readonly to: number;
  /** Offsets that the promise leaves out, rising. */
  readonly excluded: readonly number[];
}

/**
 * Of a partition whose first offset is `start`. `rows`: how many the table has of what is gone of the promise. With any the promise went in,
 * and offsets without one are taken for no records; without any nothing says that it did.
 */
export function lostOf({ position, to, excluded }: PromisedFrom, start: number, rows: number): LostOffsets {
  if (rows === 0) return { lost: start - position, firstLost: position };
  const unlettered = excluded.filter((offset) => offset < start);
  const past = Math.max(0, start - to);
  const lost = unlettered.length + past;
  return lost === 0 ? none : { lost, firstLost: unlettered[0] ?? to };
}

export interface LostSources {
  readonly client: ClickHouseClient;
  readonly signal: AbortSignal;
  /** The group's position as it is when this is called. */
  readonly positionNow: (table: Table, partition: number) => Promise<Committed | undefined>;
}

/** @throws SinkError `intent-invalid` for metadata that is none of the sink's; as Kafka and ClickHouse answer */
export async function lostBefore(
  { client, positionNow, signal }: LostSources,
  table: Table,
  partition: number,
  { start, committed }: { readonly start: number; readonly committed: Committed | undefined },
): Promise<LostOffsets> {
  if (committed === undefined || start <= committed.offset) return none;
  const { offset: position, metadata } = (await positionNow(table, partition)) ?? committed;
  if (start <= position) return none;
  const { topic } = table.stream;
  const { to, excluded } = parseIntent(position, metadata, `${topic}/${partition}`) ?? {
    to: position,
    excluded: [],
  };
  const gone = { topic, partition, from: position, to: Math.min(start, to) };
  const rows = to === position ? 0 : await countPresent(client, table, gone, signal);
  return lostOf({ position, to, excluded }, start, rows);
}
