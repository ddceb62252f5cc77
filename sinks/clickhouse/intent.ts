/**
 * The promise that the sink commits before it inserts: offset `from`, and this as metadata.
 *
 * I1  An intent says all that is needed to build the same batch again from the log: the end of its range, the encoder's
 *     version, and the records that were left out. What was left out is written down, not derived again: a schema that
 *     arrives later could make a record readable, and its row would then be lost under the old token.
 * I2  An intent fits the 4,096 bytes that Kafka allows for an offset's metadata (offset.metadata.max.bytes).
 * I3  The token follows from the log's incarnation, topic, partition and range alone. Whoever keeps a promise does it under the
 *     incarnation that made it. A log that outlives its processes (Kafka) has the incarnation '', a topic there that took the place of
 *     one of its name has its id (bound-topics.ts). A log in memory has another one at each start. They give an offset again, and
 *     what is new must not be taken for a repetition.
 */
import type { OffsetRange } from './audit.ts';
import { SinkError } from './error.ts';
import { rangesOf } from './offset-ranges.ts';

/** Offsets that were promised, and the incarnation of the log that they were promised in (I3). */
export interface PromisedRange extends OffsetRange {
  readonly incarnation: string;
}

export interface Intent {
  /** The range ends before this offset. */
  readonly to: number;
  readonly encoder: number;
  /** Of the log in which the promise was made: lower-case hexadecimal digits, or ''. */
  readonly incarnation: string;
  /** Offsets in the range whose records are not in the batch (they go to the dead letters), rising. */
  readonly excluded: readonly number[];
  /** What ClickHouse remembered of tokens before the promise (token-memory.ts); '' where no view takes rows from the table. */
  readonly memory: string;
}

/** A batch takes no further records once it leaves out this many: keeps I2 with any spread of them. */
export const MAX_EXCLUDED = 100;

const MARK = 'weir-intent';

/**
 * The intent of a batch from `from` on, as offset metadata: `weir-intent encoder=1 to=120 log=9f00c2d1e8a7b634 memory=1f..:tn4x2o:2s,1c:8h2k0z,000000 excluded=3,7-9`
 * (what is excluded in base 36, from `from`; `log` only where it has an incarnation, `memory` only where there are views).
 */
export function formatIntent(from: number, intent: Intent): string {
  const excluded = rangesOf(intent.excluded).map(([first, last]) =>
    first === last ? short(first - from) : `${short(first - from)}-${short(last - from)}`,
  );
  const log = intent.incarnation === '' ? '' : ` log=${intent.incarnation}`;
  const memory = intent.memory === '' ? '' : ` memory=${intent.memory}`;
  return `${MARK} encoder=${intent.encoder} to=${intent.to}${log}${memory} excluded=${excluded.join(',')}`;
}

/** The intent in an offset's metadata; undefined without one. Throws `intent-invalid` on what this version does not understand. */
export function parseIntent(from: number, metadata: string, place: string): Intent | undefined {
  if (metadata === '') return undefined;
  const match =
    /^weir-intent encoder=(\d+) to=(\d+)(?: log=([0-9a-f]+))?(?: memory=([0-9a-z:,]+))? excluded=([0-9a-z,-]*)$/.exec(
      metadata,
    );
  const to = Number(match?.[2]);
  if (match === null || !(to > from)) {
    throw new SinkError(
      'intent-invalid',
      `${place}: the committed offset ${from} carries metadata that is no intent of this sink: ${JSON.stringify(metadata)}. ` +
        'Does another consumer use the same group? Give the sink a group of its own, or commit the offset without metadata',
    );
  }
  return {
    to,
    encoder: Number(match[1]),
    incarnation: match[3] ?? '',
    memory: match[4] ?? '',
    excluded: expand(from, match[5] ?? ''),
  };
}

/** The deduplication token of the batch [from, to). */
export function tokenOf(
  incarnation: string,
  topic: string,
  partition: number,
  from: number,
  to: number,
): string {
  return `weir/${batchName({ incarnation, topic, partition, from, to })}`;
}

/** What tells the batch [from, to) of a log from every other one: the part of tokens that follows from it. */
export function batchName({ incarnation, topic, partition, from, to }: PromisedRange): string {
  return `${incarnation === '' ? '' : `${incarnation}/`}${topic}/${partition}/${from}-${to}`;
}

function expand(from: number, text: string): number[] {
  if (text === '') return [];
  return text.split(',').flatMap((range) => {
    const [first = '', last = first] = range.split('-');
    const start = parseInt(first, 36);
    return Array.from({ length: parseInt(last, 36) - start + 1 }, (_, i) => from + start + i);
  });
}

function short(distance: number): string {
  return distance.toString(36);
}
