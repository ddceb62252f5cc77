/** Building a promised batch again from the log, row for row as it was promised (see intent.ts). */
import type { Committed, LogRecord, PartitionSource } from '#engine/log/log.ts';
import { CHUNK_RECORDS, type Batch } from './batch.ts';
import { SinkError } from './error.ts';
import { parseIntent, type Intent } from './intent.ts';
import { ENCODER_VERSION } from './native/block-encoder.ts';
import type { PartitionPorts } from './partition-ports.ts';

/** How often a record whose schema is unknown is looked at again. */
export const SCHEMA_POLL_MS = 100;

/** A batch by its place. */
export interface Promised {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/** What was promised, restored, with what ClickHouse remembered of tokens before (token-memory.ts). */
export interface Restored extends Promised {
  readonly memory: string;
}

export function describePromise({ topic, partition, from, to }: Promised): string {
  return `${topic}/${partition}, offsets ${from} to ${to - 1}`;
}

type RestorePorts = Pick<PartitionPorts, 'source' | 'readRow'>;

/**
 * Fills `batch` (empty, starting at the committed offset) with what was promised there; undefined where nothing was.
 * Waits up to `schemaWaitMs` for schemas that are not known yet. Rejects with `intent-invalid` where the promise cannot be
 * kept: made by another version, its records gone from the log, or no longer readable.
 */
export async function restorePromised(
  batch: Batch,
  committed: Committed | undefined,
  ports: RestorePorts,
  pause: (durationMs: number) => Promise<void>,
  schemaWaitMs: number,
  stop: AbortSignal,
): Promise<Restored | undefined> {
  if (committed === undefined) return undefined;
  const { topic, partition } = ports.source;
  const intent = parseIntent(batch.from, committed.metadata, `${topic}/${partition}`);
  if (intent === undefined) return undefined;
  const promised = { topic, partition, from: batch.from, to: intent.to, memory: intent.memory };
  refuseOtherEncoder(promised, intent);
  const excluded = new Set(intent.excluded);
  const giveUpAtMs = performance.now() + schemaWaitMs;
  for (const record of await readRange(promised, ports, stop)) {
    while (mayResolveLater(record, excluded, ports, giveUpAtMs)) {
      if (stop.aborted) throw new SinkError('stopped', `${describePromise(promised)}: stopped`);
      await pause(SCHEMA_POLL_MS);
    }
    const failure = batch.restore(record, excluded.has(record.offset), ports.readRow);
    if (failure !== undefined) {
      throw cannotKeep(
        promised,
        `the record at offset ${record.offset} was promised as a row, but: ${failure.reason}`,
      );
    }
  }
  batch.endAsPromised(intent.to, intent.incarnation);
  return promised;
}

function refuseOtherEncoder(promised: Promised, intent: Intent): void {
  if (intent.encoder === ENCODER_VERSION) return;
  throw cannotKeep(
    promised,
    `it was made with encoder version ${intent.encoder}, and this build has version ${ENCODER_VERSION}; ` +
      'start the build that made it once more and let it stop in order',
  );
}

/**
 * The records of a promised range. Rejects with `intent-invalid` where the log has lost them, with `stopped` once `stop`
 * aborts: what was read until then is not all of it.
 */
export async function readRange(
  promised: Promised,
  { source }: Pick<PartitionPorts, 'source'>,
  stop: AbortSignal,
): Promise<readonly LogRecord[]> {
  const found: LogRecord[] = [];
  let next = promised.from;
  // Asked first: a source that has told its end gives nothing only there.
  await refuseShortLog(promised, source);
  while (next < promised.to) {
    const records = await readOf(promised, source, next);
    if (stop.aborted) throw new SinkError('stopped', `${describePromise(promised)}: stopped`);
    const last = records.at(-1);
    if (last === undefined) break;
    found.push(...records.filter((record) => record.offset < promised.to));
    next = last.offset + 1;
  }
  await refuseShortLog(promised, source);
  return found;
}

async function refuseShortLog(promised: Promised, source: PartitionSource): Promise<void> {
  const end = await source.endOffset();
  if (end < promised.to) throw cannotKeep(promised, `the log ends at offset ${end}: it has lost records`);
}

async function readOf(
  promised: Promised,
  source: PartitionSource,
  offset: number,
): Promise<readonly LogRecord[]> {
  try {
    return await source.read(offset, CHUNK_RECORDS);
  } catch (error) {
    const isGone = error instanceof SinkError && error.code === 'records-lost';
    if (isGone) throw cannotKeep(promised, error.message, error);
    throw error;
  }
}

function mayResolveLater(
  record: LogRecord,
  excluded: ReadonlySet<number>,
  { readRow }: RestorePorts,
  giveUpAtMs: number,
): boolean {
  if (excluded.has(record.offset) || performance.now() >= giveUpAtMs) return false;
  const read = readRow(record);
  return !('event' in read) && read.mayResolve;
}

function cannotKeep(promised: Promised, why: string, cause?: unknown): SinkError {
  return new SinkError(
    'intent-invalid',
    `${describePromise(promised)}: the promised batch cannot be made again: ${why}`,
    cause === undefined ? undefined : { cause },
  );
}
